import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeSeries, median, slope } from './verdict.ts';

const READINGS = 180;

function judge(value: (n: number) => number) {
  const values = Array.from({ length: READINGS }, (_, n) => value(n));
  return judgeSeries({ name: 'memory', unit: 'MiB', values, toleranceShare: 0.1, tolerance: 5 });
}

describe('the verdict of the soak', () => {
  it('takes what grows in the first third only, and what goes up and down', () => {
    assert.ok(judge((n) => Math.min(n, 60) * 3).isFlat);
    assert.ok(judge((n) => 100 + 30 * (n % 2)).isFlat);
    assert.ok(judge((n) => 300 - n).isFlat);
  });

  it('refuses what goes on growing, evenly or in steps', () => {
    assert.ok(!judge((n) => 100 + n / 5).isFlat);
    assert.ok(!judge((n) => (n < 120 ? 100 : 120)).isFlat);
  });

  it('allows what is too little to tell', () => {
    assert.ok(judge((n) => n / 60).isFlat);
  });

  it('says which numbers it stands on', () => {
    const { middle, last, max, gain, allowed } = judge((n) => n);
    assert.deepEqual(
      { middle, last, max, gain, allowed },
      {
        middle: 89.5,
        last: 149.5,
        max: 179,
        gain: 119,
        allowed: 8.950000000000001,
      },
    );
  });

  it('needs enough readings', () => {
    assert.throws(
      () => judgeSeries({ name: 'x', unit: '', values: [1, 2], toleranceShare: 0, tolerance: 0 }),
      RangeError,
    );
  });
});

it('a median is the middle, of an even number the mean of the two middle ones', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

it('a slope is what a line rises from one reading to the next', () => {
  assert.equal(slope([1, 3, 5]), 2);
  assert.equal(slope([5, 5, 5]), 0);
});
