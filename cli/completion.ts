/**
 * `export-service completion bash|zsh|fish`: a script that completes commands and flags. It is made from the help of
 * each command, so that what the help tells can be completed, and nothing else.
 */
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { HELP_ROW, renderRows, renderText } from '../src/config/help.ts';
import { asksForHelp, quote, readArguments, UsageError } from '../src/config.ts';
import { bashScript, fishScript, zshScript } from './completion/scripts.ts';
import { type CommandTree, readTree } from './completion/tree.ts';

/** What a shell sources. */
type Script = (tree: CommandTree) => string;

const SHELLS: ReadonlyMap<string, { script: Script; setUp: string }> = new Map([
  ['bash', { script: bashScript, setUp: "echo 'source <(export-service completion bash)' >> ~/.bashrc" }],
  ['zsh', { script: zshScript, setUp: "echo 'source <(export-service completion zsh)' >> ~/.zshrc" }],
  [
    'fish',
    {
      script: fishScript,
      setUp: 'export-service completion fish > ~/.config/fish/completions/export-service.fish',
    },
  ],
]);

/** @param helpOf the help of `export-service WORDS` */
export async function run(
  args: readonly string[],
  io: CommandIo,
  helpOf: (words: readonly string[]) => Promise<string>,
): Promise<ExitCode> {
  if (asksForHelp(args)) {
    io.stdout.write(help());
    return EXIT.done;
  }
  const [name] = readArguments(args, {}, 1).positionals;
  const shell = SHELLS.get(name ?? '');
  if (shell === undefined) {
    const choice = 'completion goes with bash, zsh or fish';
    throw new UsageError(name === undefined ? choice : `${choice}, not ${quote(name)}`);
  }
  io.stdout.write(shell.script(await readTree(helpOf)));
  return EXIT.done;
}

function help(): string {
  return [
    'Usage: export-service completion bash|zsh|fish\n',
    renderText(
      'Prints a script that lets the shell complete commands, flags and files. Once, for every new shell (the command must be found by its name):',
    ),
    renderRows([...SHELLS].map(([name, { setUp }]) => [name, setUp])),
    `Flags:\n${renderRows([HELP_ROW])}`,
    'Examples:\n  source <(export-service completion bash)\n',
  ].join('\n');
}
