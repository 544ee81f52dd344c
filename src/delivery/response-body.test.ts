import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { readBody } from './response-body.ts';

const stream = (...chunks: (Uint8Array | string)[]): Readable =>
  Readable.from(
    chunks.map((chunk) => Buffer.from(chunk as Uint8Array)),
    { objectMode: false },
  );

async function kept(limit: number, ...chunks: (Uint8Array | string)[]): Promise<[string, boolean]> {
  const { text, truncated } = await readBody(stream(...chunks), undefined, limit);
  assert.ok(Buffer.byteLength(text) <= limit);
  return [text, truncated];
}

describe('readBody', () => {
  it('keeps a body up to the limit, to the byte', async () => {
    assert.deepEqual(await kept(4), ['', false]);
    assert.deepEqual(await kept(4, 'abc'), ['abc', false]);
    assert.deepEqual(await kept(4, 'abcd'), ['abcd', false]);
    assert.deepEqual(await kept(4, 'abcde'), ['abcd', true]);
    assert.deepEqual(await kept(4, 'ab', 'cd'), ['abcd', false]);
    assert.deepEqual(await kept(4, 'ab', 'cd', 'e'), ['abcd', true]);
    assert.deepEqual(await kept(0), ['', false]);
    assert.deepEqual(await kept(0, 'a'), ['', true]);
  });

  it('drops a character that the limit cuts in two', async () => {
    assert.deepEqual(await kept(4, 'aé€'), ['aé', true]);
    assert.deepEqual(await kept(3, 'a😀'), ['a', true]);
    assert.deepEqual(await kept(5, 'a😀'), ['a😀', false]);
  });

  it('puts characters together that chunks cut in two', async () => {
    const [one, two] = [Buffer.from('😀').subarray(0, 2), Buffer.from('😀').subarray(2)];
    assert.deepEqual(await kept(10, one, two), ['😀', false]);
  });

  it('writes U+FFFD for bytes that are not UTF-8, and no more of them than the limit holds', async () => {
    assert.deepEqual(await kept(10, Buffer.from([0x61, 0xff, 0x62])), ['a\ufffdb', false]);
    assert.deepEqual(await kept(10, Buffer.from([0x61, 0xe2, 0x82])), ['a\ufffd', false]);
    assert.deepEqual(await kept(10, Buffer.alloc(10, 0xff)), ['\ufffd\ufffd\ufffd', true]);
  });

  it('keeps a byte order mark: it is the destination’s', async () => {
    assert.deepEqual(await kept(10, '\ufeffa'), ['\ufeffa', false]);
  });

  for (const [coding, compress] of [
    ['gzip', gzipSync],
    ['X-GZip', gzipSync],
    ['deflate', deflateSync],
  ] as const) {
    it(`counts after decompression: ${coding}`, async () => {
      const zipped = compress('x'.repeat(1_000));
      assert.deepEqual(await readBody(stream(zipped), coding, 1_000), {
        text: 'x'.repeat(1_000),
        truncated: false,
        isReadToEnd: true,
      });
      assert.deepEqual(await readBody(stream(zipped), coding, 999), {
        text: 'x'.repeat(999),
        truncated: true,
        isReadToEnd: true,
      });
    });

    it(`keeps what could be decompressed of a damaged body: ${coding}`, async () => {
      const zipped = compress(Buffer.from('abc'));
      const { text, truncated } = await readBody(stream(zipped.subarray(0, -3)), coding, 1_000);
      assert.deepEqual([text, truncated], ['abc', true]);
      const { text: nothing, truncated: cut } = await readBody(stream('not compressed'), coding, 1_000);
      assert.deepEqual([nothing, cut], ['', true]);
    });
  }

  it('takes an empty body as empty, whatever its coding', async () => {
    const { text, truncated } = await readBody(stream(), 'gzip', 10);
    assert.deepEqual([text, truncated], ['', false]);
  });

  it('does not wait for what follows the compressed data, nor call it read', async () => {
    const body = new Readable({ read() {} });
    body.push(Buffer.concat([gzipSync('a'), Buffer.alloc(10)]));
    const { text, truncated, isReadToEnd } = await readBody(body, 'gzip', 10);
    assert.deepEqual([text, truncated, isReadToEnd], ['a', false, false]);
  });

  it('gives up on compressed data that goes on without content', async () => {
    let blocks = 0;
    const source = Readable.from(
      (function* () {
        yield Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
        for (;;) {
          blocks += 1_000;
          yield Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])));
        }
      })(),
      { objectMode: false },
    );
    const { text, truncated, isReadToEnd } = await readBody(source, 'gzip', 10);
    assert.deepEqual([text, truncated, isReadToEnd], ['', true, false]);
    assert.ok(blocks < 100_000, `${blocks}`);
  });

  it('keeps the whole limit of what does not compress', async () => {
    const content = randomBytes(500_000).toString('base64');
    const zipped = gzipSync(content, { level: 0 });
    const { text, truncated } = await readBody(stream(zipped), 'gzip', 100_000);
    assert.deepEqual([text, truncated], [content.slice(0, 100_000), true]);
  });

  it('leaves codings alone that it does not undo', async () => {
    const { text } = await readBody(stream('as it came'), 'br', 10);
    assert.equal(text, 'as it came');
  });

  for (const coding of [undefined, 'gzip']) {
    it(`throws the stream's error, ${coding ?? 'not'} compressed`, async () => {
      const broken = new Error('cut');
      const body = new Readable({ read() {} });
      body.push(gzipSync('begun').subarray(0, 12));
      setImmediate(() => body.destroy(broken));
      await assert.rejects(readBody(body, coding, 100), broken);
    });
  }
});
