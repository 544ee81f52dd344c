/**
 * The three formats against hand-made tokens (one deviation each) and against generated ones. The tokens
 * of other implementations are read in src/auth/vectors.test.ts, where their verdict is known too.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { CAVEATS_MAX, TOKEN_BYTES_MAX } from './bounds.ts';
import { decode, encode, type MacaroonFormat } from './codec.ts';
import { appendCaveat, attenuate, type Macaroon, mint, verify } from './macaroon.ts';
import { MalformedMacaroonError } from './malformed-macaroon-error.ts';

const rootKey = Buffer.from('k1');
const FORMATS: readonly MacaroonFormat[] = ['v1', 'v2', 'v2j'];
const signature = Buffer.alloc(32, 0xaa);

const base64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** What is equal when two macaroons are: Buffers and Uint8Arrays of the same bytes count as the same. */
function plain(macaroon: Macaroon): unknown {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return {
    location: macaroon.location,
    identifier: hex(macaroon.identifier),
    signature: hex(macaroon.signature),
    caveats: macaroon.caveats.map(({ identifier, thirdParty }) => [
      hex(identifier),
      thirdParty && [thirdParty.location, hex(thirdParty.verificationId)],
    ]),
  };
}

function assertMalformed(text: string, what = text): void {
  assert.throws(() => decode(text), MalformedMacaroonError, what);
}

function packet(key: string, value: string | Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(`${key} `), Buffer.from(value), Buffer.from('\n')]);
  return Buffer.concat([Buffer.from((body.length + 4).toString(16).padStart(4, '0')), body]);
}

const v1 = (...packets: Uint8Array[]) => base64url(Buffer.concat(packets));
const location = packet('location', '');
const identifier = packet('identifier', 'x');
const cid = packet('cid', 'a = b');
const vid = packet('vid', 'sealed');
const cl = packet('cl', 'https://auth.example/');
const end = packet('signature', signature);

describe('v1', () => {
  test('packets are read in their order', () => {
    const macaroon = decode(v1(location, identifier, cid, cid, end));
    assert.equal(Buffer.from(macaroon.identifier).toString(), 'x');
    assert.equal(macaroon.caveats.length, 2);
  });

  test('packets in any other order, missing, doubled or unknown are malformed', () => {
    for (const packets of [
      [],
      [identifier, end],
      [location, end],
      [location, identifier],
      [location, identifier, cid],
      [identifier, location, end],
      [location, location, identifier, end],
      [location, identifier, identifier, end],
      [location, cid, identifier, end],
      [location, identifier, end, end],
      [location, identifier, end, cid],
      [location, identifier, end, Buffer.from('\n')],
      [location, identifier, packet('colour', 'red'), end],
      [location, identifier, packet('CID', 'a'), end],
      [location, identifier, packet('', 'a'), end],
    ]) {
      assertMalformed(v1(...packets), JSON.stringify(packets.map(String)));
    }
  });

  test('a third-party caveat is read in the order of libmacaroons and in that of the OCaml writer', () => {
    const usual = decode(v1(location, identifier, cid, vid, cl, end));
    const ocaml = decode(v1(location, identifier, vid, cl, cid, end));
    assert.deepEqual(plain(ocaml), plain(usual));
    assert.equal(usual.caveats[0]?.thirdParty?.location, 'https://auth.example/');
  });

  test('a third-party caveat with a part missing, doubled or empty is malformed', () => {
    for (const packets of [
      [cid, vid],
      [cid, cl],
      [cid, cl, vid],
      [vid, cl],
      [cl, vid, cid],
      [vid, vid, cl, cid],
      [cid, vid, cl, cl],
      [cid, packet('vid', ''), cl],
    ]) {
      assertMalformed(v1(location, identifier, ...packets, end), JSON.stringify(packets.map(String)));
    }
  });

  test('a length that is not four lower-case hex digits, or not the length, is malformed', () => {
    for (const digits of [
      '000E',
      '0x0e',
      '0000',
      '0004',
      '0006',
      '000d',
      '000f',
      'ffff',
      '-00e',
      '  0e',
      '00e ',
    ]) {
      assertMalformed(v1(Buffer.from(`${digits}location \n`), identifier, end), digits);
    }
    assertMalformed(v1(location, identifier, cid, Buffer.from('002')));
  });

  test('a signature of 31 or 33 bytes is malformed', () => {
    for (const length of [0, 31, 33, 64]) {
      assertMalformed(v1(location, identifier, packet('signature', Buffer.alloc(length))));
    }
  });

  test('a value may hold blanks, newlines and what looks like another packet', () => {
    const value = ' a\n0010identifier \ncid b ';
    const macaroon = decode(v1(location, identifier, packet('cid', value), end));
    assert.equal(Buffer.from(macaroon.caveats[0]?.identifier ?? []).toString(), value);
  });
});

