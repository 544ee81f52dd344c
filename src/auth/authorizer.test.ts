import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { type ErrorCode, ExportError } from '../export/errors.ts';
import { TOKEN_BYTES_MAX } from '../macaroon/bounds.ts';
import { encode } from '../macaroon/codec.ts';
import { mint } from '../macaroon/macaroon.ts';
import { Authorizer, type AuthorizerOptions } from './authorizer.ts';

const newest = Buffer.from('newest key');
const older = Buffer.from('older key');
const caveats = [
  'target = export-service',
  'method = POST',
  'path = /export',
  'destination = https://a.example/',
];
const access = { method: 'POST', path: '/export', now: Date.UTC(2026, 10, 24) };

const tokenOf = (rootKey: Uint8Array, identifier: string | Uint8Array = 'app') =>
  encode(mint({ rootKey, identifier, caveats }), 'v1');

/** A ring that can be changed, and an authorizer over it. */
function setUp(options: Partial<AuthorizerOptions> = {}) {
  const ring = { keys: [newest, older] as Uint8Array[] };
  const used: Uint8Array[] = [];
  const authorizer = new Authorizer({
    keys: () => ring.keys,
    onKeyUsed: (key) => used.push(key),
    target: 'export-service',
    requireDestination: true,
    ...options,
  });
  return { ring, used, authorizer };
}

function assertRefused(act: () => unknown, code: ErrorCode): ExportError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ExportError, String(error));
    assert.equal(error.code, code);
    return error;
  }
  assert.fail(`not refused, expected ${code}`);
}

test('a token signed by any key of the ring is verified, and that key is known to be in use', () => {
  const { authorizer, used } = setUp();
  authorizer.authenticate(tokenOf(newest));
  const token = authorizer.authenticate(tokenOf(older));
  assert.deepEqual(used, [newest, older]);
  authorizer.authenticate(tokenOf(older));
  assert.equal(used[2], older, 'a remembered token uses its key too');
  assertRefused(() => authorizer.authenticate(tokenOf(Buffer.from('another'))), 'invalid_token');
  assert.equal(used.length, 3);
  assert.equal(token.client, 'app');
  assert.deepEqual(
    token.caveats.map(({ text }) => text),
    caveats,
  );
  authorizer.clearRequest(token, access);
  authorizer.clearDestination(token, { destination: 'https://a.example/', dataBytes: 1 });
  authorizer.clearPoll(token);
});

test('each refusal is an ExportError with its code', () => {
  const { authorizer } = setUp();
  const token = authorizer.authenticate(tokenOf(newest));
  assertRefused(() => authorizer.authenticate(undefined), 'missing_token');
  assertRefused(() => authorizer.authenticate(''), 'missing_token');
  assertRefused(() => authorizer.authenticate('not a token'), 'malformed_token');
  assertRefused(() => authorizer.authenticate(tokenOf(Buffer.from('another'))), 'invalid_token');
  assertRefused(() => authorizer.clearRequest(token, { ...access, method: 'GET' }), 'caveat_refused');
  const sent = { destination: 'https://b.example/', dataBytes: 1 };
  assertRefused(() => authorizer.clearDestination(token, sent), 'caveat_refused');
  const bare = authorizer.authenticate(encode(mint({ rootKey: newest, identifier: '' }), 'v2'));
  assertRefused(() => authorizer.clearRequest(bare, access), 'caveat_missing');
  assertRefused(() => authorizer.clearDestination(bare, sent), 'destination_missing');
  assertRefused(() => authorizer.clearPoll(bare), 'destination_missing');
  assertRefused(() => authorizer.clearOwner(token, access), 'caveat_refused');
  assertRefused(() => authorizer.clearOwner(bare, access), 'caveat_missing');
});

