import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Env, UsageError } from '../src/config.ts';
import { decode, encode, type MacaroonFormat } from '../src/macaroon/codec.ts';
import { mint, verify } from '../src/macaroon/macaroon.ts';
import { textOf } from '../src/macaroon/text.ts';
import { capturedIo } from '../test/support/captured-io.ts';
import type { TokenParts } from './token/parts.ts';
import { run } from './token.ts';

const ROOT_KEY = Buffer.from('geheim');
const NOW = Date.parse('2026-01-31T12:00:00Z');
const DESTINATION = 'https://example.org/in';

const PARTS: TokenParts = {
  loadRootKeys: async (config) => {
    if (config.secret === null) throw new Error('There is no root key here.');
    return [Buffer.from(config.secret), Buffer.from('an older key')];
  },
  now: () => NOW,
};

interface Call {
  readonly env?: Env;
  readonly stdin?: string;
  readonly now?: number;
}

/** Runs `export-service token ARGS` where the root key is at hand, unless `env` says otherwise. */
async function token(args: readonly string[], call: Call = {}) {
  const io = capturedIo(call.stdin);
  const parts = { ...PARTS, now: () => call.now ?? NOW };
  const code = await run(args, call.env ?? { EXPORT_SECRET: 'geheim' }, io, parts);
  assert.equal(code, 0);
  return io.captured;
}

async function minted(...args: string[]): Promise<string> {
  return (await token(['mint', ...args])).stdout.trimEnd();
}

function caveatsOf(text: string): (string | undefined)[] {
  return decode(text).caveats.map((caveat) => textOf(caveat.identifier));
}

async function refusal(args: readonly string[], call: Call = {}): Promise<string> {
  try {
    await token(args, call);
  } catch (error) {
    assert(error instanceof UsageError, String(error));
    return error.message;
  }
  assert.fail(`accepted: ${args.join(' ')}`);
}

test('a minted token is the only thing on stdout, in v1, signed with the root key', async () => {
  const { stdout, stderr } = await token(['mint', '--destination', DESTINATION]);
  assert.match(stdout, /^[A-Za-z0-9_-]+\n$/);
  assert.equal(stderr, '');
  const macaroon = decode(stdout.trimEnd());
  assert.ok(verify(macaroon, ROOT_KEY));
  assert.equal(macaroon.location, 'export-service');
});

test('by default a token is good for POST /export of this service, to its destination, for ever', async () => {
  assert.deepEqual(caveatsOf(await minted('--destination', DESTINATION)), [
    'path = /export',
    'method = POST',
    'target = export-service',
    `destination = ${DESTINATION}`,
  ]);
});

test('caveats come in the order path, method, target, destination, time, then the extra ones', async () => {
  const text = await minted(
    ...['--caveat', 'data-bytes <= 10', '--expires', '1h', '--destination', 'https://Example.org'],
    ...['--target', 'other', '--method', 'get', '--path', '*', '--caveat', 'time < 2030-01-01T00:00:00Z'],
  );
  assert.deepEqual(caveatsOf(text), [
    'path = *',
    'method = GET',
    'target = other',
    'destination = https://Example.org',
    'time < 2026-01-31T13:00:00.000Z',
    'data-bytes <= 10',
    'time < 2030-01-01T00:00:00Z',
  ]);
});

test('the target is what the service is called here', async () => {
  const { stdout } = await token(['mint', '--destination', DESTINATION], {
    env: { EXPORT_SECRET: 'geheim', DATABOX_LOCAL_NAME: 'out' },
  });
  assert.equal(caveatsOf(stdout.trimEnd())[2], 'target = out');
});

test('--id is the identifier; without it there is none, as in the tokens of a real arbiter', async () => {
  const identifier = async (...args: string[]) =>
    textOf(decode(await minted('--destination', DESTINATION, ...args)).identifier);
  assert.equal(await identifier('--id', 'my app'), 'my app');
  assert.equal(await identifier(), '');
});

test('a time to expire at is kept as it was given', async () => {
  const text = await minted('--destination', DESTINATION, '--expires', '2030-01-31T12:00:00+01:00');
  assert.equal(caveatsOf(text)[4], 'time < 2030-01-31T12:00:00+01:00');
});

test('an owner token has no destination and ends after twelve hours unless told otherwise', async () => {
  const owner = ['--path', '/owner/*', '--method', '*'];
  const before = ['path = /owner/*', 'method = *', 'target = export-service'];
  assert.deepEqual(caveatsOf(await minted(...owner)), [...before, 'time < 2026-02-01T00:00:00.000Z']);
  assert.deepEqual(caveatsOf(await minted(...owner, '--expires', '1d')), [
    ...before,
    'time < 2026-02-01T12:00:00.000Z',
  ]);
  assert.match(await refusal(['mint', ...owner, '--destination', DESTINATION]), /^--destination does not go/);
});

