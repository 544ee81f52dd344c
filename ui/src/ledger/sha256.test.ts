/** The page's hash against Node's. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { it } from 'node:test';
import { sha256 } from './sha256.ts';

function expected(input: string | Uint8Array): string {
  return createHash('sha256').update(input).digest('hex');
}

it('is SHA-256 for every length up to three blocks', () => {
  for (let length = 0; length <= 3 * 64; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 151 + length) % 256);
    assert.equal(Buffer.from(sha256(bytes)).toString('hex'), expected(bytes), `${length} bytes`);
  }
});

it('hashes texts as UTF-8, and long ones too', () => {
  for (const text of ['abc', 'Küche €', '\0{"n":0}', '🙂'.repeat(70_000)])
    assert.equal(Buffer.from(sha256(text)).toString('hex'), expected(text));
});

it('a result stays what it is when another one is made', () => {
  const first = sha256('one');
  const before = Buffer.from(first).toString('hex');
  sha256('two');
  assert.equal(Buffer.from(first).toString('hex'), before);
});
