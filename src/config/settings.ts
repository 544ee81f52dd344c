import {
  boolean,
  checkpointTargets,
  durationMs,
  integer,
  type Kind,
  listenAddress,
  networks,
  oneOf,
  path,
  port,
  secretText,
  serviceName,
  sizeBytes,
  storeLocation,
  zestEndpoint,
} from './kinds.ts';

/** The headings of `--help` and of docs/settings.md, in their order. */
export const GROUPS = [
  'Listening',
  'Tokens',
  'Storage',
  'Destinations',
  'Delivery',
  'Limits',
  'Running',
] as const;
export type Group = (typeof GROUPS)[number];

interface Words {
  readonly group: Group;
  /** `-p`, `--port`; the last one is the setting's name in messages. */
  readonly flags: readonly string[];
  readonly env: string;
  /** A sentence without its full stop, for `--help` and the settings page. */
  readonly meaning: string;
  /** Never shown, in messages neither. */
  readonly isSecret?: boolean;
  /** A flag without a value that picks by how often it is given: once the first, twice the second. */
  readonly counted?: { readonly flag: string; readonly values: readonly string[] };
}

/** One row of the table: everything that is known of a setting. */
export interface Setting<T> extends Words {
  readonly kind: Kind<T>;
  /** As text, read like any other value; `<data-dir>` in it stands for that setting. Null: not set. */
  readonly default: string | null;
  /** What the setting is when nothing is given. */
  readonly unset: T;
}

function setting<T>(kind: Kind<T>, words: Words & { readonly default: string }): Setting<T> {
  return { ...words, kind, unset: kind.parse(words.default) };
}

function optional<T>(kind: Kind<T>, words: Words): Setting<T | null> {
  return { ...words, kind: kind as Kind<T | null>, default: null, unset: null };
}

function list<T>(kind: Kind<readonly T[]>, words: Words): Setting<readonly T[]> {
  return { ...words, kind, default: null, unset: [] };
}

const MS = 1;
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const MIB = 1_024 ** 2;
const GIB = 1_024 * MIB;

/** Request bodies become one JavaScript string, and V8 ends those at half a GiB. */
const BODY_BYTES_CEILING = 256 * MIB;

/**
 * Every setting there is. Flags, environment variables, validation, `--help`, `--print-config`, docs/settings.md and
 * the type `Config` follow from this table; names and defaults are public (interface, section 2).
 */
