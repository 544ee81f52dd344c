import { type CommandIo, EXIT } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from '../src/config/help.ts';
import {
  asksForHelp,
  type Env,
  type Flags,
  loadConfig,
  quote,
  readArguments,
  settingFlags,
  UsageError,
} from '../src/config.ts';
import { encode, type MacaroonFormat } from '../src/macaroon/codec.ts';
import { attenuate, type Macaroon, mint } from '../src/macaroon/macaroon.ts';
import { caveatsToMint, extraCaveats, warnOfUnknown } from './token/caveats.ts';
import { inspect, inspectionText } from './token/inspection.ts';
import {
  newestRootKey,
  ROOT_KEY_SETTINGS,
  systemParts,
  type TokenCall,
  type TokenParts,
} from './token/parts.ts';
import { readToken } from './token/read-token.ts';

/** `export-service token mint|inspect|attenuate`. */
export async function run(
  args: readonly string[],
  env: Env,
  io: CommandIo,
  parts: TokenParts = systemParts,
): Promise<number> {
  const [name, ...rest] = args;
  const action = ACTIONS.get(name ?? '');
  if (action === undefined) {
    if (!asksForHelp(args)) throw new UsageError(`${missingAction(name)}; token --help tells about them`);
    io.stdout.write(HELP);
  } else if (asksForHelp(rest)) io.stdout.write(action.help());
  else await action.run({ args: rest, env, io, parts });
  return EXIT.done;
}

interface Action {
  help(): string;
  run(call: TokenCall): Promise<void>;
}

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['mint', { help: mintHelp, run: mintToken }],
  ['inspect', { help: inspectHelp, run: inspectToken }],
  ['attenuate', { help: attenuateHelp, run: attenuateToken }],
]);

function missingAction(name: string | undefined): string {
  const choice = 'token goes with mint, inspect or attenuate';
  return name === undefined ? choice : `${choice}, not ${quote(name)}`;
}

/** What a real arbiter writes: all apps are one client then, told apart by their destinations. */
const NO_IDENTIFIER = '';

const MINT_FLAGS = {
  destination: {
    names: ['--destination'],
    placeholder: 'URL',
    meaning: 'Where the token may export to: the URL exactly as the app will give it',
  },
  path: {
    names: ['--path'],
    placeholder: 'PATH',
    meaning:
      "Path of the API it opens, default /export; '*' for every app path. " +
      "'/owner/*' makes an owner token: it takes no destination and expires after 12h unless told otherwise",
  },
  method: {
    names: ['--method'],
    placeholder: 'METHOD',
    meaning: "HTTP method it is good for, default POST; an owner token needs '*' to do more than one thing",
  },
  target: {
    names: ['--target'],
    placeholder: 'NAME',
    meaning: "Name of the service that takes it, default this one's",
  },
  id: {
    names: ['--id'],
    placeholder: 'NAME',
    meaning:
      'Whom the token is for: the app as the owner sees it. Tokens with the same one see the same exports. ' +
      'Default: none, as the arbiter mints them',
  },
  expires: {
    names: ['--expires'],
    placeholder: 'WHEN',
    meaning: 'After how long (1h, 7d) or when (2030-01-31T12:00:00Z) it ends; default never',
  },
  caveat: {
    names: ['--caveat'],
    placeholder: 'TEXT',
    meaning: 'A further restriction such as "data-bytes <= 4096"; repeatable',
    isRepeatable: true,
  },
} as const satisfies Flags;

async function mintToken({ args, env, io, parts }: TokenCall): Promise<void> {
  const given = readArguments(args, { ...MINT_FLAGS, ...settingFlags(ROOT_KEY_SETTINGS) });
  const { config } = loadConfig(given, env);
  const caveats = caveatsToMint(given, config.name, parts.now());
  const identifier = given.text('id') ?? NO_IDENTIFIER;
  const rootKey = await newestRootKey(parts, config);
  const token = refusingTooLong(() =>
    encode(mint({ rootKey, identifier, location: config.name, caveats }), 'v1'),
  );
  warnOfUnknown(caveats, io);
  io.stdout.write(`${token}\n`);
}

const INSPECT_FLAGS = {
  json: { names: ['--json'], placeholder: null, meaning: 'Print JSON' },
} as const satisfies Flags;

