import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NOON } from '../../test/support/ledger/memory-ledger.ts';
import { entryText, eventText, parseEntry } from './entry.ts';
import {
  REFUSALS_TOLD_APART_BYTES_MAX,
  REFUSALS_TOLD_APART_MAX,
  type Refusal,
  RefusalTally,
} from './refusal-tally.ts';

const MINUTE = 60_000;
const REFUSAL: Refusal = {
  code: 'budget_exhausted',
  rule: '019ab3f2-7c00-7000-8000-000000000004',
  app: 'a',
  destination: 'https://a.example/',
  bytes: 10,
};

describe('refusals', () => {
  it('of one app, destination, rule and minute are one entry, which comes when the minute is over', () => {
    const tally = new RefusalTally();
    for (let n = 0; n < 1_000; n += 1) assert.deepEqual(tally.add(REFUSAL, NOON + n * 59), []);
    assert.deepEqual(tally.take(NOON + MINUTE - 1), []);
    const [event, ...others] = tally.take(NOON + MINUTE);
    assert.deepEqual(others, []);
    assert.deepEqual(event, {
      kind: 'refused',
      minute: '2026-11-24T12:00:00.000Z',
      code: 'budget_exhausted',
      rule: REFUSAL.rule,
      app: 'a',
      destination: 'https://a.example/',
      others: false,
      count: 1_000,
      bytes: 10_000,
    });
    assert.deepEqual(tally.take(NOON + 2 * MINUTE), []);
    const frame = { n: 0, time: new Date(NOON).toISOString(), salt: 'AbCdEfGhIjKlMn-_' };
    assert.ok(event && parseEntry(entryText(frame, eventText(event))));
  });

  it('are told apart by code, rule, app and destination', () => {
    const tally = new RefusalTally();
    for (const change of [
      {},
      { code: 'x' },
      { rule: null },
      { app: null },
      { app: 'b' },
      { destination: 'b' },
    ])
      tally.add({ ...REFUSAL, ...change }, NOON);
    assert.deepEqual(
      tally.takeAll().map(({ count }) => count),
      [1, 1, 1, 1, 1, 1],
    );
  });

  it('of the next minute bring the entries of the last; so does a clock that was set back', () => {
    const tally = new RefusalTally();
    tally.add(REFUSAL, NOON);
    const [before] = tally.add(REFUSAL, NOON + MINUTE);
    assert.equal(before?.minute, '2026-11-24T12:00:00.000Z');
    const [back] = tally.add(REFUSAL, NOON - MINUTE);
    assert.equal(back?.minute, '2026-11-24T12:01:00.000Z');
    assert.equal(tally.takeAll()[0]?.minute, '2026-11-24T11:59:00.000Z');
  });

  it('of more kinds than are told apart count together, those already known go on by themselves', () => {
    const tally = new RefusalTally();
    const other = (n: number): Refusal => ({ ...REFUSAL, destination: `https://${n}.example/` });
    for (let n = 0; n < REFUSALS_TOLD_APART_MAX + 500; n += 1) tally.add(other(n), NOON);
    tally.add(other(0), NOON);
    const events = tally.takeAll();
    assert.equal(events.length, REFUSALS_TOLD_APART_MAX + 1);
    assert.equal(events[0]?.count, 2);
    assert.deepEqual(events.at(-1), {
      kind: 'refused',
      minute: '2026-11-24T12:00:00.000Z',
      code: 'budget_exhausted',
      rule: null,
      app: null,
      destination: null,
      others: true,
      count: 500,
      bytes: 5_000,
    });
  });

  it('with longer names than there is room for count together too: room is bytes, and is there again in the next minute', () => {
    const KEYS = 8;
    const each = REFUSALS_TOLD_APART_BYTES_MAX / KEYS;
    /** One that is told apart by so many bytes, most of them in characters of two. */
    const ofBytes = (bytes: number, n: number): Refusal => {
      const refusal = { ...REFUSAL, destination: `https://${n}.example/` };
      const { code, rule, app, destination } = refusal;
      const left = bytes - Buffer.byteLength(JSON.stringify([code, rule, app, destination]));
      return {
        ...refusal,
        destination: destination + 'ü'.repeat(Math.floor(left / 2)) + 'u'.repeat(left % 2),
      };
    };
    const counted = (tally: RefusalTally) => tally.takeAll().map(({ others, count }) => [others, count]);
    const apart = Array<[boolean, number]>(KEYS).fill([false, 1]);

    const tally = new RefusalTally();
    for (let n = 0; n < KEYS; n += 1) tally.add(ofBytes(each, n), NOON);
    assert.deepEqual(counted(tally), apart, 'all of the room');

    for (let n = 0; n < KEYS; n += 1) tally.add(ofBytes(each, n), NOON);
    tally.add(REFUSAL, NOON);
    tally.add(ofBytes(each, 0), NOON);
    const [first, ...rest] = counted(tally);
    assert.deepEqual(first, [false, 2], 'who is known goes on');
    assert.deepEqual(rest, [...apart.slice(1), [true, 1]]);

    for (let n = 0; n < KEYS; n += 1) tally.add(ofBytes(n === 0 ? each + 1 : each, n), NOON);
    assert.deepEqual(counted(tally), [...apart.slice(1), [true, 1]], 'a byte too many');
  });
});
