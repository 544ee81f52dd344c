import { type CommandIo, EXIT } from './command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from './config/help.ts';
import { printConfig, printConfigJson } from './config/print.ts';
import {
  asksForHelp,
  type Env,
  type Flags,
  loadConfig,
  quote,
  readArguments,
  settingFlags,
  UsageError,
} from './config.ts';
import { VERSION } from './version.ts';

/** A word after `export-service`. Its code is loaded only when it is called. */
interface Command {
  readonly summary: string;
  run(args: readonly string[], env: Env, io: CommandIo): Promise<number>;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['serve', { summary: 'Run the service (also when no command is given)', run: runServe }],
  [
    'demo',
    {
      summary: 'See one export go the whole way on this machine; needs nothing else',
      run: async (args, env, io) => (await import('../cli/demo/demo.ts')).run(args, env, io),
    },
  ],
  [
    'key',
    {
      summary: 'Show the public key that receivers check deliveries with, or make a new one',
      run: async (args, env, io) => (await import('../cli/key.ts')).run(args, env, io),
    },
  ],
  [
    'root-key',
    {
      summary: 'Get a new root key from the arbiter',
      run: async (args, env, io) => (await import('../cli/root-key.ts')).run(args, env, io),
    },
  ],
  [
    'send',
    {
      summary: 'Export JSON files, or NDJSON line by line, and wait for the results',
      run: async (args, env, io) => (await import('../cli/send.ts')).run(args, env, io),
    },
  ],
  [
    'exports',
    {
      summary: 'See what left and what is on its way; cancel it, or deliver it once more',
      run: async (args, env, io) => (await import('../cli/exports.ts')).run(args, env, io),
    },
  ],
  [
    'rules',
    {
      summary: 'Say what may leave: block, hold and budget',
      run: async (args, env, io) => (await import('../cli/rules.ts')).run(args, env, io),
    },
  ],
  [
    'hold',
    {
      summary: 'Let nothing leave for now: of an app, to a destination, or at all',
      run: async (args, env, io) => (await import('../cli/hold.ts')).run(args, env, io),
    },
  ],
  [
    'release',
    {
      summary: 'Let leave what was held',
      run: async (args, env, io) => (await import('../cli/release.ts')).run(args, env, io),
    },
  ],
  [
    'owner-link',
    {
      summary: "Print a link that opens the owner's page signed in",
      run: async (args, env, io) => (await import('../cli/owner-link.ts')).run(args, env, io),
    },
  ],
  [
    'doctor',
    {
      summary: 'Say what is wrong, and what mends it',
      run: async (args, env, io) => (await import('../cli/doctor.ts')).run(args, env, io),
    },
  ],
  [
    'ledger',
    {
      summary: 'What left the box, and whether the record of it holds',
      run: async (args, env, io) => (await import('../cli/ledger.ts')).run(args, env, io),
    },
  ],
  [
    'store',
    {
      summary: 'Check, migrate, back up and rekey the store of exports',
      run: async (args, env, io) => (await import('../cli/store.ts')).run(args, env, io),
    },
  ],
  [
    'token',
    {
      summary: 'Mint, inspect and attenuate the tokens that apps export with',
      run: async (args, env, io) => (await import('../cli/token.ts')).run(args, env, io),
    },
  ],
  [
    'completion',
    {
      summary: 'Let bash, zsh or fish complete commands and flags',
      run: async (args, env, io) =>
        (await import('../cli/completion.ts')).run(args, io, (words) => helpOf(words, env, io)),
    },
  ],
]);

/**
 * The `export-service` command.
 *
 * @param args without the program's own name
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly
 */
export async function main(args: readonly string[], env: Env, io: CommandIo = process): Promise<number> {
  try {
    return await dispatch(args, env, io);
  } catch (error) {
    io.stderr.write(`export-service: ${inWords(error)}\n`);
    return error instanceof UsageError ? EXIT.usage : EXIT.failed;
  }
}

async function dispatch(args: readonly string[], env: Env, io: CommandIo): Promise<number> {
  const [first, ...rest] = args;
  if (first === '--version') return print(io, `${VERSION}\n`);
  if (first === '--help' || first === '-h') return print(io, generalHelp());
  if (first === 'help') return help(rest, env, io);
  // `export-service -v` runs the service: so the original's image is started.
  if (first === undefined || first.startsWith('-')) return runServe(args, env, io);
  return commandNamed(first).run(rest, env, io);
}

