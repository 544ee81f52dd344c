import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { longPollTimeoutMs, preferredWaitSeconds } from './waiting.ts';

describe('the time-out of a long poll', () => {
  const cases: [timeout: string | undefined, ms: number][] = [
    [undefined, 5_000],
    ['', 5_000],
    ['soon', 5_000],
    ['5s', 5_000],
    ['1 2', 5_000],
    ['nan', 5_000],
    ['0', 0],
    ['-1', 0],
    ['-inf', 0],
    ['1', 1_000],
    ['0.25', 250],
    ['.5', 500],
    ['2.', 2_000],
    ['+3', 3_000],
    // A plus in a query is a blank.
    [' 3', 3_000],
    ['1e1', 10_000],
    ['300', 300_000],
    ['301', 300_000],
    ['1e999', 300_000],
    ['inf', 300_000],
    ['Infinity', 300_000],
    ['+INF', 300_000],
  ];
  for (const [timeout, ms] of cases) {
    it(`is ${ms} ms for ${JSON.stringify(timeout)}`, () => {
      assert.equal(longPollTimeoutMs(timeout, 300_000), ms);
    });
  }

  it('is never more than the ceiling, the default neither', () => {
    assert.equal(longPollTimeoutMs(undefined, 1_000), 1_000);
  });
});

describe('Prefer: wait', () => {
  const cases: [prefer: string | undefined, seconds: number | undefined][] = [
    [undefined, undefined],
    ['', undefined],
    ['respond-async', undefined],
    ['wait=10', 10],
    ['wait=0', 0],
    ['WAIT=10', 10],
    ['wait = 10 ', 10],
    ['wait="10"', 10],
    ['respond-async, wait=10', 10],
    ['respond-async,wait=10', 10],
    ['wait=10; foo=bar, x', 10],
    ['x="a, wait=1", wait=2', 2],
    ['x="a\\", wait=1", wait=2', 2],
    ['x=1; wait=5', undefined],
    ['wait=1, wait=2', 1],
    ['wait=soon, wait=2', undefined],
    ['wait', undefined],
    ['wait=', undefined],
    ['wait=-1', undefined],
    ['wait=1.5', undefined],
    ['wait=1 2', undefined],
    ['waits=1', undefined],
    ['await=1', undefined],
    ['x="unclosed, wait=3', undefined],
    ['wait=100000000000000000000', 1e20],
  ];
  for (const [prefer, seconds] of cases) {
    it(`is ${seconds} seconds for ${JSON.stringify(prefer)}`, () => {
      assert.equal(preferredWaitSeconds(prefer), seconds);
    });
  }
});
