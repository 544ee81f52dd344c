import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Seats } from './seats.ts';

describe('seats', () => {
  it('are as many as there are, and come back', () => {
    const seats = new Seats(2);
    const first = seats.take();
    assert.ok(first && seats.take());
    assert.equal(seats.take(), null);
    first[Symbol.dispose]();
    assert.ok(seats.take());
    assert.equal(seats.take(), null);
  });

  it('may be none', () => {
    assert.equal(new Seats(0).take(), null);
  });

  it('of a part are seats of the house, and whoever finds none takes none of either', () => {
    const house = new Seats(3);
    const [small, large] = [new Seats(1, house), new Seats(9, house)];
    const first = small.take();
    assert.equal(small.take(), null);
    assert.ok(large.take() && large.take());
    assert.equal(large.take(), null, 'the house is full');
    first?.[Symbol.dispose]();
    assert.ok(large.take());
    assert.equal(small.take(), null, 'the house is full again');
    assert.equal(house.take(), null);
  });
});
