import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from './quantities.ts';

test('durations are written in ms, s, m, h or d', () => {
  const texts = ['500ms', '5s', '2m', '1h', '7d', '0s', '30 s'];
  assert.deepEqual(texts.map(parseDurationMs), [500, 5_000, 120_000, 3_600_000, 604_800_000, 0, 30_000]);
});

test('what has no unit, another unit, a sign or a fraction is no duration', () => {
  for (const text of [
    '5',
    '',
    's',
    '5S',
    '5w',
    '-5s',
    '+5s',
    '1.5h',
    '5s ',
    ' 5s',
    '1h30m',
    '5  s',
    '1e3s',
  ]) {
    assert.equal(parseDurationMs(text), null, JSON.stringify(text));
  }
});

test('sizes are written in KiB, MiB, GiB or plain bytes, with or without a blank', () => {
  const texts = ['64KiB', '1 MiB', '10GiB', '1024', '0'];
  assert.deepEqual(texts.map(parseSizeBytes), [65_536, 1_048_576, 10_737_418_240, 1_024, 0]);
});

test('units of a thousand, which some take for 1024, are no sizes', () => {
  for (const text of ['1KB', '1MB', '1k', '1M', '1mib', '1.5MiB', '-1', '', 'MiB']) {
    assert.equal(parseSizeBytes(text), null, JSON.stringify(text));
  }
});

test('a quantity too large to count exactly is none', () => {
  assert.equal(parseDurationMs('999999999999999d'), null);
  assert.equal(parseSizeBytes('999999999999999GiB'), null);
});

test('a quantity that is shown reads as the same one again', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 50), (quantity) => {
      assert.equal(parseDurationMs(formatDurationMs(quantity)), quantity);
      assert.equal(parseSizeBytes(formatSizeBytes(quantity)), quantity);
    }),
  );
});
