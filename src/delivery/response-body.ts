import type { Readable } from 'node:stream';
import { createUnzip } from 'node:zlib';
import { BoundedBytes } from '../bounded-bytes.ts';

/**
 * How much longer than the limit a compressed body may be before it is decompressed: headers and the overhead of what
 * does not compress. Longer ones are made of blocks that hold nothing, and would keep us busy for as long as they last.
 */
const COMPRESSION_OVERHEAD_BYTES = 64 * 1024;

/** What zlib tells apart by itself. We ask for none of them (`accept-encoding: identity`); some send them all the same. */
const UNZIPPED_CODINGS = new Set(['gzip', 'x-gzip', 'deflate']);

/** A body as it is kept. */
export interface KeptBody {
  readonly text: string;
  /** Whether there was more than is kept. */
  readonly truncated: boolean;
  /**
   * Whether the stream was read to its end, so that its connection can carry the next request. (What comes after the
   * end of compressed data is not read.)
   */
  readonly isReadToEnd: boolean;
}

/**
 * Reads `body` until it ends or has more than `bytesMax` bytes, counted after decompression, whichever is first; the
 * rest is not waited for. What is kept takes at most `bytesMax` bytes of UTF-8, and at no time is more than that and
 * a chunk in memory.
 *
 * `br` and `zstd` stay as they are: their decoders may fill windows of 16 MiB and more before a byte comes out.
 * A body that stops being decompressible is kept up to there and counts as truncated: the answer itself is complete,
 * and sending the export again would not mend it.
 *
 * @throws when the stream fails before that: then there is no complete answer
 */
export async function readBody(
  body: Readable,
  contentEncoding: string | undefined,
  bytesMax: number,
): Promise<KeptBody> {
  const coding = contentEncoding?.trim().toLowerCase() ?? '';
  const kept = new BoundedBytes(bytesMax);
  const end = UNZIPPED_CODINGS.has(coding)
    ? await readUnzipped(body, kept, bytesMax + COMPRESSION_OVERHEAD_BYTES)
    : await readInto(kept, body);
  return { ...decodeText(kept.bytes(), end === 'end', bytesMax), isReadToEnd: body.readableEnded };
}

/** `full`: there is more than is kept. */
type End = 'end' | 'full';

function readInto(kept: BoundedBytes, stream: Readable): Promise<End> {
  return new Promise((resolve, reject) => {
    stream.on('data', (chunk: Buffer) => {
      if (kept.append(chunk)) return;
      stream.pause();
      resolve('full');
    });
    stream.once('end', () => resolve('end'));
    // Stays after the end: a stream that is destroyed later must not bring the process down.
    stream.on('error', reject);
  });
}

async function readUnzipped(body: Readable, kept: BoundedBytes, rawBytesMax: number): Promise<End> {
  const unzip = createUnzip();
  let isEmpty = true;
  let transferError: Error | null = null;
  body.on('data', (chunk: Buffer) => {
    isEmpty = false;
    // What unzip has taken in, not what has arrived: that may be ahead of the content by a good deal.
    const isOverlong = unzip.bytesWritten > rawBytesMax;
    if (isOverlong) unzip.destroy(new Error('compressed data without content'));
    if (isOverlong || !unzip.write(chunk)) body.pause();
  });
  body.once('end', () => unzip.end());
  body.on('error', (error) => {
    transferError = error;
    unzip.destroy(error);
  });
  unzip.on('drain', () => body.resume());
  try {
    return await readInto(kept, unzip);
  } catch {
    if (transferError !== null) throw transferError;
    // No bytes are no valid gzip either, but a 204 may say so.
    return isEmpty ? 'end' : 'full';
  } finally {
    body.removeAllListeners('data').pause();
    unzip.destroy();
  }
}

/**
 * Bytes as text of at most `bytesMax` bytes of UTF-8. A character that the limit cut in two is dropped; other bytes
 * that are not UTF-8 become U+FFFD, three bytes for one, which is why the text can exceed the limit when they do not.
 */
function decodeText(
  bytes: Uint8Array,
  isWhole: boolean,
  bytesMax: number,
): { text: string; truncated: boolean } {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: !isWhole });
  if (Buffer.byteLength(text) <= bytesMax) return { text, truncated: !isWhole };
  return { text: cutUtf8(text, bytesMax), truncated: true };
}

function cutUtf8(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  let end = bytesMax;
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return bytes.toString('utf8', 0, end);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