/** `help` alone, or `help COMMAND`, which is `COMMAND --help`. */
function help(words: readonly string[], env: Env, io: CommandIo): Promise<number> | number {
  const [name, ...rest] = words;
  if (name === undefined || name.startsWith('-')) return print(io, generalHelp());
  return commandNamed(name).run([...rest, '--help'], env, io);
}

/** The help of `export-service WORDS`, as text. */
async function helpOf(words: readonly string[], env: Env, { stdin, stderr }: CommandIo): Promise<string> {
  let text = '';
  const stdout = {
    write: (more: string) => {
      text += more;
    },
  };
  await dispatch([...words, '--help'], env, { stdin, stdout, stderr });
  return text;
}

function commandNamed(name: string): Command {
  const command = COMMANDS.get(name);
  if (command === undefined) {
    throw new UsageError(`unknown command ${quote(name)}; export-service --help lists them`);
  }
  return command;
}

const SERVE_FLAGS = {
  printConfig: {
    names: ['--print-config'],
    placeholder: null,
    meaning: 'Print the settings and where each comes from, secrets masked, and end',
  },
  json: { names: ['--json'], placeholder: null, meaning: 'With --print-config: as JSON' },
} as const satisfies Flags;

async function runServe(args: readonly string[], env: Env, io: CommandIo): Promise<number> {
  if (asksForHelp(args)) return print(io, serveHelp());
  const given = readArguments(args, { ...settingFlags(), ...SERVE_FLAGS });
  const loaded = loadConfig(given, env);
  if (given.isOn('printConfig')) {
    return print(io, given.isOn('json') ? printConfigJson(loaded) : printConfig(loaded));
  }
  if (given.isOn('json')) throw new UsageError('--json goes with --print-config only');
  return (await import('./serve.ts')).serve(loaded.config, io, env);
}

function generalHelp(): string {
  const commands = [...COMMANDS].map(([name, { summary }]) => [name, summary] as const);
  return [
    'Usage: export-service [COMMAND] [FLAGS]\n',
    renderText(
      'The door out of a Databox: queues what apps export, delivers it, and tells them how it went.',
    ),
    `Commands:\n${renderRows(commands)}`,
    `Flags:\n${renderRows([HELP_ROW, ['    --version', 'The version']])}`,
    `Examples:\n${[
      '  export-service demo',
      '  export-service serve --port 8080 --data-dir ./data',
      '  export-service token mint --destination https://example.org/in',
    ].join('\n')}\n`,
    renderText(
      'COMMAND --help tells more; serve --help lists every setting. Exit codes: 0 done, 1 failed, 2 wrong usage.',
    ),
  ].join('\n');
}

function serveHelp(): string {
  return [
    'Usage: export-service serve [FLAGS]\n',
    renderText(
      'Runs the service until it is told to stop (SIGTERM, Ctrl-C), and prints its address once it is ready. ' +
        'Every setting is a flag or an environment variable (in brackets); a flag outdoes the variable, and that ' +
        'outdoes the default. Durations are written 500ms, 5s, 2m, 1h, 7d; sizes 64KiB, 1MiB, 10GiB or plain bytes.',
    ),
    renderSettings(),
    `Other flags:\n${renderRows([...Object.values(SERVE_FLAGS).map(flagRow), HELP_ROW])}`,
    `Examples:\n${[
      '  export-service serve',
      '  export-service serve --port 0 --allow-http --allow-network 127.0.0.0/8   # to try it out',
      '  EXPORT_SECRET_FILE=/run/root-key export-service serve --host 0.0.0.0 -v',
      '  export-service serve --print-config',
    ].join('\n')}\n`,
  ].join('\n');
}

function print(io: CommandIo, text: string): number {
  io.stdout.write(text);
  return EXIT.done;
}

/** One line for what the world may do; where it is our own mistake, whoever looks for it needs the stack. */
function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isOurs =
    error instanceof TypeError || error instanceof ReferenceError || error.name === 'AssertionError';
  return isOurs ? (error.stack ?? error.message) : error.message;
}