export const SETTINGS = {
  port: setting(port, {
    group: 'Listening',
    flags: ['-p', '--port'],
    env: 'DATABOX_LOCAL_PORT',
    default: '8080',
    meaning: 'Port to listen on; 0 picks a free one',
  }),
  host: setting(listenAddress, {
    group: 'Listening',
    flags: ['--host'],
    env: 'EXPORT_HOST',
    default: '127.0.0.1',
    meaning: 'Address to listen on; 0.0.0.0 lets other machines in',
  }),
  tls: setting(oneOf('MODE', ['auto', 'off']), {
    group: 'Listening',
    flags: ['--tls'],
    env: 'EXPORT_TLS',
    default: 'auto',
    meaning:
      'auto serves HTTPS when DATABOX.pem (certificate and key) is in --secrets-dir; when it is not, plain HTTP, but ' +
      'where an arbiter is asked (--arbiter) the service does not start. off serves plain HTTP',
  }),
  name: setting(serviceName, {
    group: 'Tokens',
    flags: ['--name'],
    env: 'DATABOX_LOCAL_NAME',
    default: 'export-service',
    meaning: "What a token's target caveat must say, and the name that the arbiter knows the service by",
  }),
  secret: optional(secretText, {
    group: 'Tokens',
    flags: ['-s', '--secret'],
    env: 'EXPORT_SECRET',
    isSecret: true,
    meaning:
      'Root key that tokens are checked with; anyone on this machine can read it in the process list, so prefer ' +
      '--secret-file. With either, no arbiter is asked',
  }),
  secretFile: optional(path('FILE'), {
    group: 'Tokens',
    flags: ['--secret-file'],
    env: 'EXPORT_SECRET_FILE',
    meaning: 'File that holds the root key',
  }),
  arbiter: optional(zestEndpoint, {
    group: 'Tokens',
    flags: ['--arbiter'],
    env: 'DATABOX_ARBITER_ENDPOINT',
    meaning:
      "The box's arbiter, which gives the root key: it is asked at every start, and when a lost connection to it is " +
      'back. Without it, and without --secret, the service makes a root key once and keeps it in its store',
  }),
  secretsDir: setting(path('DIR'), {
    group: 'Tokens',
    flags: ['--secrets-dir'],
    env: 'EXPORT_SECRETS_DIR',
    default: '/run/secrets',
    meaning:
      'Folder with what the box gives the service: DATABOX.pem for --tls, ARBITER_TOKEN and ZMQ_PUBLIC_KEY for --arbiter',
  }),
  requireDestination: setting(boolean, {
    group: 'Tokens',
    flags: ['--require-destination'],
    env: 'EXPORT_REQUIRE_DESTINATION',
    default: 'true',
    meaning: 'false accepts tokens without a destination caveat: whoever holds one can send data anywhere',
  }),
  dataDir: setting(path('DIR'), {
    group: 'Storage',
    flags: ['--data-dir'],
    env: 'EXPORT_DATA_DIR',
    default: './data',
    meaning: 'Folder of the store and of the keys',
  }),
  keyFile: setting(path('FILE'), {
    group: 'Storage',
    flags: ['--key-file'],
    env: 'EXPORT_KEY_FILE',
    default: '<data-dir>/store.key',
    meaning:
      'Master key (32 random bytes) that secrets in the store are encrypted under; made together with a new store, ' +
      'needed to open an existing one',
  }),
  store: setting(storeLocation, {
    group: 'Storage',
    flags: ['--store'],
    env: 'EXPORT_STORE',
    default: 'sqlite:<data-dir>/exports.db',
    meaning: 'Where exports are kept',
  }),
  checkpointTo: list(checkpointTargets, {
    group: 'Storage',
    flags: ['--checkpoint-to'],
    env: 'EXPORT_CHECKPOINT_TO',
    meaning:
      'Where each signed checkpoint of the ledger also goes: a file, which is read first and replaced unless it shows more ' +
      'than the store has, or a URL that it is posted to, with which nothing can be compared; ' +
      'repeatable, comma-separated in the environment. Elsewhere than on this box, so that nobody on it can rewrite ' +
      'the past unseen',
  }),
  allowHttp: setting(boolean, {
    group: 'Destinations',
    flags: ['--allow-http'],
    env: 'EXPORT_ALLOW_HTTP',
    default: 'off',
    meaning: 'Lets destinations be http:, unencrypted',
  }),
  allowNetworks: list(networks, {
    group: 'Destinations',
    flags: ['--allow-network'],
    env: 'EXPORT_ALLOW_NETWORKS',
    meaning:
      'Private network that destinations may be in, such as 192.168.1.0/24; repeatable, comma-separated in the ' +
      'environment. Without it only public addresses are connected to',
  }),
  destinationCa: optional(path('FILE'), {
    group: 'Destinations',
    flags: ['--destination-ca'],
    env: 'EXPORT_DESTINATION_CA',
    meaning: 'PEM file of certificate authorities to trust for destinations, besides the usual ones',
  }),
  attemptsMax: setting(integer({ min: 1, max: 1_000 }), {
    group: 'Delivery',
    flags: ['--attempts-max'],
    env: 'EXPORT_ATTEMPTS_MAX',
    default: '9',
    meaning: 'Attempts per export before it ends undelivered',
  }),
  attemptTimeoutMs: setting(durationMs({ min: MS, max: DAY }), {
    group: 'Delivery',
    flags: ['--attempt-timeout'],
    env: 'EXPORT_ATTEMPT_TIMEOUT',
    default: '30s',
    meaning: 'Deadline of one attempt, from connecting to the last byte of the answer',
  }),
  retryBaseMs: setting(durationMs({ min: MS, max: DAY }), {
    group: 'Delivery',
    flags: ['--retry-base'],
    env: 'EXPORT_RETRY_BASE',
    default: '5s',
    meaning: 'Wait before the second attempt; the longer waits before later ones grow and shrink with it',
  }),
  ageMsMax: setting(durationMs({ min: MS, max: 3_650 * DAY }), {
    group: 'Delivery',
    flags: ['--age-max'],
    env: 'EXPORT_AGE_MAX',
    default: '3d',
    meaning:
      'Age at which an export that has not ended ends: as its last attempt did, or as expired if none was made',
  }),
  laneConcurrency: setting(integer({ min: 1, max: 10_000 }), {
    group: 'Delivery',
    flags: ['--lane-concurrency'],
    env: 'EXPORT_LANE_CONCURRENCY',
    default: '1',
    meaning: 'Attempts in flight per client and destination; more than 1 gives up their order',
  }),
  concurrency: setting(integer({ min: 1, max: 100_000 }), {
    group: 'Delivery',
    flags: ['--concurrency'],
    env: 'EXPORT_CONCURRENCY',
    default: '256',
    meaning: 'Attempts in flight in all',
  }),
  bodyBytesMax: setting(sizeBytes({ min: 1, max: BODY_BYTES_CEILING }), {
    group: 'Limits',
    flags: ['--body-bytes-max'],
    env: 'EXPORT_BODY_BYTES_MAX',
    default: '1 MiB',
    meaning: 'Largest request body',
  }),
  responseBytesMax: setting(sizeBytes({ min: 0, max: BODY_BYTES_CEILING }), {
    group: 'Limits',
    flags: ['--response-bytes-max'],
    env: 'EXPORT_RESPONSE_BYTES_MAX',
    default: '64 KiB',
    meaning: "How much of a destination's answer is kept, counted after decompression",
  }),
  pendingMax: setting(integer({ min: 1, max: 1_000_000_000 }), {
    group: 'Limits',
    flags: ['--pending-max'],
    env: 'EXPORT_PENDING_MAX',
    default: '100000',
    meaning: 'Unfinished exports per client and destination',
  }),
  rateMax: setting(integer({ min: 0, max: 1_000_000 }), {
    group: 'Limits',
    flags: ['--rate-max'],
    env: 'EXPORT_RATE_MAX',
    default: '0',
    meaning:
      'New exports per second and client, on average; 0 is no limit. A client is a token identifier: where the arbiter ' +
      'writes none, all apps are one',
  }),
  waitingMax: setting(integer({ min: 0, max: 1_000_000 }), {
    group: 'Limits',
    flags: ['--waiting-max'],
    env: 'EXPORT_WAITING_MAX',
    default: '10000',
    meaning: 'Requests that wait for a result at the same time',
  }),
  storeBytesMax: setting(sizeBytes({ min: 17 * MIB, max: 1_024 * 1_024 * GIB }), {
    group: 'Limits',
    flags: ['--store-bytes-max'],
    env: 'EXPORT_STORE_BYTES_MAX',
    default: '10 GiB',
    meaning:
      'Ceiling of the store: less than 16 MiB below it new exports are refused, and those queued still leave',
  }),
  connectionsMax: setting(integer({ min: 1, max: 1_000_000 }), {
    group: 'Limits',
    flags: ['--connections-max'],
    env: 'EXPORT_CONNECTIONS_MAX',
    default: '15000',
    meaning: 'Open connections; 511 more are kept waiting until one closes, and further ones are closed',
  }),
  keepResultsMs: setting(durationMs({ min: MS, max: 36_500 * DAY }), {
    group: 'Limits',
    flags: ['--keep-results'],
    env: 'EXPORT_KEEP_RESULTS',
    default: '7d',
    meaning: 'How long a finished export can be polled',
  }),
  keepLedgerMs: setting(durationMs({ min: 0, max: 36_500 * DAY }), {
    group: 'Limits',
    flags: ['--keep-ledger'],
    env: 'EXPORT_KEEP_LEDGER',
    default: '1825d',
    meaning:
      "How long the ledger's entries and the owner's lists show a finished export, the lists never shorter than its " +
      'result is kept; of an entry its hash stays, so the ledger goes on verifying',
  }),
  keepPayloadsMs: setting(durationMs({ min: 0, max: 36_500 * DAY }), {
    group: 'Limits',
    flags: ['--keep-payloads'],
    env: 'EXPORT_KEEP_PAYLOADS',
    default: '0s',
    meaning: 'How long the data of a finished export stays, so that it can be delivered again',
  }),
  longPollMsMax: setting(durationMs({ min: 0, max: DAY }), {
    group: 'Limits',
    flags: ['--long-poll-max'],
    env: 'EXPORT_LONG_POLL_MAX',
    default: '300s',
    meaning: 'Longest wait that a request can ask for',
  }),
  drainMsMax: setting(durationMs({ min: 0, max: DAY }), {
    group: 'Running',
    flags: ['--drain-max'],
    env: 'EXPORT_DRAIN_MAX',
    default: '30s',
    meaning: 'How long a stop waits for attempts in flight',
  }),
  logLevel: setting(oneOf('LEVEL', ['silent', 'error', 'warn', 'info', 'debug']), {
    group: 'Running',
    flags: ['--log-level'],
    counted: { flag: '-v', values: ['info', 'debug'] },
    env: 'EXPORT_LOG_LEVEL',
    default: 'info',
    meaning: 'silent, error, warn, info or debug; -v is info, -v -v is debug',
  }),
} as const;

type Table = typeof SETTINGS;

export type SettingKey = keyof Table;

/** What the service runs with: every setting read and checked, units in the names. */
export type Config = {
  readonly [K in SettingKey]: Table[K] extends Setting<infer T> ? T : never;
};

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

/** The row of `key`, for those who treat all rows alike. */
export function settingOf(key: SettingKey): Setting<unknown> {
  return SETTINGS[key];
}

/** `--port`: what messages call a setting. */
export function flagName(setting: Pick<Setting<unknown>, 'flags'>): string {
  return setting.flags.at(-1) ?? '';
}
