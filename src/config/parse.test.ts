/**
 * The table of settings, tried from outside: what each is called, what it is by default, what it takes and what it
 * refuses. The names and defaults are copied from the interface (section 2), not read from the code.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, parseConfig } from '../config.ts';
import { SETTING_KEYS, settingOf } from './settings.ts';
import { UsageError } from './usage-error.ts';

type Row = readonly [flag: string, env: string, text: string, value: unknown];

const ROWS: Readonly<Record<keyof Config, Row>> = {
  port: ['--port', 'DATABOX_LOCAL_PORT', '9000', 9000],
  host: ['--host', 'EXPORT_HOST', '0.0.0.0', '0.0.0.0'],
  tls: ['--tls', 'EXPORT_TLS', 'off', 'off'],
  name: ['--name', 'DATABOX_LOCAL_NAME', 'out', 'out'],
  secret: ['--secret', 'EXPORT_SECRET', ' a secret ', ' a secret '],
  secretFile: ['--secret-file', 'EXPORT_SECRET_FILE', '/run/key', '/run/key'],
  arbiter: ['--arbiter', 'DATABOX_ARBITER_ENDPOINT', 'tcp://arbiter:4444', 'tcp://arbiter:4444'],
  secretsDir: ['--secrets-dir', 'EXPORT_SECRETS_DIR', '/secrets', '/secrets'],
  requireDestination: ['--require-destination', 'EXPORT_REQUIRE_DESTINATION', 'false', false],
  dataDir: ['--data-dir', 'EXPORT_DATA_DIR', '/data', '/data'],
  keyFile: ['--key-file', 'EXPORT_KEY_FILE', '/keys/store.key', '/keys/store.key'],
  store: ['--store', 'EXPORT_STORE', 'sqlite:/x/y.db', { kind: 'sqlite', path: '/x/y.db' }],
  checkpointTo: [
    '--checkpoint-to',
    'EXPORT_CHECKPOINT_TO',
    '/mnt/head',
    [{ kind: 'file', path: '/mnt/head' }],
  ],
  allowHttp: ['--allow-http', 'EXPORT_ALLOW_HTTP', 'true', true],
  allowNetworks: ['--allow-network', 'EXPORT_ALLOW_NETWORKS', '10.0.0.0/8', ['10.0.0.0/8']],
  destinationCa: ['--destination-ca', 'EXPORT_DESTINATION_CA', 'ca.pem', 'ca.pem'],
  attemptsMax: ['--attempts-max', 'EXPORT_ATTEMPTS_MAX', '1', 1],
  attemptTimeoutMs: ['--attempt-timeout', 'EXPORT_ATTEMPT_TIMEOUT', '500ms', 500],
  retryBaseMs: ['--retry-base', 'EXPORT_RETRY_BASE', '10ms', 10],
  laneConcurrency: ['--lane-concurrency', 'EXPORT_LANE_CONCURRENCY', '4', 4],
  ageMsMax: ['--age-max', 'EXPORT_AGE_MAX', '1d', 86_400_000],
  concurrency: ['--concurrency', 'EXPORT_CONCURRENCY', '8', 8],
  bodyBytesMax: ['--body-bytes-max', 'EXPORT_BODY_BYTES_MAX', '2MiB', 2_097_152],
  responseBytesMax: ['--response-bytes-max', 'EXPORT_RESPONSE_BYTES_MAX', '100', 100],
  pendingMax: ['--pending-max', 'EXPORT_PENDING_MAX', '3', 3],
  rateMax: ['--rate-max', 'EXPORT_RATE_MAX', '50', 50],
  waitingMax: ['--waiting-max', 'EXPORT_WAITING_MAX', '0', 0],
  connectionsMax: ['--connections-max', 'EXPORT_CONNECTIONS_MAX', '3', 3],
  storeBytesMax: ['--store-bytes-max', 'EXPORT_STORE_BYTES_MAX', '2GiB', 2_147_483_648],
  keepResultsMs: ['--keep-results', 'EXPORT_KEEP_RESULTS', '1h', 3_600_000],
  keepLedgerMs: ['--keep-ledger', 'EXPORT_KEEP_LEDGER', '9d', 777_600_000],
  keepPayloadsMs: ['--keep-payloads', 'EXPORT_KEEP_PAYLOADS', '1d', 86_400_000],
  longPollMsMax: ['--long-poll-max', 'EXPORT_LONG_POLL_MAX', '2m', 120_000],
  drainMsMax: ['--drain-max', 'EXPORT_DRAIN_MAX', '0s', 0],
  logLevel: ['--log-level', 'EXPORT_LOG_LEVEL', 'warn', 'warn'],
};

const DEFAULTS: Config = {
  port: 8080,
  host: '127.0.0.1',
  tls: 'auto',
  name: 'export-service',
  secret: null,
  secretFile: null,
  arbiter: null,
  secretsDir: '/run/secrets',
  requireDestination: true,
  dataDir: './data',
  keyFile: './data/store.key',
  store: { kind: 'sqlite', path: './data/exports.db' },
  checkpointTo: [],
  allowHttp: false,
  allowNetworks: [],
  destinationCa: null,
  attemptsMax: 9,
  attemptTimeoutMs: 30_000,
  retryBaseMs: 5_000,
  ageMsMax: 259_200_000,
  laneConcurrency: 1,
  concurrency: 256,
  bodyBytesMax: 1_048_576,
  responseBytesMax: 65_536,
  pendingMax: 100_000,
  rateMax: 0,
  waitingMax: 10_000,
  connectionsMax: 15_000,
  storeBytesMax: 10_737_418_240,
  keepResultsMs: 604_800_000,
  keepLedgerMs: 157_680_000_000,
  keepPayloadsMs: 0,
  longPollMsMax: 300_000,
  drainMsMax: 30_000,
  logLevel: 'info',
};

function refusal(args: readonly string[], env: Record<string, string> = {}): string {
  try {
    parseConfig(args, env);
  } catch (error) {
    assert(error instanceof UsageError, String(error));
    assert.doesNotMatch(error.message, /\n/);
    return error.message;
  }
  assert.fail(`accepted: ${JSON.stringify(args)} ${JSON.stringify(env)}`);
}

test('without flags and variables every setting has the default of the interface', () => {
  assert.deepEqual(parseConfig([], {}), DEFAULTS);
});

test('every setting is in this test', () => {
  assert.deepEqual(Object.keys(ROWS).sort(), [...SETTING_KEYS].sort());
});

for (const [key, [flag, env, text, value]] of Object.entries(ROWS)) {
  test(`${flag} and ${env} both set ${key}`, () => {
    const expected = { [key]: value };
    const pick = (config: Config) => ({ [key]: config[key as keyof Config] });
    assert.deepEqual(pick(parseConfig([`${flag}=${text}`], {})), expected);
    assert.deepEqual(pick(parseConfig([], { [env]: text })), expected);
    if (!settingOf(key as keyof Config).kind.isBoolean) {
      assert.deepEqual(pick(parseConfig([flag, text], {})), expected);
    }
  });

  test(`an empty ${env} counts as not set`, () => {
    assert.deepEqual(parseConfig([], { [env]: '' }), DEFAULTS);
  });

  test(`an empty ${flag} is refused by its name`, () => {
    assert.match(refusal([`${flag}=`]), new RegExp(`^${flag} must `));
  });

  const isList = Array.isArray(value);
  test(`${flag} given twice is ${isList ? 'a list of two' : 'refused by its name'}`, () => {
    if (isList) {
      assert.deepEqual(parseConfig([flag, text, flag, text], {})[key as keyof Config], [...value, ...value]);
    } else assert.equal(refusal([`${flag}=${text}`, `${flag}=${text}`]), `${flag} is given twice`);
  });
}

test('a flag outdoes the environment, a wrong variable that is outdone is not looked at', () => {
  assert.equal(parseConfig(['--port', '1'], { DATABOX_LOCAL_PORT: '2' }).port, 1);
  assert.equal(parseConfig(['-p', '1'], { DATABOX_LOCAL_PORT: 'x' }).port, 1);
  assert.equal(parseConfig(['--allow-http=false'], { EXPORT_ALLOW_HTTP: 'true' }).allowHttp, false);
  const { allowNetworks } = parseConfig(['--allow-network', 'fd00::/8'], {
    EXPORT_ALLOW_NETWORKS: '10.0.0.0/8',
  });
  assert.deepEqual(allowNetworks, ['fd00::/8']);
});

test('a flag without a value is true, and takes true, false, on and off after an equals sign', () => {
  assert.equal(parseConfig(['--allow-http'], {}).allowHttp, true);
  assert.equal(parseConfig(['--require-destination'], {}).requireDestination, true);
  assert.equal(parseConfig(['--require-destination=false'], {}).requireDestination, false);
  assert.equal(parseConfig([], { EXPORT_REQUIRE_DESTINATION: 'off' }).requireDestination, false);
  assert.equal(parseConfig([], { EXPORT_ALLOW_HTTP: '1' }).allowHttp, true);
});

test('-v is info, -v -v and -vv are debug, and more than that is debug too', () => {
  const level = (...args: string[]) => parseConfig(args, { EXPORT_LOG_LEVEL: 'error' }).logLevel;
  assert.deepEqual(
    [level(), level('-v'), level('-v', '-v'), level('-vv'), level('-vvv')],
    ['error', 'info', 'debug', 'debug', 'debug'],
  );
});

test('short flags go together as in any command', () => {
  const { port, secret, logLevel } = parseConfig(['-vp', '9', '-s', 'x'], {});
  assert.deepEqual([port, secret, logLevel], [9, 'x', 'info']);
});

test('the key file and the store are inside the data folder unless told otherwise', () => {
  const inside = (dataDir: string) => {
    const { keyFile, store } = parseConfig(['--data-dir', dataDir], {});
    return [keyFile, store.path];
  };
  assert.deepEqual(inside('/data'), ['/data/store.key', '/data/exports.db']);
  assert.deepEqual(inside('/data//'), ['/data/store.key', '/data/exports.db']);
  assert.deepEqual(inside('/'), ['/store.key', '/exports.db']);
  assert.deepEqual(inside('/$&'), ['/$&/store.key', '/$&/exports.db']);
  assert.deepEqual(inside('data'), ['./data/store.key', './data/exports.db']);
  assert.deepEqual(inside('../data'), ['../data/store.key', '../data/exports.db']);
  // Found by `npm run fuzz`: the default store was refused, without a word of which setting was wrong.
  assert.deepEqual(inside('//data'), ['/data/store.key', '/data/exports.db']);
  assert.deepEqual(inside('///'), ['/store.key', '/exports.db']);
  assert.deepEqual(inside(':memory:'), ['./:memory:/store.key', './:memory:/exports.db']);
  assert.deepEqual(inside('file:x'), ['./file:x/store.key', './file:x/exports.db']);
  assert.equal(parseConfig([], { EXPORT_DATA_DIR: '/d' }).keyFile, '/d/store.key');
});

test('networks in the environment are separated by commas, with blanks or without', () => {
  const { allowNetworks } = parseConfig([], { EXPORT_ALLOW_NETWORKS: '10.0.0.0/8, fd00::/8,127.0.0.1/32' });
  assert.deepEqual(allowNetworks, ['10.0.0.0/8', 'fd00::/8', '127.0.0.1/32']);
});

/** Setting, the last values inside its bounds, the first ones outside. */
const EDGES: readonly (readonly [flag: string, inside: readonly string[], outside: readonly string[]])[] = [
  ['--port', ['0', '65535'], ['65536', '-1', '80.5', '0x50', '8080 ', 'http']],
  ['--attempts-max', ['1', '1000'], ['0', '1001']],
  ['--lane-concurrency', ['1', '10000'], ['0', '10001']],
  ['--concurrency', ['1', '100000'], ['0', '100001']],
  ['--pending-max', ['1', '1000000000'], ['0', '1000000001']],
  ['--rate-max', ['0', '1000000'], ['1000001', '-1', '1.5']],
  ['--waiting-max', ['0', '1000000'], ['1000001', '-1']],
  ['--attempt-timeout', ['1ms', '1d'], ['0s', '25h', '30']],
  ['--retry-base', ['1ms', '1d'], ['0ms', '2d']],
  ['--keep-results', ['1ms', '36500d'], ['0d', '36501d']],
  ['--long-poll-max', ['0s', '1d'], ['86401s', '5']],
  ['--drain-max', ['0s', '1d'], ['2d', '-1s']],
  ['--body-bytes-max', ['1', '256MiB'], ['0', '257MiB', '1MB']],
  ['--response-bytes-max', ['0', '256 MiB'], ['257 MiB']],
  ['--allow-http', ['true', '0'], ['yes', 'TRUE']],
  ['--tls', ['auto', 'off'], ['on', 'AUTO', 'false']],
  ['--log-level', ['silent', 'debug'], ['trace', 'INFO', '2']],
  [
    '--arbiter',
    ['tcp://arbiter:4444', 'tcp://127.0.0.1:1', 'tcp://[::1]:65535', 'tcp://core-arbiter.box.example:4444'],
    [
      'arbiter:4444',
      'tcp://arbiter',
      'tcp://arbiter:0',
      'tcp://arbiter:65536',
      'tcp://*:4444',
      'tcp://::1:4444',
      'tcp://[arbiter]:4444',
      'ipc:///tmp/arbiter',
      'https://arbiter:4444',
      'tcp://arbiter:4444/',
    ],
  ],
  ['--host', ['::', '::1', 'localhost', 'box.example'], ['[::1]', 'localhost:80', 'a b', 'http://x']],
  ['--name', ['a', 'n'.repeat(255)], ['n'.repeat(256), 'a b', 'é']],
  [
    '--allow-network',
    ['0.0.0.0/0', '10.1.2.3/32', '::1/128', 'fd00::/8'],
    ['10.0.0.0', '10.0.0.0/33', '::/129'],
  ],
  [
    '--allow-network',
    [],
    ['10.1.2.3/8', 'fd00::1/8', '10/8', '010.0.0.0/8', 'x/8', '10.0.0.0/8,', 'fe80::%1/64'],
  ],
  ['--allow-network', [], ['::ffff:10.0.0.0/104', '10.0.0.0/-1', '10.0.0.0/']],
  ['--data-dir', ['.'], ['a\0b']],
  ['--secret-file', ['x'], ['a\0b']],
];