for (const [args, message] of [
  [[], /^--destination is missing/],
  [['--path', '/ownership'], /^--destination is missing/],
  [['--destination', 'example.org'], /^--destination must be an absolute http/],
  [['--destination', 'ftp://example.org'], /^--destination must be an absolute http/],
  [['--destination', `${DESTINATION} `], /^--destination must be an absolute http/],
  [['--destination', ''], /^--destination must be an absolute http/],
  [['--destination', DESTINATION, '--path', 'export'], /^--path must begin with/],
  [['--destination', DESTINATION, '--path', '/export '], /^--path must not be empty, nor begin or end/],
  [['--destination', DESTINATION, '--method', 'GET POST'], /^--method must be an HTTP method/],
  [['--destination', DESTINATION, '--target', ''], /^--target must not be empty/],
  [['--destination', DESTINATION, '--caveat', ' '], /^--caveat must not be empty/],
  [
    ['--destination', DESTINATION, '--expires', 'tomorrow'],
    /^--expires must be a duration .+, not "tomorrow"$/,
  ],
  [['--destination', DESTINATION, '--expires', '0s'], /^--expires must be a duration/],
  [['--destination', DESTINATION, '--expires', '36501d'], /^--expires must be a duration/],
  [['--destination', DESTINATION, '--expires', '2026-01-31'], /^--expires must be a duration/],
  [['--destination', DESTINATION, '--expires', '2026-01-31T12:00:00Z'], /^--expires must be in the future/],
  [['--destination', DESTINATION, '--caveat', 'x'.repeat(8_192)], /longer than 8192 bytes/],
  [['--destination', DESTINATION, 'word'], /^unexpected argument "word"$/],
  [['--destination', DESTINATION, '--port', '1'], /^unknown flag --port$/],
] as const) {
  test(`token mint ${args.map((arg) => JSON.stringify(arg.slice(0, 30))).join(' ')} is wrong usage`, async () => {
    const refused = await refusal(['mint', ...args]);
    assert.match(refused, message);
    assert.doesNotMatch(refused, /\n/);
  });
}

test('a token with 256 caveats is minted, one with 257 is refused', async () => {
  const args = (count: number) => Array.from({ length: count - 4 }, () => ['--caveat', 'a']).flat();
  assert.equal(caveatsOf(await minted('--destination', DESTINATION, ...args(256))).length, 256);
  assert.match(await refusal(['mint', '--destination', DESTINATION, ...args(257)]), /at most 256 caveats/);
});

test('a caveat that the service does not know is minted with a warning on stderr', async () => {
  const { stdout, stderr } = await token(['mint', '--destination', DESTINATION, '--caveat', 'colour = red']);
  assert.equal(caveatsOf(stdout.trimEnd()).at(-1), 'colour = red');
  assert.match(stderr, /^export-service: warning: the service does not know the caveat "colour = red" .+\n$/);
});

test('without a root key nothing is minted, and the reason is the answer', async () => {
  await assert.rejects(token(['mint', '--destination', DESTINATION], { env: {} }), {
    message: 'There is no root key here.',
  });
});

test('a token that was minted here is inspected as valid', async () => {
  const text = await minted('--destination', DESTINATION, '--id', 'my-app');
  const { stdout } = await token(['inspect', text]);
  assert.equal(
    stdout,
    `location: export-service
identifier: my-app
caveats:
  path = /export
  method = POST
  target = export-service
  destination = https://example.org/in
valid: yes
`,
  );
});

