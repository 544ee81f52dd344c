import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRetryAfter } from './retry-after.ts';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);

describe('parseRetryAfter', () => {
  for (const [field, waitMs] of [
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7_000],
    ['-5', 0],
    ['9'.repeat(400), Number.MAX_SAFE_INTEGER],
    ['Sun, 06 Nov 1994 08:50:37 GMT', 60_000],
    ['Sunday, 06-Nov-94 08:50:37 GMT', 60_000],
    ['Sun Nov  6 08:50:37 1994', 60_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Sun, 06 Nov 1994 08:00:00 GMT', 0],
    ['', null],
    ['soon', null],
    ['1.5', null],
    ['1e3', null],
    ['12 s', null],
    ['0x10', null],
    ['1994', 1_994_000],
    ['1994-11-06T08:50:37Z', null],
    ['Sun, 06 Nov 1994 08:50:37', null],
    ['Sun, 06 Nov 1994 08:50:37 +0100', null],
    ['Sun, 99 Foo 1994 99:99:99 GMT', null],
  ] as const) {
    it(`reads "${field.slice(0, 40)}" as ${waitMs}`, () => assert.equal(parseRetryAfter(field, NOW), waitMs));
  }

  it('knows no wait without the field, and takes the first of several', () => {
    assert.equal(parseRetryAfter(undefined, NOW), null);
    assert.equal(parseRetryAfter(['3', '5'], NOW), 3_000);
  });

  it('reads a date without a zone as GMT wherever we run', () => {
    const zone = process.env.TZ;
    process.env.TZ = 'Asia/Tokyo';
    try {
      assert.equal(parseRetryAfter('Sun Nov  6 08:50:37 1994', NOW), 60_000);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });
});