for (const [flag, inside, outside] of EDGES) {
  for (const text of inside) {
    test(`${flag}=${text.slice(0, 40)} is accepted`, () => {
      assert.doesNotThrow(() => parseConfig([`${flag}=${text}`], {}));
    });
  }
  for (const text of outside) {
    test(`${flag}=${JSON.stringify(text.slice(0, 40))} is refused in one line that names the flag`, () => {
      assert.match(refusal([`${flag}=${text}`]), new RegExp(`^${flag} must .+, not ".*"$`));
    });
  }
}

test('an ill-formed variable is refused in one line that names the variable', () => {
  assert.equal(
    refusal([], { DATABOX_LOCAL_PORT: 'eighty\n' }),
    'DATABOX_LOCAL_PORT must be a whole number from 0 to 65535, not "eighty\\n"',
  );
});

test('a network that begins inside another one is refused with the network it may mean', () => {
  assert.equal(
    refusal(['--allow-network', '10.1.2.3/8']),
    '--allow-network must begin where the network begins: 10.0.0.0/8, not "10.1.2.3/8"',
  );
});

test('a store that is no SQLite file is refused, and its URL, which may hold a password, is not repeated', () => {
  for (const store of [
    'postgres://me:geheim@db/exports',
    'sqlite:',
    'sqlite::memory:',
    'sqlite:file:geheim?mode=memory',
    'sqlite:///geheim',
    'geheim.db',
  ]) {
    const message = refusal(['--store', store]);
    assert.match(message, /^--store must be sqlite:PATH/);
    assert.doesNotMatch(message, /geheim/);
  }
});