test('a token signed with an older key of the ring is valid too', async () => {
  const caveats = caveatsOf(await minted('--destination', DESTINATION)).map((text) => text ?? '');
  const signedWith = (key: string) =>
    encode(mint({ rootKey: Buffer.from(key), identifier: '', caveats }), 'v1');
  assert.equal(await verdict(signedWith('an older key')), 'valid: yes');
  assert.match(await verdict(signedWith('another key')), /^valid: no \(it was not signed/);
});

test('an inspection as JSON has the same in it', async () => {
  const text = await minted('--destination', DESTINATION, '--id', 'my-app');
  const { stdout } = await token(['inspect', '--json', text]);
  assert.deepEqual(JSON.parse(stdout), {
    location: 'export-service',
    identifier: 'my-app',
    caveats: caveatsOf(text),
    valid: true,
    reason: null,
  });
});

test('without a root key a token is still read, and nothing is said of its being valid', async () => {
  const text = await minted('--destination', DESTINATION);
  const { stdout } = await token(['inspect', text], { env: {} });
  assert.match(stdout, /^ {2}path = \/export$/m);
  assert.match(stdout, /^valid: unknown \(There is no root key here\.\)$/m);
  assert.equal(JSON.parse((await token(['inspect', '--json', text], { env: {} })).stdout).valid, null);
});

test('an inspection never shows the root key', async () => {
  const text = await minted('--destination', DESTINATION);
  const { stdout, stderr } = await token(['inspect', text, '--secret', 'geheim']);
  assert.doesNotMatch(stdout + stderr, /geheim/);
});

async function verdict(text: string, call: Call = {}): Promise<string> {
  return (await token(['inspect', text], call)).stdout.split('\n').at(-2) ?? '';
}

test('a token under another root key, past its time, for another service or with an unknown caveat is not valid', async () => {
  const good = ['--destination', DESTINATION];
  assert.match(
    await verdict(await minted(...good), { env: { EXPORT_SECRET: 'other' } }),
    /^valid: no \(it was not signed with this root key/,
  );
  const hour = await minted(...good, '--expires', '1h');
  assert.equal(await verdict(hour, { now: NOW + 3_599_999 }), 'valid: yes');
  assert.match(
    await verdict(hour, { now: NOW + 3_600_000 }),
    /^valid: no \(.*time < 2026-01-31T13:00:00\.000Z/,
  );
  assert.match(await verdict(await minted(...good, '--target', 'x')), /^valid: no \(.*target = x/);
  assert.match(
    await verdict(await minted(...good, '--caveat', 'colour = red')),
    /^valid: no \(.*colour = red/,
  );
});

test('a token without a destination is valid only where none is required, or for the owner', async () => {
  const bare = (caveats: string[]) => encode(mint({ rootKey: ROOT_KEY, identifier: '', caveats }), 'v1');
  const app = bare(['path = /export', 'method = POST', 'target = export-service']);
  assert.match(await verdict(app), /^valid: no \(.*destination/);
  assert.equal(
    await verdict(app, { env: { EXPORT_SECRET: 'geheim', EXPORT_REQUIRE_DESTINATION: 'false' } }),
    'valid: yes',
  );
  assert.equal(await verdict(await minted('--path', '/owner/*', '--method', '*')), 'valid: yes');
  assert.match(await verdict(bare(['path = /export'])), /^valid: no \(.*no target and method caveat/);
});

test('a token for every path that was narrowed to one is still valid', async () => {
  const wide = await minted('--destination', DESTINATION, '--path', '*');
  const { stdout } = await token(['attenuate', wide, '--caveat', 'path = /lp/export']);
  assert.equal(await verdict(stdout.trimEnd()), 'valid: yes');
});

test('what a token says cannot change the look of a terminal', async () => {
  const text = encode(mint({ rootKey: ROOT_KEY, identifier: '\x1b[2J', caveats: ['a\nvalid: yes'] }), 'v2');
  const { stdout } = await token(['inspect', text]);
  assert.match(stdout, /^identifier: \\u\{1b\}\[2J$/m);
  assert.match(stdout, /^ {2}a\\u\{a\}valid: yes$/m);
});

for (const format of ['v1', 'v2', 'v2j'] as const satisfies MacaroonFormat[]) {
  test(`a token in ${format} is attenuated offline, in ${format} again, and still verifies`, async () => {
    const macaroon = mint({ rootKey: ROOT_KEY, identifier: 'id', caveats: ['path = /export'] });
    const { stdout, stderr } = await token(
      ['attenuate', encode(macaroon, format), '--caveat', 'data-bytes <= 10', '--caveat', 'method = POST'],
      { env: {} },
    );
    const narrowed = decode(stdout.trimEnd());
    assert.deepEqual(caveatsOf(stdout.trimEnd()), ['path = /export', 'data-bytes <= 10', 'method = POST']);
    assert.ok(verify(narrowed, ROOT_KEY));
    assert.equal(stdout, `${encode(narrowed, format)}\n`);
    assert.equal(stderr, '');
  });
}

test('a token comes on stdin too, as - or left out', async () => {
  const text = await minted('--destination', DESTINATION);
  for (const args of [['inspect', '-'], ['inspect'], ['inspect', '--json', '-']]) {
    assert.match((await token(args, { stdin: `\n${text}\n` })).stdout, /export-service/);
  }
  const { stdout } = await token(['attenuate', '-', '--caveat', 'data-bytes <= 1'], { stdin: text });
  assert.equal(caveatsOf(stdout.trimEnd()).at(-1), 'data-bytes <= 1');
});

test('an endless stdin is not read to its end', async () => {
  await assert.rejects(token(['inspect', '-'], { stdin: 'a'.repeat(1_000_000) }), /longer than 8192 bytes/);
});

test('attenuating with an unknown caveat warns', async () => {
  const text = await minted('--destination', DESTINATION);
  const { stderr } = await token(['attenuate', text, '--caveat', 'time<2030-01-01T00:00:00Z']);
  assert.match(stderr, /does not know the caveat "time<2030-01-01T00:00:00Z"/);
});

test('a token command that lacks something says what', async () => {
  const text = await minted('--destination', DESTINATION);
  assert.match(await refusal(['attenuate', text]), /^--caveat is missing/);
  assert.match(await refusal(['inspect', '-']), /^TOKEN is missing/);
  assert.match(await refusal(['inspect', text, text]), /^unexpected argument/);
  assert.match(await refusal([]), /^token goes with mint, inspect or attenuate;/);
  assert.match(await refusal(['mnit']), /^token goes with mint, inspect or attenuate, not "mnit";/);
});

test('a text that is no token fails with a message that does not repeat it', async () => {
  for (const action of [['inspect'], ['attenuate', '--caveat', 'a = b']]) {
    await assert.rejects(token([...action, 'gehe im']), (error: Error) => {
      assert.equal(error.name, 'MalformedMacaroonError');
      assert.doesNotMatch(error.message, /gehe im/);
      return true;
    });
  }
});