async function inspectToken({ args, env, io, parts }: TokenCall): Promise<void> {
  const given = readArguments(args, { ...INSPECT_FLAGS, ...settingFlags(ROOT_KEY_SETTINGS) }, 1);
  const { config } = loadConfig(given, env);
  const { macaroon } = await readToken(given.positionals[0], io);
  const inspection = await inspect(macaroon, config, parts);
  io.stdout.write(
    given.isOn('json') ? `${JSON.stringify(inspection, null, 2)}\n` : inspectionText(inspection),
  );
}

const ATTENUATE_FLAGS = { caveat: MINT_FLAGS.caveat } as const satisfies Flags;

async function attenuateToken({ args, io }: TokenCall): Promise<void> {
  const given = readArguments(args, ATTENUATE_FLAGS, 1);
  const caveats = extraCaveats(given);
  if (caveats.length === 0)
    throw new UsageError('--caveat is missing: what to add, such as "data-bytes <= 4096"');
  const { macaroon, format } = await readToken(given.positionals[0], io);
  const token = refusingTooLong(() => encodeWith(macaroon, caveats, format));
  warnOfUnknown(caveats, io);
  io.stdout.write(`${token}\n`);
}

function encodeWith(macaroon: Macaroon, caveats: readonly string[], format: MacaroonFormat): string {
  return encode(
    caveats.reduce((narrowed, caveat) => attenuate(narrowed, caveat), macaroon),
    format,
  );
}

/** Tokens have a longest length and a largest number of caveats; what was asked for goes beyond. */
function refusingTooLong(make: () => string): string {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  }
}

const HELP = [
  'Usage: export-service token mint|inspect|attenuate [FLAGS]\n',
  renderText('A token says who may export where. Its caveats only ever narrow it, and anyone can add one.'),
  `Commands:\n${renderRows([
    ['mint --destination URL', 'Make a token from the root key'],
    ['inspect TOKEN', 'Show what a token says, and whether it is valid'],
    ['attenuate TOKEN --caveat TEXT', 'Narrow a token; needs no key'],
  ])}`,
  `Flags:\n${renderRows([HELP_ROW])}`,
  renderText('token COMMAND --help tells more.'),
].join('\n');

const ROOT_KEY_HELP = `${renderText(
  'Which root key: without --secret and --secret-file it is the one that a service with the same --data-dir keeps ' +
    'in its store; with --arbiter, the newest one that the arbiter gave it.',
)}\n${renderSettings(ROOT_KEY_SETTINGS)}`;

function mintHelp(): string {
  return [
    'Usage: export-service token mint --destination URL [FLAGS]\n',
    renderText('Makes a token and prints it, alone, on stdout.'),
    `Flags:\n${renderRows([...Object.values(MINT_FLAGS).map(flagRow), HELP_ROW])}`,
    ROOT_KEY_HELP,
    examples([
      'token mint --destination https://example.org/in --id my-app',
      "token mint --destination https://example.org/in --path '*' --expires 7d",
      "token mint --path '/owner/*' --method '*'",
    ]),
  ].join('\n');
}

function inspectHelp(): string {
  return [
    'Usage: export-service token inspect TOKEN [FLAGS]\n',
    renderText(
      'Prints location, identifier and caveats of a token, and whether it is valid where the root key is at hand. ' +
        'TOKEN - reads it from stdin, where the process list does not show it.',
    ),
    `Flags:\n${renderRows([...Object.values(INSPECT_FLAGS).map(flagRow), HELP_ROW])}`,
    ROOT_KEY_HELP,
    examples(['token inspect - < token.txt', 'token inspect --json "$EXPORT_TOKEN"']),
  ].join('\n');
}

function attenuateHelp(): string {
  return [
    'Usage: export-service token attenuate TOKEN --caveat TEXT [--caveat TEXT…]\n',
    renderText(
      'Adds caveats to a token and prints the new one, in the serialisation it came in. The old one stays good. ' +
        'TOKEN - reads it from stdin, where the process list does not show it.',
    ),
    `Flags:\n${renderRows([...Object.values(ATTENUATE_FLAGS).map(flagRow), HELP_ROW])}`,
    examples([
      'token attenuate "$EXPORT_TOKEN" --caveat "time < 2030-01-31T12:00:00Z"',
      'token attenuate - --caveat "data-bytes <= 4096" < token.txt',
    ]),
  ].join('\n');
}

function examples(lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  export-service ${line}\n`).join('')}`;
}