test('an unknown flag is named, and what is given to it is not', () => {
  assert.equal(refusal(['--sercet=geheim']), 'unknown flag --sercet');
  assert.equal(refusal(['--sercet', 'geheim']), 'unknown flag --sercet');
  assert.equal(refusal(['-x']), 'unknown flag -x');
  assert.equal(refusal(['--v']), 'unknown flag --v');
  assert.equal(refusal(['--p', '1']), 'unknown flag --p');
  assert.equal(refusal(['--no-allow-http']), 'unknown flag --no-allow-http');
  assert.equal(refusal(['--constructor']), 'unknown flag --constructor');
  assert.equal(refusal(['--a\nb']), 'unknown flag --a\\nb');
});

test('a flag whose value was forgotten does not swallow the next flag', () => {
  assert.equal(refusal(['--port']), '--port needs a value');
  assert.equal(refusal(['--secret', '--allow-http']), '--secret needs a value');
  assert.equal(refusal(['-s', '-geheim']), '-s needs a value');
  assert.equal(parseConfig(['--secret=-x'], {}).secret, '-x');
});

test('a word that belongs to no flag is refused, with a hint where it was meant as the value of a switch', () => {
  assert.equal(refusal(['now']), 'unexpected argument "now"');
  assert.equal(
    refusal(['--require-destination', 'false']),
    'unexpected argument "false"; write --require-destination=false',
  );
});

