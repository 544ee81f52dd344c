/**
 * Tokens made with five other implementations, each with the verdict for one request (their note says
 * how to read them). They go the whole way: authenticate, then both stages of clearing.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ExportError } from '../export/errors.ts';
import { decode } from '../macaroon/codec.ts';
import { Authorizer } from './authorizer.ts';

interface Vector {
  readonly id: string;
  readonly expect: 'accept' | 'reject';
  readonly why: string;
  readonly generator: string;
  readonly format: string;
  readonly key_hex: string;
  readonly token: string;
  readonly context: { method: string; path: string; target: string; destination: string };
  readonly location?: string;
  readonly identifier?: string;
  readonly caveats?: readonly string[] | string;
  readonly signature_hex?: string;
  readonly optional?: boolean;
  readonly policy?: 'require-destination' | 'require-all-caveats';
  readonly original?: string;
}

const file = new URL('../macaroon/vectors/macaroons.json', import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] };

/** Optional vectors where our verdict is the other one, and why. */
const DIFFERENT = new Map([
  ['empty-key', 'TypeError: an empty root key is a mistake of ours, anybody could sign under it'],
  ['two-signatures', 'malformed_token: nothing may follow the signature'],
  ['bytes-after-signature', 'malformed_token: nothing may follow the signature'],
  ['cid-after-signature', 'malformed_token: nothing may follow the signature'],
  ['huge-dest-30000', 'malformed_token: longer than 8 KiB'],
]);

/** `accept`, or what the refusal was: an error code, or the name of another error. */
function verdictOn(vector: Vector, requireDestination = true): string {
  const { target, method, path, destination } = vector.context;
  const key = Buffer.from(vector.key_hex, 'hex');
  const authorizer = new Authorizer({ keys: () => [key], target, requireDestination });
  try {
    const token = authorizer.authenticate(vector.token);
    authorizer.clearRequest(token, { method, path, now: Date.UTC(2026, 10, 24) });
    authorizer.clearDestination(token, { destination, dataBytes: 2 });
    return 'accept';
  } catch (error) {
    if (!(error instanceof ExportError)) return String((error as Error).name);
    assert.ok(!error.message.includes(vector.token), 'the message holds no token');
    return error.code;
  }
}

test('there are as many vectors as there were', () => {
  assert.equal(vectors.length, 109);
});

for (const vector of vectors) {
  test(`${vector.id}: ${vector.expect}${DIFFERENT.has(vector.id) ? ', differs' : ''} ${vector.why}`, () => {
    const verdict = verdictOn(vector);
    const different = DIFFERENT.get(vector.id);
    if (different === undefined) {
      assert.equal(verdict === 'accept' ? 'accept' : 'reject', vector.expect, verdict);
    } else {
      assert.ok(vector.optional);
      assert.equal(verdict, different.split(':')[0]);
    }
  });
}

test('without --require-destination the vectors about it are judged as by the original', () => {
  const about = vectors.filter(({ policy }) => policy === 'require-destination');
  assert.ok(about.length > 0);
  for (const vector of about) {
    const verdict = verdictOn(vector, false);
    // It has a destination caveat, an empty one: a destination is a URL, so that one never holds.
    if (vector.id === 'policy-empty-destination') assert.equal(verdict, 'caveat_refused');
    else assert.equal(verdict, vector.original, vector.id);
  }
});

test('the other policy vectors do not follow that setting', () => {
  const about = vectors.filter(({ policy }) => policy === 'require-all-caveats');
  assert.ok(about.length > 0);
  for (const vector of about) assert.equal(verdictOn(vector, false), 'caveat_missing', vector.id);
});

test('each refusal has the code of its cause', () => {
  const codes = new Map(vectors.map((vector) => [vector.id, verdictOn(vector)]));
  for (const [code, ids] of Object.entries({
    malformed_token: [
      'enc-star',
      'blank',
      'aaaa',
      'jwt',
      'trunc-1',
      'len-zero',
      'no-newline',
      'sig-31',
      'v1-json',
    ],
    invalid_token: ['bad-key', 'bad-key-nl', 'no-derivation', 'sig-zero', 'tamper-dest', 'tamper-reorder'],
    caveat_refused: [
      'ctx-wrong-method',
      'ctx-wrong-destination',
      'unknown-caveat',
      'caveat-star',
      'third-mj',
    ],
    caveat_missing: ['policy-only-destination', 'policy-no-path', 'policy-no-method'],
    destination_missing: ['policy-no-destination'],
  })) {
    for (const id of ids) assert.equal(codes.get(id), code, id);
  }
});

test('what other implementations wrote is read as they say', () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8');
  // The derived ones were changed after their fields were noted; one says only how many caveats it has.
  const noted = vectors.filter(
    ({ generator, format, identifier, id }) =>
      generator !== 'derived' && format !== 'v1j' && identifier !== undefined && !DIFFERENT.has(id),
  );
  assert.ok(noted.length > 50, String(noted.length));
  for (const vector of noted) {
    const macaroon = decode(vector.token);
    assert.equal(macaroon.location, vector.location, vector.id);
    assert.equal(text(macaroon.identifier), vector.identifier, vector.id);
    assert.equal(hex(macaroon.signature), vector.signature_hex, vector.id);
    const caveats = macaroon.caveats.map(({ identifier }) => text(identifier));
    if (Array.isArray(vector.caveats)) assert.deepEqual(caveats, vector.caveats, vector.id);
    else assert.equal(vector.caveats, `${caveats.length} caveats, see the token`);
  }
});