describe('v2 binary', () => {
  const field = (number: number, value: string | Uint8Array) =>
    Buffer.concat([Buffer.of(number, value.length), Buffer.from(value)]);
  const v2 = (...parts: Uint8Array[]) => base64url(Buffer.concat([Buffer.of(2), ...parts]));
  const eos = Buffer.of(0);
  const id = field(2, 'x');
  const tail = [eos, field(6, signature)];

  test('sections are read in their order', () => {
    const macaroon = decode(v2(field(1, 'here'), id, eos, field(2, 'a = b'), eos, ...tail));
    assert.equal(macaroon.location, 'here');
    assert.equal(macaroon.caveats.length, 1);
    assert.equal(decode(v2(id, eos, ...tail)).location, '');
  });

  test('fields in any other order, missing, doubled, unknown or left over are malformed', () => {
    const cases: Uint8Array[][] = [
      [],
      [id],
      [id, eos],
      [id, eos, eos],
      [eos, ...tail],
      [id, ...tail],
      [id, field(1, 'here'), eos, ...tail],
      [id, id, eos, ...tail],
      [id, field(4, 'v'), eos, ...tail],
      [id, field(3, 'x'), eos, ...tail],
      [id, eos, field(2, 'a'), ...tail],
      [id, eos, field(1, 'here'), eos, ...tail],
      [id, eos, field(4, 'v'), eos, ...tail],
      [id, eos, field(4, 'v'), field(2, 'a'), eos, ...tail],
      [id, eos, field(1, 'here'), field(2, 'a'), eos, ...tail],
      [id, eos, field(2, 'a'), field(4, ''), eos, ...tail],
      [id, eos, ...tail, eos],
      [id, eos, ...tail, Buffer.from('junk')],
      [id, eos, eos, field(6, Buffer.alloc(31))],
      [id, eos, eos, field(6, Buffer.alloc(33))],
      [id, eos, eos, Buffer.of(6, 32)],
    ];
    for (const parts of cases) assertMalformed(v2(...parts), JSON.stringify(parts.map((p) => p.toString())));
  });

  test('a length in more bytes than it needs, or endless, is malformed', () => {
    for (const length of [[0x81, 0x00], [0x81, 0x80, 0x00], [0x81], Array(20).fill(0x81), [0xff, 0x7f]]) {
      assertMalformed(v2(Buffer.of(2, ...length), Buffer.from('x'), eos, ...tail), String(length));
    }
  });

  test('a length of 127 and one of 128 bytes are both read', () => {
    for (const length of [127, 128]) {
      const macaroon = mint({ rootKey, identifier: 'x'.repeat(length) });
      assert.equal(decode(encode(macaroon, 'v2')).identifier.length, length);
    }
  });
});