test('a level and -v contradict each other', () => {
  assert.equal(refusal(['-v', '--log-level', 'warn']), '--log-level and -v are both given; keep one of them');
});

test('a root key and a file for it contradict each other, unless one is a flag and the other a variable', () => {
  const env = { EXPORT_SECRET: 'geheim', EXPORT_SECRET_FILE: 'file' };
  assert.match(refusal(['-s', 'geheim', '--secret-file', 'x']), /^--secret and --secret-file are both given/);
  assert.match(refusal([], env), /^EXPORT_SECRET and EXPORT_SECRET_FILE are both given/);
  const { secret, secretFile } = parseConfig(['--secret-file', 'x'], { EXPORT_SECRET: 'geheim' });
  assert.deepEqual([secret, secretFile], [null, 'x']);
  const other = parseConfig(['--secret', 'geheim'], { EXPORT_SECRET_FILE: 'x' });
  assert.deepEqual([other.secret, other.secretFile], ['geheim', null]);
});

test('no error shows a secret', () => {
  const secret = 'geheim';
  for (const args of [
    ['--secret', secret, '--secret', secret],
    ['-s', secret, '--nope'],
    ['-s', secret, '--secret-file', 'x'],
    [`--secrets=${secret}`],
    ['--secret='],
  ]) {
    assert.doesNotMatch(refusal(args), /geheim/);
  }
});

test('a checkpoint goes to files and to http(s) URLs, and what may be a secret in a URL is not shown', () => {
  const url = 'https://me:word@notary.example/in?key=1';
  const { checkpointTo } = parseConfig(['--checkpoint-to', `/mnt/head, ${url}`], {});
  assert.deepEqual(checkpointTo, [
    { kind: 'file', path: '/mnt/head' },
    { kind: 'url', url: new URL(url) },
  ]);
  assert.deepEqual(settingOf('checkpointTo').kind.show(checkpointTo), [
    '/mnt/head',
    'https://notary.example/in',
  ]);
  for (const wrong of ['', 'ftp://notary.example/', 'https://', '/mnt/head,'])
    assert.match(refusal([`--checkpoint-to=${wrong}`]), /^--checkpoint-to must/);
});
