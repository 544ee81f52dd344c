/** Bodies of answers, compressed or not: what is kept is bounded, whatever comes out of them. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { deflateSync, gzipSync } from 'node:zlib';
import { readBody } from '../../../src/delivery/response-body.ts';
import type { FuzzTarget } from '../target.ts';

const BYTES_MAX = 1_000;
const CODINGS = [undefined, 'gzip', 'deflate', 'x-gzip', 'br', 'gzip, gzip', 'identity'];

export function open(): FuzzTarget {
  return {
    seeds: [
      gzipSync('hello'),
      gzipSync('x'.repeat(BYTES_MAX)),
      gzipSync(Buffer.alloc(1_000_000)),
      deflateSync('häßlich 😀 '.repeat(90)),
      Buffer.from('plain text, ü, 😀'),
      Buffer.from([0xc3, 0x28, 0xf0, 0x9f, 0x98]),
    ],
    dictionary: ['\x1f\x8b\x08', '\x00\x00\xff\xff', '\x78\x9c', '\xef\xbb\xbf'],
    async check(input) {
      // The first byte says how it is encoded and into what pieces it is cut; so one number plays all of it again.
      const [first = 0] = input;
      const bytes = Buffer.from(input.subarray(1));
      const piece = 1 + ((first >> 3) & 0x1f) * 40;
      const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, n) =>
        bytes.subarray(n * piece, (n + 1) * piece),
      );
      const stream = Readable.from(pieces, { objectMode: false });
      const { text, truncated } = await readBody(stream, CODINGS[first % CODINGS.length], BYTES_MAX);
      stream.destroy();
      assert.ok(Buffer.byteLength(text) <= BYTES_MAX);
      assert.ok(text.isWellFormed());
      return truncated ? 'cut off' : 'whole';
    },
  };
}
