/**
 * Tokens in all formats. A changed token is never accepted: unless the change is in what nobody signs (its location, how
 * it is written), and then it is the same token with the same caveats.
 */
import assert from 'node:assert/strict';
import { Authorizer } from '../../../src/auth/authorizer.ts';
import { ExportError } from '../../../src/export/errors.ts';
import { encodeBase64Url } from '../../../src/macaroon/base64.ts';
import { decode, encode, type MacaroonFormat } from '../../../src/macaroon/codec.ts';
import { appendCaveat, type Macaroon, mint } from '../../../src/macaroon/macaroon.ts';
import { MalformedMacaroonError } from '../../../src/macaroon/malformed-macaroon-error.ts';
import type { Random } from '../../fault/random.ts';
import { mutate, randomBytes } from '../mutate.ts';
import { type FuzzTarget, mustBe } from '../target.ts';

const FORMATS: readonly MacaroonFormat[] = ['v1', 'v2', 'v2j'];
const KEYS = ['bdcd6cbf-b60e-4b3c-be9f-ff664cbc2372', 'an older key', 'x'].map((key) => Buffer.from(key));
const USUAL = [
  'path = /lp/export',
  'method = POST',
  'target = export-service',
  'destination = https://a.example/in',
];

const WORDS = [
  ...[
    'location ',
    'identifier ',
    'cid ',
    'vid ',
    'cl ',
    'signature ',
    '\n',
    '0000',
    '0004',
    'ffff',
    '002f',
    '\x02',
    '\x80\x80\x80\x80\x80',
  ],
  ...[
    '{"v":2,',
    '"c":[',
    '{"i":"',
    '"i64":"',
    '"s64":"',
    '"s":"',
    '"l":"',
    '"v64":"',
    'null',
    '1e999',
    '\\ud800',
    '__proto__',
  ],
  ...['path = *', 'destination = ', 'time < 2999-01-01T00:00:00Z', '=', '==', '-', '_', '+', '/'],
];

const TOKENS: readonly Macaroon[] = [
  mint({ rootKey: at(KEYS, 0), identifier: '', caveats: USUAL }),
  mint({
    rootKey: at(KEYS, 1),
    identifier: 'mood-app',
    location: 'https://arbiter:8080',
    caveats: [...USUAL, 'data-bytes <= 9'],
  }),
  mint({ rootKey: at(KEYS, 2), identifier: 'приложение', caveats: ['target = export-service'] }),
  mint({ rootKey: at(KEYS, 0), identifier: 'bare' }),
  mint({
    rootKey: at(KEYS, 1),
    identifier: 'many',
    caveats: Array.from({ length: 40 }, (_, n) => `path = /${n}*`),
  }),
  appendCaveat(mint({ rootKey: at(KEYS, 0), identifier: 'third', caveats: USUAL }), {
    identifier: Buffer.from('who'),
    thirdParty: { location: 'https://auth.example/', verificationId: Buffer.alloc(48, 3) },
  }),
];

export function open(): FuzzTarget {
  const authorizer = new Authorizer({
    keys: () => KEYS,
    target: 'export-service',
    requireDestination: true,
    cacheMax: 0,
    hmacsPerSecond: 0,
  });
  const known = new Set(TOKENS.map(meaning));
  return {
    seeds: TOKENS.flatMap((token) => FORMATS.map((format) => Buffer.from(encode(token, format)))),
    dictionary: WORDS,
    make,
    check(input) {
      const text = Buffer.from(input).toString('utf8');
      const macaroon = readOrNull(text);
      if (macaroon === null) return 'malformed';
      assertSurvives(macaroon);
      try {
        authorizer.authenticate(text);
      } catch (error) {
        const { code } = mustBe(error, ExportError);
        assert.ok(code === 'invalid_token' || code === 'malformed_token', code);
        return code === 'invalid_token' ? 'refused: its signature does not hold' : 'malformed';
      }
      assert.ok(known.has(meaning(macaroon)), 'A CHANGED TOKEN WAS ACCEPTED');
      return 'the same token, written otherwise';
    },
  };
}

/** Everything that is signed, and the signature: one that is looked at in part only would let another token through. */
function meaning({ identifier, caveats, signature }: Macaroon): string {
  const parts = caveats.map(({ identifier: cid, thirdParty }) => [
    hex(cid),
    hex(thirdParty?.verificationId ?? Buffer.of()),
  ]);
  return JSON.stringify([hex(identifier), parts, hex(signature)]);
}

function readOrNull(text: string): Macaroon | null {
  try {
    return decode(text);
  } catch (error) {
    mustBe(error, MalformedMacaroonError);
    return null;
  }
}

/** What was read is what would be written and read again, where the format can hold it. */
function assertSurvives(macaroon: Macaroon): void {
  // Each of the three in its turn: all three would be most of the work.
  const format = FORMATS[(macaroon.signature.at(-1) ?? 0) % FORMATS.length] as MacaroonFormat;
  try {
    assert.equal(meaning(decode(encode(macaroon, format))), meaning(macaroon), format);
  } catch (error) {
    mustBe(error, RangeError, TypeError);
  }
}

/** A third of the changes each are made to the text, to the bytes in it, and to the parts that those stand for. */
function make(random: Random): Uint8Array {
  const format = random.pick(FORMATS);
  const text = encode(random.pick(TOKENS), format);
  const level = random.int(0, 2);
  if (level === 0) return mutate([Buffer.from(text)], WORDS, random);
  if (level === 1 && format !== 'v2j') {
    const bytes = mutate([Buffer.from(text, 'base64url')], WORDS, random);
    return Buffer.from(encodeBase64Url(bytes));
  }
  return Buffer.from(encodeOr(text, changeParts(random.pick(TOKENS), random), format));
}

function encodeOr(otherwise: string, macaroon: Macaroon, format: MacaroonFormat): string {
  try {
    return encode(macaroon, format);
  } catch {
    return otherwise.slice(1);
  }
}

/** Takes a caveat away, changes one, puts two in another order, takes one or the signature from another token, … */
function changeParts(token: Macaroon, random: Random): Macaroon {
  const { caveats } = token;
  const other = random.pick(TOKENS);
  const index = random.int(0, Math.max(0, caveats.length - 1));
  const changed = { identifier: mutate([caveats[index]?.identifier ?? Buffer.of(1)], WORDS, random) };
  switch (random.int(0, 7)) {
    case 0:
      return { ...token, caveats: caveats.toSpliced(index, 1) };
    case 1:
      return { ...token, caveats: caveats.toSpliced(index, 1, changed) };
    case 2:
      return { ...token, caveats: random.shuffle(caveats) };
    case 3:
      return { ...token, caveats: [...caveats, changed] };
    case 4:
      return { ...token, caveats: other.caveats };
    case 5:
      return { ...token, signature: other.signature };
    case 6:
      return { ...token, signature: mutate([token.signature], [], random) };
    default:
      return { ...token, identifier: randomBytes(random.int(0, 12), random) };
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}
