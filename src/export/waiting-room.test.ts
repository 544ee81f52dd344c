import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { WaitingRoom } from './waiting-room.ts';

/** Takes a place and says whether its wait was ended for another. */
function waiter(room: WaitingRoom, who: string) {
  const place = room.take(who);
  assert.ok(place, `no place for ${who}`);
  const leave = mock.fn();
  place.whenNeeded(leave);
  return { place, leaves: () => leave.mock.callCount() };
}

describe('places to wait in', () => {
  it('are as many as there are, may all be one client’s, and come back once', () => {
    const room = new WaitingRoom(2);
    const { place } = waiter(room, 'a');
    waiter(room, 'a');
    assert.equal(room.take('a'), null);
    for (let time = 0; time < 2; time += 1) place[Symbol.dispose]();
    assert.ok(room.take('a'));
    assert.equal(room.take('a'), null);
  });

  it('may be none', () => {
    assert.equal(new WaitingRoom(0).take('a'), null);
  });

  it('are taken from who holds most, the oldest first, until both hold as many', () => {
    const room = new WaitingRoom(4);
    const [first, second, third, fourth] = [1, 2, 3, 4].map(() => waiter(room, 'greedy'));
    waiter(room, 'other');
    waiter(room, 'other');
    assert.deepEqual(
      [first, second, third, fourth].map((each) => each?.leaves()),
      [1, 1, 0, 0],
    );
    assert.equal(room.take('other'), null, 'it would hold more than who holds most');
    assert.equal(room.take('greedy'), null);
    // A third takes one of either, and not from who has one.
    waiter(room, 'third');
    assert.equal(third?.leaves(), 1);
    first?.place[Symbol.dispose]();
    assert.equal(room.take('third'), null, 'a place that was needed is not given back twice');
  });

  it('are told that they were needed also when they begin to listen only then', () => {
    const room = new WaitingRoom(2);
    const early = room.take('greedy');
    room.take('greedy');
    room.take('other');
    const leave = mock.fn();
    early?.whenNeeded(leave);
    assert.equal(leave.mock.callCount(), 1);
  });
});