test('without a root key no token is looked at, and the answer says when to try again', () => {
  const { authorizer, ring } = setUp();
  ring.keys = [];
  for (const text of [undefined, 'not a token', tokenOf(newest)]) {
    const error = assertRefused(() => authorizer.authenticate(text), 'no_root_key');
    assert.equal(error.retryAfterSeconds, 5);
  }
});

test('a token that was verified is refused as soon as its key has left the ring', () => {
  const { authorizer, ring } = setUp();
  const token = tokenOf(older);
  authorizer.authenticate(token);
  ring.keys = [newest];
  assertRefused(() => authorizer.authenticate(token), 'invalid_token');
  ring.keys = [newest, older];
  assert.equal(authorizer.authenticate(token).client, 'app');
});

test('a refusal holds for the ring it was made with: the same token passes once its key is there', () => {
  const { authorizer, ring } = setUp();
  ring.keys = [newest];
  const token = tokenOf(older);
  assertRefused(() => authorizer.authenticate(token), 'invalid_token');
  ring.keys = [newest, older];
  assert.equal(authorizer.authenticate(token).client, 'app');
});

const RING_OF_16 = Array.from({ length: 16 }, (_, index) => Buffer.from(`key ${index}`));

/** As costly as a token can be; its signature is nobody's. */
function forged(caveatCount: number, id: number): string {
  const narrow = Array.from({ length: caveatCount }, () => 'path = *');
  return encode(mint({ rootKey: Buffer.from('nobody'), identifier: String(id), caveats: narrow }), 'v2');
}

/** How many of `tokens` are judged before the service is too busy with unknown ones. */
function judgedOf(authorizer: Authorizer, tokens: readonly string[]): number {
  for (const [index, token] of tokens.entries()) {
    try {
      authorizer.authenticate(token);
    } catch (error) {
      if (error instanceof ExportError && error.code === 'rate_limited') return index;
    }
  }
  return tokens.length;
}

test('work for unknown tokens is bounded: then they are told to come again later, and pass later', () => {
  const clock = new ManualClock();
  const { authorizer, ring } = setUp({ clock });
  ring.keys = RING_OF_16;
  const costly = Array.from({ length: 40 }, (_, id) => forged(256, id));
  // 16 times 258 HMACs each, of 100,000 a second.
  assert.equal(judgedOf(authorizer, costly), 24);
  const error = assertRefused(() => authorizer.authenticate(costly[30]), 'rate_limited');
  assert.ok(
    error.retryAfterSeconds !== undefined && error.retryAfterSeconds > 0 && error.retryAfterSeconds < 1,
  );
  clock.advance(Math.ceil(error.retryAfterSeconds * 1_000));
  assertRefused(() => authorizer.authenticate(costly[30]), 'invalid_token');
});

test('work for unknown tokens is bounded to the HMAC', () => {
  // Two keys, and for each the derivation, the identifier and four caveats: twelve.
  for (const [hmacsPerSecond, passes] of [
    [24, true],
    [23, false],
  ] as const) {
    const { authorizer } = setUp({ clock: new ManualClock(), hmacsPerSecond });
    authorizer.authenticate(tokenOf(newest, 'one'));
    if (passes) authorizer.authenticate(tokenOf(newest, 'two'));
    else assertRefused(() => authorizer.authenticate(tokenOf(newest, 'two')), 'rate_limited');
  }
});

test('a token that is known passes while the service is busy with others, and a small new one does too', () => {
  const { authorizer, ring } = setUp({ clock: new ManualClock() });
  ring.keys = [newest, ...RING_OF_16.slice(1)];
  const known = tokenOf(newest, 'known');
  authorizer.authenticate(known);
  const costly = Array.from({ length: 40 }, (_, id) => forged(256, id));
  assert.ok(judgedOf(authorizer, costly) < costly.length);
  assert.equal(authorizer.authenticate(known).client, 'known');
  assert.equal(authorizer.authenticate(tokenOf(newest, 'new')).client, 'new');
});

