import { existsSync } from 'node:fs';
import type { WireSigningKey, WireSigningKeys } from '../client/index.ts';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from '../src/config/help.ts';
import {
  type Arguments,
  asksForHelp,
  type Config,
  type Env,
  type Flags,
  loadConfig,
  quote,
  readArguments,
  type SettingKey,
  settingFlags,
  UsageError,
} from '../src/config.ts';
import { signingKeySet } from '../src/http/signing-keys.ts';
import { readPublicSigningKeys } from '../src/keys/signing-keys.ts';
import { readStoreKey } from '../src/keys/store-keys.ts';
import { readSecrets } from '../src/store/sqlite/sqlite-job-store.ts';
import { OWNER_FLAGS, OWNER_SETTINGS, OWNER_TOKEN_HELP, ownerClient } from './owner/owner-call.ts';
import { fetchForServices, readUrl } from './service-access.ts';
import { systemParts, type TokenParts } from './token/parts.ts';

const PATH = '/.well-known/export-signing-keys';
const ANSWER_MS_MAX = 10_000;

const JSON_FLAG = {
  json: { names: ['--json'], placeholder: null, meaning: 'Print a JWK set, as the service publishes it' },
} as const satisfies Flags;

const SHOW_FLAGS = {
  url: {
    ...OWNER_FLAGS.url,
    meaning:
      'Ask the service there [EXPORT_URL]. Default: read the store, or ask http://127.0.0.1:8080 where there is none',
  },
  ...JSON_FLAG,
} as const satisfies Flags;

const ROTATE_FLAGS = { ...OWNER_FLAGS, ...JSON_FLAG } as const satisfies Flags;

const ROTATE_SCOPE = { method: 'POST', path: '/owner/signing-key/rotate' } as const;

const SHOW_SETTINGS: readonly SettingKey[] = ['dataDir', 'keyFile', 'store'];

/** What an action is called with. */
interface Call {
  readonly given: Arguments;
  readonly env: Env;
  readonly config: Config;
  readonly parts: TokenParts;
}

interface Action {
  readonly flags: Flags;
  readonly settings: readonly SettingKey[];
  run(call: Call): Promise<WireSigningKeys>;
}

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  [
    'show',
    {
      flags: SHOW_FLAGS,
      settings: SHOW_SETTINGS,
      run: findKeys,
    },
  ],
  [
    'rotate',
    {
      flags: ROTATE_FLAGS,
      settings: OWNER_SETTINGS,
      run: (call) => ownerClient(ROTATE_SCOPE, call).rotateSigningKey(),
    },
  ],
]);

/** `export-service key show|rotate`. */
export async function run(
  args: readonly string[],
  env: Env,
  io: CommandIo,
  parts: TokenParts = systemParts,
): Promise<ExitCode> {
  const [name = '', ...rest] = args;
  if (asksForHelp(args)) {
    io.stdout.write(name === 'rotate' ? ROTATE_HELP : SHOW_HELP);
    return EXIT.done;
  }
  const action = ACTIONS.get(name);
  if (action === undefined) throw new UsageError(`${missingAction(name)}; key --help tells about them`);
  const given = readArguments(rest, { ...action.flags, ...settingFlags(action.settings) });
  const { config } = loadConfig(given, env);
  const set = await action.run({ given, env, config, parts });
  io.stdout.write(given.isOn('json') ? `${JSON.stringify(set, null, 2)}\n` : set.keys.map(lineOf).join(''));
  return EXIT.done;
}

function missingAction(name: string): string {
  const choice = 'key goes with show or rotate';
  return name === '' ? choice : `${choice}, not ${quote(name)}`;
}

/** Where an address is given, from the service there; else from the store, or from the service at the usual address. */
async function findKeys({ given, env, config }: Call): Promise<WireSigningKeys> {
  const isNamed = given.text('url') !== null || Boolean(env.EXPORT_URL);
  return !isNamed && existsSync(config.store.path)
    ? await storedKeys(config)
    : await publishedKeys(given, env);
}

async function storedKeys({ store, keyFile }: Config): Promise<WireSigningKeys> {
  using secrets = readSecrets(store.path);
  const keys = await readPublicSigningKeys(secrets, () => readStoreKey(secrets, keyFile), Date.now());
  if (keys.length > 0) return signingKeySet(keys);
  throw new Error(`There is no signing key in ${store.path} yet: the service makes it at its first start.`);
}

async function publishedKeys(given: Arguments, env: Env): Promise<WireSigningKeys> {
  const url = readUrl(given, env);
  const answer = await fetchForServices(env)(`${url}${PATH}`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  }).catch((cause: Error) => {
    const reason = cause.cause instanceof Error ? cause.cause.message : cause.message;
    throw new Error(`No service answers at ${url}: ${reason}.`, { cause });
  });
  const set = answer.status === 200 ? await answer.json().catch(() => null) : null;
  if (!isKeySet(set)) throw new Error(`What answers at ${url} is no export service (HTTP ${answer.status}).`);
  return set;
}

function isKeySet(set: unknown): set is WireSigningKeys {
  const keys: unknown = Object(set).keys;
  return Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key?.x === 'string');
}

/** The newest stands alone on its line, so that a script can take the first line. */
function lineOf({ x, exp }: WireSigningKey): string {
  const key = `whpk_${Buffer.from(x, 'base64url').toString('base64')}`;
  return exp === undefined
    ? `${key}\n`
    : `${key}  replaced, signs until ${new Date(exp * 1_000).toISOString()}\n`;
}

const SHOW_HELP = [
  'Usage: export-service key show|rotate [FLAGS]\n',
  renderText(
    'show prints the public key that receivers check deliveries with: give it to whoever runs a destination. For a day ' +
      'after a rotation there are two, the new one first. docs/receivers.md shows a receiver.',
  ),
  renderText('rotate makes a new key; key rotate --help tells more.'),
  `Flags:\n${renderRows([...Object.values(SHOW_FLAGS).map(flagRow), HELP_ROW])}`,
  renderSettings(SHOW_SETTINGS),
  examples(['key show', 'key show --url https://export-service:8080 --json', 'key rotate']),
].join('\n');

const ROTATE_HELP = [
  'Usage: export-service key rotate [FLAGS]\n',
  renderText(
    'Has the running service make a new key to sign deliveries with, and prints it and the old one. For 24 hours every ' +
      'delivery is signed with both: tell those who run destinations the new one within that time. It is needed when ' +
      'somebody else may have the old one; a fifth within a day ends the oldest early.',
  ),
  `Flags:\n${renderRows([...Object.values(ROTATE_FLAGS).map(flagRow), HELP_ROW])}`,
  renderText(OWNER_TOKEN_HELP),
  renderSettings(OWNER_SETTINGS),
  examples(['key rotate', 'key rotate --url http://127.0.0.1:8080 --data-dir /data --json']),
].join('\n');

function examples(lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  export-service ${line}\n`).join('')}`;
}