describe('v2 JSON', () => {
  const s64 = base64url(signature);
  const json = (members: object) => JSON.stringify({ v: 2, s64, i: 'x', c: [], ...members });

  test('text and base64 members mean the same bytes', () => {
    const text = decode(json({ l: 'here', c: [{ i: 'who', l: 'there', v: 'sealed' }] }));
    const base64 = decode(
      JSON.stringify({
        l64: base64url(Buffer.from('here')),
        i64: base64url(Buffer.from('x')),
        s64,
        c: [
          {
            i64: base64url(Buffer.from('who')),
            l64: base64url(Buffer.from('there')),
            v64: base64url(Buffer.from('sealed')),
          },
        ],
      }),
    );
    assert.deepEqual(plain(base64), plain(text));
  });

  test('what the Go library leaves out when it is empty may be left out', () => {
    const macaroon = decode(JSON.stringify({ s64 }));
    assert.equal(macaroon.identifier.length, 0);
    assert.equal(macaroon.caveats.length, 0);
  });

  test('a member of another type, unknown, or there in both forms is malformed', () => {
    for (const members of [
      { v: 1 },
      { v: '2' },
      { v: null },
      { i: null },
      { i: 1 },
      { i64: '' },
      { i64: 'eA' },
      { l: 1 },
      { l: 'a', l64: 'YQ' },
      { s: 'a'.repeat(32) },
      { s64: base64url(Buffer.alloc(31)) },
      { s64: `${s64}*` },
      { s64: null },
      { i: '\ud800' },
      { c: null },
      { c: {} },
      { c: ['a = b'] },
      { c: [null] },
      { c: [[]] },
      { c: [{}] },
      { c: [{ i: 1 }] },
      { c: [{ i: 'a', i64: 'YQ' }] },
      { c: [{ i: 'a', cid: 'a' }] },
      { c: [{ i: 'a', l: 'there' }] },
      { c: [{ i: 'a', v: '' }] },
      { c: [{ i: 'a', v: 'b', v64: 'Yg' }] },
      { signature: '' },
    ]) {
      assertMalformed(json(members));
    }
    assertMalformed(`{"__proto__":{},"s64":"${s64}"}`);
    assertMalformed(JSON.stringify({ i: 'x', c: [] }));
    assertMalformed('{}');
    assertMalformed('{');
    assertMalformed(`{"a":${'['.repeat(TOKEN_BYTES_MAX - 5)}`);
  });
});

describe('base64', () => {
  // Lengths 0, 1 and 2 modulo 3, so that there is no padding, `==` and `=`.
  const tokens = ['', 'y', 'yy'].map((more) => encode(mint({ rootKey, identifier: `?>~${more}` }), 'v1'));

  test('either alphabet, mixed too, padded or not, reads the same', () => {
    for (const token of tokens) {
      const expected = plain(decode(token));
      const standard = token.replaceAll('-', '+').replaceAll('_', '/');
      const mixed = token.replace('-', '+');
      for (const text of [standard, mixed]) {
        assert.deepEqual(plain(decode(text)), expected);
        assert.deepEqual(plain(decode(text.padEnd(Math.ceil(text.length / 4) * 4, '='))), expected);
      }
    }
  });

  test('padding that is too much, too little or not at the end is malformed', () => {
    for (const token of tokens) {
      assertMalformed(`=${token}`);
      assertMalformed(`${token.slice(0, 8)}=${token.slice(8)}`);
      assertMalformed(`${token.slice(0, 8)}====${token.slice(8)}`);
      const right = (4 - (token.length % 4)) % 4;
      for (const count of [1, 2, 3, 4]) {
        if (count !== right) assertMalformed(token + '='.repeat(count));
      }
    }
  });

  test('blanks, newlines, other characters and left-over bits are malformed', () => {
    for (const token of tokens) {
      for (const junk of [' ', '\n', '*', '.', 'é', '\0', '\u2028']) {
        assertMalformed(token + junk);
        assertMalformed(junk + token);
        assertMalformed(token.slice(0, 8) + junk + token.slice(8));
      }
    }
    const token = tokens.find(({ length }) => length % 4 === 2) ?? '';
    assert.match(token, /[AQgw]$/, 'four of the six bits of the last digit are left over, and zero');
    assertMalformed(`${token.slice(0, -1)}h`, 'the bits behind the last byte are not zero');
    assertMalformed(`${token}A`, 'one digit too many');
  });
});

