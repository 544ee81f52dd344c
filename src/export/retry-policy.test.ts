import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isRetriedStatus, retryDelayMs, retryDelayMsMax } from './retry-policy.ts';

const POLICY = { retryBaseMs: 5_000 };
const MIDDLE = 0.5;
const HOUR = 3_600_000;

describe('which answers are tried again', () => {
  it('408, 425, 429 and 5xx other than 501 and 505, and no others', () => {
    const retried = Array.from({ length: 1_000 }, (_, status) => status).filter(isRetriedStatus);
    const fiveHundreds = Array.from({ length: 100 }, (_, n) => 500 + n).filter((s) => s !== 501 && s !== 505);
    assert.deepEqual(retried, [408, 425, 429, ...fiveHundreds]);
  });
});

describe('how long the wait is', () => {
  it('follows the schedule, and stays at its last step', () => {
    const waits = Array.from({ length: 11 }, (_, n) => retryDelayMs(n + 1, POLICY, MIDDLE, null));
    const [s, m] = [1_000, 60_000];
    assert.deepEqual(waits, [
      5 * s,
      30 * s,
      2 * m,
      10 * m,
      30 * m,
      2 * HOUR,
      5 * HOUR,
      10 * HOUR,
      10 * HOUR,
      10 * HOUR,
      10 * HOUR,
    ]);
  });

  it('lies within 20 % around the schedule', () => {
    assert.equal(retryDelayMs(1, POLICY, 0, null), 4_000);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        const wait = retryDelayMs(1, POLICY, random, null);
        return wait >= 4_000 && wait <= 6_000;
      }),
    );
  });

  it('is scaled by the base', () => {
    assert.equal(retryDelayMs(2, { retryBaseMs: 10 }, MIDDLE, null), 60);
  });

  it('is the longer one of the schedule and Retry-After, and a day at most', () => {
    assert.equal(retryDelayMs(1, POLICY, MIDDLE, 4_000), 5_000);
    assert.equal(retryDelayMs(1, POLICY, MIDDLE, 90_000), 90_000);
    assert.equal(retryDelayMs(1, POLICY, MIDDLE, 400 * HOUR), 24 * HOUR);
  });

  it('is never longer than the longest wait that is said of the policy', () => {
    fc.assert(
      fc.property(
        fc.nat(30),
        fc.nat(100_000),
        fc.option(fc.nat(500 * HOUR)),
        (failures, retryBaseMs, retryAfter) => {
          const policy = { retryBaseMs };
          return retryDelayMs(failures, policy, 0.999999, retryAfter) <= retryDelayMsMax(policy);
        },
      ),
    );
  });
});
