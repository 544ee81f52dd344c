import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { RateLimiter } from './rate-limiter.ts';

function limiter(perSecond: number, clientsMax?: number): { clock: ManualClock; rate: RateLimiter } {
  const clock = new ManualClock();
  const rate = new RateLimiter({ perSecond, clock, ...(clientsMax === undefined ? {} : { clientsMax }) });
  return { clock, rate };
}

describe('a rate of exports', () => {
  it('of 0 is none', () => {
    const { rate } = limiter(0);
    for (let n = 0; n < 10_000; n += 1) assert.equal(rate.take('app', 1_000), 0);
  });

  it('is kept to the edge: a second’s worth at once, and then one by one', () => {
    const { clock, rate } = limiter(4);
    for (let n = 0; n < 4; n += 1) assert.equal(rate.take('app', 1), 0);
    assert.equal(rate.take('app', 1), 250);
    clock.advance(249);
    assert.equal(rate.take('app', 1), 1);
    clock.advance(1);
    assert.equal(rate.take('app', 1), 0);
    assert.equal(rate.take('app', 1), 250);
  });

  it('is each client’s own', () => {
    const { rate } = limiter(1);
    assert.equal(rate.take('one', 1), 0);
    assert.equal(rate.take('one', 1), 1_000);
    assert.equal(rate.take('two', 1), 0);
  });

  it('saves up no more than a second’s worth', () => {
    const { clock, rate } = limiter(3);
    rate.take('app', 3);
    clock.advance(86_400_000);
    assert.equal(rate.take('app', 3), 0);
    assert.equal(rate.take('app', 1), 334);
  });

  it('lets a batch that is larger pass when nothing is owed, and is made up for afterwards', () => {
    const { clock, rate } = limiter(10);
    assert.equal(rate.take('app', 1_000), 0);
    assert.equal(rate.take('app', 1), 99_100);
    clock.advance(99_100);
    assert.equal(rate.take('app', 1_000), 900, 'the next one needs a full bucket again');
    assert.equal(rate.take('app', 1), 0);
  });

  it('is not lowered by what was refused', () => {
    const { clock, rate } = limiter(2);
    rate.take('app', 2);
    for (let n = 0; n < 100; n += 1) assert.equal(rate.take('app', 1), 500);
    clock.advance(500);
    assert.equal(rate.take('app', 1), 0);
  });

  it('does not heed a wall clock that jumps', () => {
    const { clock, rate } = limiter(1);
    rate.take('app', 1);
    clock.jump(86_400_000);
    assert.equal(rate.take('app', 1), 1_000);
    clock.jump(-2 * 86_400_000);
    clock.advance(1_000);
    assert.equal(rate.take('app', 1), 0);
  });

  it('keeps track of so many clients and no more: the quietest is forgotten', () => {
    const { rate } = limiter(1, 2);
    for (const client of ['one', 'two', 'three']) assert.equal(rate.take(client, 1), 0);
    assert.equal(rate.take('two', 1), 1_000);
    assert.equal(rate.take('three', 1), 1_000);
    assert.equal(rate.take('one', 1), 0);
  });

  it('holds over any time, whatever is asked and when', () => {
    const asks = fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 50 }), waitMs: fc.integer({ min: 0, max: 3_000 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), asks, (perSecond, sequence) => {
        const { clock, rate } = limiter(perSecond);
        const begin = clock.steady();
        let passed = 0;
        let largest = 0;
        for (const { count, waitMs } of sequence) {
          clock.advance(waitMs);
          const refusedForMs = rate.take('app', count);
          if (refusedForMs === 0) {
            passed += count;
            largest = Math.max(largest, count);
          } else {
            clock.advance(refusedForMs);
            assert.equal(rate.take('app', count), 0, 'the wait that was told is enough');
            passed += count;
            largest = Math.max(largest, count);
          }
        }
        const seconds = (clock.steady() - begin) / 1_000;
        assert.ok(passed <= perSecond * (seconds + 1) + largest, `${passed} in ${seconds} s`);
      }),
    );
  });
});