describe('bounds', () => {
  test(`a token of ${TOKEN_BYTES_MAX} bytes is read and one of ${TOKEN_BYTES_MAX + 1} is malformed`, () => {
    // JSON can be stretched byte by byte; the length of base64 without padding is never 1 modulo 4.
    const text = encode(mint({ rootKey, identifier: 'ü' }), 'v2j');
    const fill = (length: number) => text + ' '.repeat(length - Buffer.byteLength(text));
    assert.ok(verify(decode(fill(TOKEN_BYTES_MAX)), rootKey));
    assertMalformed(fill(TOKEN_BYTES_MAX + 1));

    const bytesMax = (TOKEN_BYTES_MAX / 4) * 3;
    const empty = Buffer.from(encode(mint({ rootKey, identifier: '' }), 'v1'), 'base64').length;
    const longest = mint({ rootKey, identifier: 'x'.repeat(bytesMax - empty) });
    const token = encode(longest, 'v1');
    assert.equal(token.length, TOKEN_BYTES_MAX);
    assert.ok(verify(decode(token), rootKey));
    assertMalformed(`${token}A`);
    assert.throws(() => encode({ ...longest, location: 'x' }, 'v1'), RangeError, 'none is written either');
  });

  test(`a token of ${CAVEATS_MAX} caveats is read and one of ${CAVEATS_MAX + 1} is malformed`, () => {
    const full = mint({ rootKey, identifier: '', caveats: Array(CAVEATS_MAX).fill('a') });
    const more = { ...full, caveats: [...full.caveats, { identifier: Buffer.from('a') }] };
    for (const format of FORMATS) {
      assert.ok(verify(decode(encode(full, format)), rootKey), format);
      assertMalformed(encode(more, format), format);
    }
  });

  test('a value that fits no packet is not written', () => {
    assert.throws(() => encode(mint({ rootKey, identifier: 'x'.repeat(70_000) }), 'v1'), RangeError);
  });

  test('the worst tokens take no longer than their length allows', () => {
    const bytesMax = (TOKEN_BYTES_MAX / 4) * 3;
    const start = Buffer.concat([location, identifier]);
    const worst = [
      base64url(Buffer.concat([start, Buffer.alloc(bytesMax - start.length, packet('cid', ''))])),
      base64url(Buffer.concat([start, Buffer.alloc(bytesMax - start.length, '0008cid\n')])),
      base64url(Buffer.alloc(bytesMax, 2)),
      '='.repeat(TOKEN_BYTES_MAX),
      `${'A'.repeat(TOKEN_BYTES_MAX - 1)}*`,
      '{"a":'.repeat(TOKEN_BYTES_MAX / 5),
      'A'.repeat(10_000_000),
    ];
    for (const text of worst) {
      // What hangs, as a known library does on a length of zero, hangs here too.
      assertMalformed(text, text.slice(0, 20));
    }
  });
});

