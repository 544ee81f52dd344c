/**
 * The codec against frames that two other implementations wrote or read (vectors/zest.json; its note says how), and
 * against generated ones.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeAnswer,
  decodeMessage,
  decodeRequest,
  encodeAnswer,
  encodeMessage,
  encodeRequest,
  MalformedZestError,
  ZEST_CODES,
  ZEST_FRAME_BYTES_MAX,
  type ZestAnswer,
  type ZestMessage,
  type ZestMethod,
  type ZestOption,
  type ZestRequest,
} from './zest.ts';

interface RequestVector {
  readonly id: string;
  readonly method: ZestMethod;
  readonly path: string;
  readonly uri_host: string;
  readonly content_format: number;
  readonly token: string;
  readonly payload: string;
  readonly hex: string;
}

interface ResponseVector {
  readonly id: string;
  readonly hex: string;
  readonly expect: {
    readonly ok: boolean;
    readonly payload?: string;
    readonly code?: number;
    readonly malformed?: boolean;
    readonly optional?: boolean;
  };
}

const VECTORS: { requests: RequestVector[]; responses: ResponseVector[] } = JSON.parse(
  readFileSync(new URL('./vectors/zest.json', import.meta.url), 'utf8'),
);

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A Buffer and a Uint8Array of the same bytes count as the same: cloning makes one of the other. */
function assertSame(actual: unknown, expected: unknown): void {
  assert.deepEqual(structuredClone(actual), structuredClone(expected));
}

describe('requests of other implementations', () => {
  assert.equal(VECTORS.requests.length, 14);
  for (const vector of VECTORS.requests) {
    const request: ZestRequest = {
      method: vector.method,
      path: vector.path,
      identity: vector.uri_host,
      contentFormat: vector.content_format,
      token: Buffer.from(vector.token),
      payload: Buffer.from(vector.payload),
    };

    test(`${vector.id} is written to the byte`, () => {
      assert.equal(hexOf(encodeRequest(request)), vector.hex);
    });

    test(`${vector.id} is read`, () => {
      assertSame(decodeRequest(Buffer.from(vector.hex, 'hex')), request);
    });
  }
});

/** The codes that bring something; whoever asked decides whether it is what was asked for. */
const GOOD_CODES: readonly number[] = [ZEST_CODES.created, ZEST_CODES.deleted, ZEST_CODES.content];

describe('answers that other implementations read', () => {
  assert.equal(VECTORS.responses.length, 25);
  for (const { id, hex, expect } of VECTORS.responses) {
    const frame = Buffer.from(hex, 'hex');
    if (expect.malformed) {
      test(`${id} is malformed`, () => {
        assert.throws(() => decodeAnswer(frame), MalformedZestError);
      });
      continue;
    }

    test(`${id} is read`, () => {
      const { code, payload } = decodeAnswer(frame);
      assert.equal(GOOD_CODES.includes(code), expect.ok);
      if (expect.ok) assert.equal(Buffer.from(payload).toString(), expect.payload);
      else assert.equal(code, expect.code);
    });

    test(`${id} is written to the byte`, () => {
      assert.equal(hexOf(encodeMessage(decodeMessage(frame))), hex);
      const hasMore = decodeMessage(frame).options.length > 1 || decodeMessage(frame).token.length > 0;
      if (!hasMore) assert.equal(hexOf(encodeAnswer(decodeAnswer(frame))), hex);
    });
  }
});