test('a token that was refused costs nothing when it comes again, also when there is no work left', () => {
  const { authorizer, ring } = setUp({ clock: new ManualClock() });
  ring.keys = RING_OF_16;
  const stale = tokenOf(Buffer.from('a key that has left'));
  assertRefused(() => authorizer.authenticate(stale), 'invalid_token');
  judgedOf(authorizer, Array.from({ length: 2_000 }, (_, id) => forged(4, id)).slice(0, 400));
  for (let n = 0; n < 10_000; n += 1) assertRefused(() => authorizer.authenticate(stale), 'invalid_token');
});

test('what was refused is remembered up to 512 tokens', () => {
  const { authorizer } = setUp({ clock: new ManualClock(), hmacsPerSecond: 6 * 2 * 513 });
  const tokens = Array.from({ length: 513 }, (_, id) => forged(4, id));
  for (const token of tokens) assertRefused(() => authorizer.authenticate(token), 'invalid_token');
  assertRefused(() => authorizer.authenticate(tokens[1]), 'invalid_token');
  assertRefused(() => authorizer.authenticate(tokens[0]), 'rate_limited');
});

/** A token that was remembered shares its parsed caveats with the first answer. */
function isRemembered(authorizer: Authorizer, token: string, first: { caveats: unknown }): boolean {
  return authorizer.authenticate(token).caveats === first.caveats;
}

test('a token seen again is not verified again, and the one used longest ago is forgotten first', () => {
  const { authorizer } = setUp({ cacheMax: 2 });
  const [a, b, c] = ['a', 'b', 'c'].map((client) => tokenOf(newest, client));
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const firstA = authorizer.authenticate(a);
  const firstB = authorizer.authenticate(b);
  // Seeing one again makes no room at the cost of another.
  assert.ok(isRemembered(authorizer, b, firstB));
  assert.ok(isRemembered(authorizer, a, firstA));
  authorizer.authenticate(c);
  assert.ok(isRemembered(authorizer, a, firstA));
  assert.ok(!isRemembered(authorizer, b, firstB));
});

test('a cache of none remembers nothing', () => {
  const { authorizer } = setUp({ cacheMax: 0 });
  const token = tokenOf(newest);
  assert.ok(!isRemembered(authorizer, token, authorizer.authenticate(token)));
});

test('two identifiers are never one client', () => {
  const { authorizer } = setUp();
  const clientOf = (identifier: string | Uint8Array) =>
    authorizer.authenticate(tokenOf(newest, identifier)).client;
  assert.equal(clientOf(''), '');
  assert.equal(clientOf('приложение'), 'приложение');
  assert.notEqual(clientOf('\ufeffapp'), clientOf('app'));
  for (const identifier of [Buffer.of(0xff), Buffer.of(0xc0, 0xaf), Buffer.of(0xed, 0xa0, 0x80)]) {
    assertRefused(() => clientOf(identifier), 'malformed_token');
  }
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (one, other) => {
      fc.pre(!Buffer.from(one).equals(Buffer.from(other)));
      const clients = [one, other].map((identifier) => {
        try {
          return clientOf(identifier);
        } catch {
          return undefined;
        }
      });
      assert.ok(clients[0] === undefined || clients[0] !== clients[1]);
    }),
  );
});

test('no refusal repeats the token or a key', () => {
  const { authorizer } = setUp();
  const tokens = [
    'not a token but a secret',
    'AAAA'.repeat(TOKEN_BYTES_MAX),
    tokenOf(Buffer.from('another')),
    tokenOf(newest).slice(0, -4),
    encode(mint({ rootKey: older, identifier: Buffer.of(0xff), caveats }), 'v2j'),
  ];
  for (const text of tokens) {
    try {
      authorizer.authenticate(text);
      assert.fail('not refused');
    } catch (error) {
      assert.ok(error instanceof ExportError);
      for (const secret of [text, newest.toString(), older.toString()]) {
        assert.ok(!`${error.message}${error.stack}${String(error.cause)}`.includes(secret));
      }
    }
  }
});
