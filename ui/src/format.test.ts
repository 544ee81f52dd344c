import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Format } from './format.ts';

const english = new Format({ locale: 'en-GB', timeZone: 'Europe/London' });
const german = new Format({ locale: 'de-DE', timeZone: 'Europe/Berlin' });
const NOON = Date.UTC(2026, 10, 24, 12);

describe('a size', () => {
  for (const [bytes, text] of [
    [0, '0 bytes'],
    [1, '1 byte'],
    [999, '999 bytes'],
    [1_000, '1 kB'],
    [2_449, '2.4 kB'],
    [99_949, '99.9 kB'],
    [123_456, '123 kB'],
    [999_499, '999 kB'],
    [999_500, '1 MB'],
    [5_000_000_000, '5 GB'],
    [7.5e15, '7,500 TB'],
  ] as const) {
    it(`of ${bytes} is ${text}`, () => assert.equal(english.size(bytes), text));
  }

  it('is written as the reader’s locale has it', () => {
    assert.equal(german.size(2_449).replaceAll(/\s/g, ' '), '2,4 kB');
  });
});

describe('a time', () => {
  it('has its day unless that is today, by the reader’s clock', () => {
    assert.equal(english.moment(NOON, NOON), '12:00');
    assert.equal(german.moment(NOON, NOON), '13:00');
    assert.equal(english.moment(NOON - 86_400_000, NOON), '23 Nov, 12:00');
    const lateInLondon = Date.UTC(2026, 10, 24, 23, 30);
    assert.equal(english.moment(lateInLondon, NOON), '23:30');
    assert.match(german.moment(lateInLondon, NOON), /25\. Nov/);
  });

  it('is told by how long ago it was', () => {
    assert.equal(english.ago(NOON - 20_000, NOON), 'now');
    assert.equal(english.ago(NOON - 60_000, NOON), '1 minute ago');
    assert.equal(english.ago(NOON + 2 * 3_600_000, NOON), 'in 2 hours');
    assert.equal(english.ago(NOON - 24 * 3_600_000, NOON), 'yesterday');
    assert.equal(english.ago(NOON - 5 * 86_400_000, NOON), '5 days ago');
  });
});

it('a duration is in milliseconds or in seconds', () => {
  assert.equal(english.duration(12), '12 ms');
  assert.equal(english.duration(999), '999 ms');
  assert.equal(english.duration(1_000), '1 second');
  assert.equal(english.duration(30_060), '30.1 seconds');
});

it('a fraction is only 100 % when it is all', () => {
  assert.equal(english.percent(0.999), '99%');
  assert.equal(english.percent(1), '100%');
  assert.equal(english.percent(1.5), '150%');
});
