import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRfc3339, parseTimeOrDay } from './rfc3339.ts';

test('a date-time with a zone is read', () => {
  const expected = Date.UTC(2026, 10, 24, 7, 30, 5);
  for (const [text, ms] of [
    ['2026-11-24T07:30:05Z', expected],
    ['2026-11-24t07:30:05z', expected],
    ['2026-11-24T07:30:05.1Z', expected + 100],
    ['2026-11-24T07:30:05.123999999Z', expected + 123],
    ['2026-11-24T07:30:05+00:00', expected],
    ['2026-11-24T07:30:05-00:00', expected],
    ['2026-11-24T08:30:05+01:00', expected],
    ['2026-11-24T02:00:05-05:30', expected],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['9999-12-31T23:59:59-23:59', Date.parse('9999-12-31T23:59:59Z') + (24 * 60 - 1) * 60_000],
  ] as const) {
    assert.equal(parseRfc3339(text), ms, text);
  }
});

test('whatever else a lenient parser would take is none', () => {
  for (const text of [
    '',
    '2026-11-24',
    '2026-11-24T07:30Z',
    '2026-11-24T07:30:05',
    '2026-11-24 07:30:05Z',
    '2026-11-24T07:30:05.Z',
    '2026-11-24T07:30:05,5Z',
    '2026-11-24T07:30:05+0100',
    '2026-11-24T07:30:05+01',
    '2026-11-24T07:30:05+24:00',
    '2026-11-24T07:30:05+00:60',
    '2026-11-24T07:30:05ZZ',
    '2026-11-24T07:30:05Z\n',
    ' 2026-11-24T07:30:05Z',
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '2026-13-10T00:00:00Z',
    '2026-11-24T24:00:00Z',
    '2026-11-24T23:60:00Z',
    '2016-12-31T23:59:60Z',
    '+002026-11-24T07:30:05Z',
    '1800000000',
    'Tue, 24 Nov 2026 07:30:05 GMT',
    '２026-11-24T07:30:05Z',
  ]) {
    assert.equal(parseRfc3339(text), undefined, text);
  }
});

test('every time we print is read back', () => {
  const times = fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });
  fc.assert(fc.property(times, (time) => assert.equal(parseRfc3339(time.toISOString()), time.getTime())));
});

test('a day is its beginning in UTC, where a day is taken', () => {
  assert.equal(parseTimeOrDay('2026-11-24'), Date.UTC(2026, 10, 24));
  assert.equal(parseTimeOrDay('2026-11-24T07:30:05Z'), Date.UTC(2026, 10, 24, 7, 30, 5));
  for (const text of ['2026-02-30', '2026-11-24T', '2026-11-24\n', '2026-11', '2026-11-24 '])
    assert.equal(parseTimeOrDay(text), undefined, text);
});
