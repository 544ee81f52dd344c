/** A command as its help tells about it; the nameless one at the top is `export-service` itself. */
export interface CommandTree {
  /** The words that lead to it: `['store', 'backup']`. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly flags: readonly CompletedFlag[];
  /** Whether it takes files that belong to no flag. */
  readonly takesFiles: boolean;
  readonly commands: readonly CommandTree[];
}

export interface CompletedFlag {
  /** `--port`. */
  readonly name: string;
  /** `-p`; null when it has none. */
  readonly short: string | null;
  readonly value: 'none' | 'file' | 'other';
  readonly meaning: string;
}

/** Asks for the help of `export-service WORDS`. */
export type HelpOf = (words: readonly string[]) => Promise<string>;

const FILES = /^(?:FILE|DIR|FOLDER)/;

/** Every command with its flags, from what its help says. */
export async function readTree(helpOf: HelpOf): Promise<CommandTree> {
  const help = await helpOf([]);
  const commands = [];
  for (const [name, summary] of rowsOf(help, 'Commands')) {
    commands.push(await readCommand([name], summary, helpOf));
  }
  return { words: [], summary: '', flags: flagsOf(help), takesFiles: false, commands };
}

async function readCommand(words: readonly string[], summary: string, helpOf: HelpOf): Promise<CommandTree> {
  const help = await helpOf(words);
  const usage = usageOf(help, words);
  const summaries = new Map(rowsOf(help, 'Commands'));
  const commands = [];
  for (const name of subcommandsOf(usage)) {
    // Words that are not commands of their own, such as the shells of `completion`, have no help of their own either.
    const own = await helpOf([...words, name]);
    const isCommand = own !== help;
    commands.push(
      isCommand
        ? await readCommand([...words, name], summaries.get(name) ?? '', helpOf)
        : { words: [...words, name], summary: '', flags: [], takesFiles: false, commands: [] },
    );
  }
  return { words, summary, flags: flagsOf(help), takesFiles: takesFiles(usage), commands };
}

/** What stands behind the command in the first line of its help. */
function usageOf(help: string, words: readonly string[]): string {
  const start = `Usage: export-service ${words.join(' ')}`;
  const line = help.split('\n').find((each) => each.startsWith(start));
  return line?.slice(start.length).trim() ?? '';
}

/** `check|migrate|backup`: words in lower case that stand first; what the user fills in is in capitals. */
function subcommandsOf(usage: string): readonly string[] {
  return /^[a-z][a-z-]*(?:\|[a-z][a-z-]*)*(?=\s|$)/.exec(usage)?.[0].split('|') ?? [];
}

function takesFiles(usage: string): boolean {
  const withoutFlags = usage.replaceAll(/--?[a-z][\w-]* [A-Z]+/g, '');
  return withoutFlags.split(/[\s[\]]+/).some((word) => FILES.test(word));
}

/** The left and right columns under a heading. */
function rowsOf(help: string, heading: string): [name: string, text: string][] {
  const section = help.split(`\n${heading}:\n`)[1]?.split('\n\n')[0] ?? '';
  return [...section.matchAll(/^ {2}([a-z][\w-]*)(?: \S.*?)?(?: {2,}|\n {10,})(\S.*)$/gm)].map(
    ([, name, text]) => [name ?? '', text ?? ''],
  );
}

const FLAG_ROW =
  /^ {2,6}(?:(-\w), )?(--[\w-]+)(?:, -\w)?(?:[ =]([^\s,]+))?(?:, -\w)?(?: {2,}|\n {10,}|$)(.*)$/gm;

function flagsOf(help: string): readonly CompletedFlag[] {
  return [...help.matchAll(FLAG_ROW)].map(([, short, name, value, meaning]) => ({
    name: name ?? '',
    short: short ?? null,
    value: value === undefined || value === 'false' ? 'none' : FILES.test(value) ? 'file' : 'other',
    meaning: (meaning ?? '').trim(),
  }));
}