describe('for every token', () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const caveat = fc.oneof(
    bytes.map((cavId) => ({ identifier: cavId })),
    fc.record({
      identifier: bytes,
      thirdParty: fc.record({
        location: fc.string({ unit: 'binary', maxLength: 10 }),
        verificationId: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      }),
    }),
  );
  const key = fc.uint8Array({ minLength: 1, maxLength: 100 });
  const made = fc
    .record({
      key,
      location: fc.string({ unit: 'binary', maxLength: 20 }),
      id: bytes,
      caveats: fc.array(caveat, { maxLength: 6 }),
    })
    .map(({ key: used, location: from, id, caveats }) => ({
      key: used,
      macaroon: caveats.reduce(appendCaveat, mint({ rootKey: used, location: from, identifier: id })),
    }));

  test('mint, encode, decode, verify: what comes back is what went in, in every format', () => {
    fc.assert(
      fc.property(made, fc.constantFrom(...FORMATS), key, (token, format, other) => {
        const read = decode(encode(token.macaroon, format));
        assert.deepEqual(plain(read), plain(token.macaroon));
        assert.ok(verify(read, token.key));
        assert.equal(verify(read, other), Buffer.from(other).equals(token.key));
      }),
    );
  });

  test('attenuation only appends: the signed start of the token stays, and it verifies', () => {
    fc.assert(
      fc.property(made, bytes, ({ key: used, macaroon }, more) => {
        const narrower = attenuate(macaroon, more);
        assert.deepEqual(narrower.caveats.slice(0, -1), macaroon.caveats);
        assert.ok(verify(narrower, used));
        assert.ok(!verify({ ...narrower, caveats: macaroon.caveats }, used));
        assert.ok(!verify({ ...macaroon, caveats: narrower.caveats }, used));
      }),
    );
  });

  test('a single changed byte anywhere but in a location is refused', () => {
    const anyByte = fc.record({ at: fc.nat(), flip: fc.integer({ min: 1, max: 255 }) });
    const formats = fc.constantFrom<MacaroonFormat>('v1', 'v2');
    // Without locations every byte of the token counts.
    const bare = made.map((token) => ({ ...token, macaroon: withoutLocations(token.macaroon) }));
    fc.assert(
      fc.property(bare, formats, anyByte, (token, format, { at, flip }) => {
        const raw = Buffer.from(encode(token.macaroon, format), 'base64url');
        const index = at % raw.length;
        raw[index] = (raw[index] ?? 0) ^ flip;
        assert.ok(!verifies(base64url(raw), token.key));
      }),
      { numRuns: 1000 },
    );
  });

  test('a changed text that still verifies says the same, but for its locations', () => {
    const change = fc.record({ at: fc.nat(), by: fc.string({ maxLength: 2 }), drop: fc.nat({ max: 2 }) });
    fc.assert(
      fc.property(made, fc.constantFrom(...FORMATS), change, (token, format, { at, by, drop }) => {
        const text = encode(token.macaroon, format);
        const index = at % text.length;
        const changed = text.slice(0, index) + by + text.slice(index + drop);
        if (!verifies(changed, token.key)) return;
        assert.deepEqual(plain(withoutLocations(decode(changed))), plain(withoutLocations(token.macaroon)));
      }),
      { numRuns: 1000 },
    );
  });

  function withoutLocations(macaroon: Macaroon): Macaroon {
    const caveats = macaroon.caveats.map(({ identifier: cavId, thirdParty }) =>
      thirdParty === undefined
        ? { identifier: cavId }
        : { identifier: cavId, thirdParty: { ...thirdParty, location: '' } },
    );
    return { ...macaroon, location: '', caveats };
  }

  function verifies(text: string, used: Uint8Array): boolean {
    try {
      return verify(decode(text), used);
    } catch (error) {
      assert.ok(error instanceof MalformedMacaroonError, String(error));
      return false;
    }
  }
});

test('any text at all is read or is malformed, and the message never repeats it', () => {
  const binary = fc.uint8Array({ maxLength: 300 }).map(base64url);
  const packets = fc
    .array(
      fc.tuple(
        fc.constantFrom('location', 'identifier', 'cid', 'vid', 'cl', 'signature', 'x'),
        fc.uint8Array({ maxLength: 34 }),
      ),
      { maxLength: 8 },
    )
    .map((list) => v1(...list.map(([name, value]) => packet(name, value))));
  const v2 = fc.uint8Array({ maxLength: 100, max: 8 }).map((list) => base64url(Buffer.of(2, ...list)));
  const json = fc.oneof(
    fc.json(),
    fc.json().map((text) => `{"c":[${text}]}`),
    fc
      .dictionary(fc.constantFrom('v', 'i', 'i64', 'c', 's', 's64', 'l'), fc.jsonValue())
      .map((o) => JSON.stringify(o)),
  );
  const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), binary, packets, v2, json);
  fc.assert(
    fc.property(anyText, (text) => {
      try {
        decode(text);
      } catch (error) {
        assert.ok(error instanceof MalformedMacaroonError, String(error));
        assert.ok(text.length < 20 || !error.message.includes(text));
        assert.equal(error.cause, undefined);
      }
    }),
    { numRuns: 3000 },
  );
});
