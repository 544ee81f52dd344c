import { existsSync } from 'node:fs';
import type { WireSigningKey, WireSigningKeys } from '../client/index.ts';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from '../src/config/help.ts';
import {
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
import { readMasterKey } from '../src/keys/master-key.ts';
import { readPublicSigningKeys } from '../src/keys/signing-keys.ts';
import { readSecrets } from '../src/store/sqlite/sqlite-job-store.ts';

const URL_DEFAULT = 'http://127.0.0.1:8080';
const PATH = '/.well-known/export-signing-keys';
const ANSWER_MS_MAX = 10_000;

const SETTINGS: readonly SettingKey[] = ['dataDir', 'keyFile', 'store'];

const FLAGS = {
  url: {
    names: ['--url'],
    placeholder: 'URL',
    meaning: `Ask the service there [EXPORT_URL]. Default: read the store, or ask ${URL_DEFAULT} where there is none`,
  },
  json: { names: ['--json'], placeholder: null, meaning: 'Print a JWK set, as the service publishes it' },
} as const satisfies Flags;

/** `export-service key show`. */
export async function run(args: readonly string[], env: Env, io: CommandIo): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (asksForHelp(args)) {
    io.stdout.write(HELP);
    return EXIT.done;
  }
  if (name !== 'show') {
    throw new UsageError(
      name === undefined
        ? 'key goes with show; key --help tells about it'
        : `key goes with show, not ${quote(name)}`,
    );
  }
  const given = readArguments(rest, { ...FLAGS, ...settingFlags(SETTINGS) });
  const { config } = loadConfig(given, env);
  const set = await findKeys(given.text('url') ?? env.EXPORT_URL ?? null, config);
  io.stdout.write(given.isOn('json') ? `${JSON.stringify(set, null, 2)}\n` : set.keys.map(lineOf).join(''));
  return EXIT.done;
}

async function findKeys(url: string | null, config: Config): Promise<WireSigningKeys> {
  if (url !== null && url !== '') return await publishedKeys(url);
  return existsSync(config.store.path) ? await storedKeys(config) : await publishedKeys(URL_DEFAULT);
}

async function storedKeys({ store, keyFile }: Config): Promise<WireSigningKeys> {
  using secrets = readSecrets(store.path);
  const keys = await readPublicSigningKeys(secrets, () => readMasterKey(keyFile), Date.now());
  if (keys.length > 0) return signingKeySet(keys);
  throw new Error(`There is no signing key in ${store.path} yet: the service makes it at its first start.`);
}

async function publishedKeys(url: string): Promise<WireSigningKeys> {
  const base = URL.parse(url);
  if (base === null || !/^https?:$/.test(base.protocol)) {
    throw new UsageError(`--url must be the http: or https: address of a service, not ${quote(url)}`);
  }
  const answer = await fetch(new URL(PATH, base), {
    redirect: 'manual',
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  }).catch((cause: Error) => {
    const reason = cause.cause instanceof Error ? cause.cause.message : cause.message;
    throw new Error(`No service answers at ${base.origin}: ${reason}.`, { cause });
  });
  const set = answer.status === 200 ? await answer.json().catch(() => null) : null;
  if (!isKeySet(set)) {
    throw new Error(`What answers at ${base.origin} is no export service (HTTP ${answer.status}).`);
  }
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

const HELP = [
  'Usage: export-service key show [FLAGS]\n',
  renderText(
    'Prints the public key that receivers check deliveries with: give it to whoever runs a destination. For a day after ' +
      'a rotation there are two, the new one first. docs/receivers.md shows a receiver.',
  ),
  `Flags:\n${renderRows([...Object.values(FLAGS).map(flagRow), HELP_ROW])}`,
  renderSettings(SETTINGS),
  `Examples:\n${[
    '  export-service key show',
    '  export-service key show --url https://export-service:8080 --json',
  ].join('\n')}\n`,
].join('\n');