describe('the frame', () => {
  const request = (...options: ZestOption[]): Uint8Array =>
    encodeMessage({ code: 1, token: new Uint8Array(0), options, payload: new Uint8Array(0) });
  const path = { number: 11, value: Buffer.from('/status') };
  const identity = { number: 3, value: Buffer.from('app') };
  const format = { number: 12, value: Buffer.of(0, 50) };

  test('options are read in any order, unknown ones are passed over, and of repeated ones the last counts', () => {
    const other = { number: 2048, value: Buffer.from('key') };
    const earlier = { number: 11, value: Buffer.from('/cat') };
    const read = decodeRequest(request(earlier, format, other, identity, path));
    assert.equal(read.path, '/status');
    assert.equal(read.identity, 'app');
    assert.equal(read.contentFormat, 50);
  });

  test('a request without path, identity or content format, or with a bad one, is malformed', () => {
    const bad: ZestOption[][] = [
      [identity, format],
      [path, format],
      [path, identity],
      [path, identity, { number: 12, value: Buffer.of(50) }],
      [path, identity, { number: 12, value: Buffer.of(0, 0, 50) }],
      [{ number: 11, value: Buffer.of(0xff) }, identity, format],
    ];
    for (const options of bad) assert.throws(() => decodeRequest(request(...options)), MalformedZestError);
    assert.equal(decodeRequest(request(path, identity, format)).path, '/status');
  });

  test('a method that is none of the three is null, for whoever serves to refuse', () => {
    for (const [code, method] of [
      [1, 'GET'],
      [2, 'POST'],
      [3, null],
      [4, 'DELETE'],
    ] as const) {
      const frame = Buffer.from(request(path, identity, format));
      frame[0] = code;
      assert.equal(decodeRequest(frame).method, method);
    }
  });

  test('a frame is at most 64 KiB, and nothing larger is written', () => {
    const largest = { code: 69, contentFormat: null, payload: Buffer.alloc(ZEST_FRAME_BYTES_MAX - 4) };
    const frame = encodeAnswer(largest);
    assert.equal(frame.length, ZEST_FRAME_BYTES_MAX);
    assert.equal(decodeAnswer(frame).payload.length, largest.payload.length);
    assert.throws(() => decodeMessage(Buffer.alloc(ZEST_FRAME_BYTES_MAX + 1)), MalformedZestError);
    assert.throws(
      () => encodeAnswer({ ...largest, payload: Buffer.alloc(ZEST_FRAME_BYTES_MAX - 3) }),
      RangeError,
    );
  });

  test('what has no place in a frame is not written', () => {
    const empty: ZestMessage = { code: 69, token: Buffer.of(), options: [], payload: Buffer.of() };
    const impossible: Partial<ZestMessage>[] = [
      { code: 256 },
      { code: -1 },
      { code: 1.5 },
      { token: Buffer.alloc(0x1_0000) },
      { options: Array.from({ length: 256 }, () => format) },
      { options: [{ number: 0x1_0000, value: Buffer.of() }] },
      { options: [{ number: 1, value: Buffer.alloc(0x1_0000) }] },
    ];
    for (const part of impossible) assert.throws(() => encodeMessage({ ...empty, ...part }), RangeError);
    assert.throws(() => encodeAnswer({ ...empty, contentFormat: 0x1_0000 }), RangeError);
    const full = { ...empty, options: Array.from({ length: 255 }, () => format) };
    assert.equal(decodeMessage(encodeMessage(full)).options.length, 255);
  });
});

const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength });
const anyText = fc.string({ maxLength: 60, unit: 'binary' }).filter((text) => text.isWellFormed());
const anyMessage: fc.Arbitrary<ZestMessage> = fc.record({
  code: fc.nat(0xff),
  token: anyBytes(100),
  options: fc.array(fc.record({ number: fc.nat(0xffff), value: anyBytes(50) }), { maxLength: 20 }),
  payload: anyBytes(300),
});
const anyRequest: fc.Arbitrary<ZestRequest> = fc.record({
  method: fc.constantFrom('GET' as const, 'POST' as const, 'DELETE' as const),
  path: anyText,
  identity: anyText,
  contentFormat: fc.nat(0xffff),
  token: anyBytes(100),
  payload: anyBytes(300),
});
const anyAnswer: fc.Arbitrary<ZestAnswer> = fc.record({
  code: fc.nat(0xff),
  contentFormat: fc.option(fc.nat(0xffff)),
  payload: anyBytes(300),
});

describe('whatever is written', () => {
  test('is read back as it was', () => {
    fc.assert(
      fc.property(anyMessage, anyRequest, anyAnswer, (message, request, answer) => {
        assertSame(decodeMessage(encodeMessage(message)), message);
        assertSame(decodeRequest(encodeRequest(request)), request);
        assertSame(decodeAnswer(encodeAnswer(answer)), answer);
      }),
    );
  });

  test('cut short by a byte, it is malformed or has a shorter payload', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const cut = encodeMessage(message).subarray(0, -1);
        if (message.payload.length === 0) assert.throws(() => decodeMessage(cut), MalformedZestError);
        else assert.equal(decodeMessage(cut).payload.length, message.payload.length - 1);
      }),
    );
  });
});

/** Random bytes seldom get past the header; flipped ones of a good frame do. */
const anyFrame = fc.oneof(
  anyBytes(64),
  fc.tuple(anyMessage, fc.nat(), fc.nat(0xff)).map(([message, at, value]) => {
    const frame = Uint8Array.from(encodeMessage(message));
    frame[at % frame.length] = value;
    return frame;
  }),
);

test('any bytes are either read, and then written the same again, or malformed', () => {
  fc.assert(
    fc.property(anyFrame, (frame) => {
      for (const decode of [decodeRequest, decodeAnswer]) {
        try {
          decode(frame);
        } catch (error) {
          assert.ok(error instanceof MalformedZestError, String(error));
        }
      }
      try {
        assert.equal(hexOf(encodeMessage(decodeMessage(frame))), hexOf(frame));
      } catch (error) {
        assert.ok(error instanceof MalformedZestError, String(error));
      }
    }),
  );
});
