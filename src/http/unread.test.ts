/** What is kept for clients that do not read. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, it, mock } from 'node:test';
import { Unread } from './unread.ts';

const LIMITS = { unreadBytesMax: 100, readTimeoutMs: 60_000 };

function keeper(unread: Unread, bytes: number) {
  const cut = mock.fn();
  const kept = unread.keep(cut);
  kept.set(bytes);
  return { kept, isCut: () => cut.mock.callCount() > 0 };
}

function answerOf(unread: Unread, bytes: number, destroyed = false) {
  const destroy = mock.fn();
  const response = Object.assign(new EventEmitter(), { destroyed, destroy });
  unread.answer(response as unknown as ServerResponse, bytes);
  return { response, isCut: () => destroy.mock.callCount() > 0 };
}

describe('what is unread', () => {
  it('may be as much as the bound, all together', () => {
    const unread = new Unread(LIMITS);
    const all = [40, 40, 20].map((bytes) => keeper(unread, bytes));
    assert.equal(unread.bytesHeld, 100);
    assert.ok(all.every(({ isCut }) => !isCut()));
  });

  it('costs whoever has not read for the longest the connection when it is a byte more', () => {
    const unread = new Unread(LIMITS);
    const [first, second, third] = [40, 40, 21].map((bytes) => keeper(unread, bytes));
    assert.deepEqual(
      [first, second, third].map((each) => each?.isCut()),
      [true, false, false],
    );
    assert.equal(unread.bytesHeld, 61);
  });

  it('counts anew from when some of it was read', () => {
    const unread = new Unread(LIMITS);
    const [reads, rests] = [keeper(unread, 40), keeper(unread, 40)];
    reads.kept.set(30);
    keeper(unread, 40);
    assert.deepEqual([reads.isCut(), rests.isCut()], [false, true]);
  });

  it('counts no more when it has been read, or is gone, however often that is said', () => {
    const unread = new Unread(LIMITS);
    const [read, gone] = [keeper(unread, 50), keeper(unread, 50)];
    read.kept.set(0);
    for (let time = 0; time < 2; time += 1) gone.kept[Symbol.dispose]();
    gone.kept.set(50);
    assert.equal(unread.bytesHeld, 0);
  });

  it('is let be when it came last, though it alone is too much', () => {
    const unread = new Unread(LIMITS);
    const other = keeper(unread, 1);
    const large = keeper(unread, 1_000);
    assert.deepEqual([other.isCut(), large.isCut(), unread.bytesHeld], [true, false, 1_000]);
    assert.ok(!keeper(unread, 1).isCut() && large.isCut());
  });
});

describe('an answer', { concurrency: false }, () => {
  for (const bytes of [1, 1_000]) {
    it(`of ${bytes} bytes that is not read within a minute is cut off`, (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const { isCut } = answerOf(new Unread(LIMITS), bytes);
      t.mock.timers.tick(LIMITS.readTimeoutMs - 1);
      assert.ok(!isCut());
      t.mock.timers.tick(1);
      assert.ok(isCut());
    });
  }

  it('that is read in time is left alone, and counts no more', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const unread = new Unread(LIMITS);
    const { response, isCut } = answerOf(unread, 10);
    assert.equal(unread.bytesHeld, 10);
    response.emit('close');
    t.mock.timers.tick(10 * LIMITS.readTimeoutMs);
    assert.deepEqual([isCut(), unread.bytesHeld], [false, 0]);
  });

  it('to whom has hung up already is not kept: nothing would say that it is gone', () => {
    const unread = new Unread(LIMITS);
    answerOf(unread, 10, true);
    assert.equal(unread.bytesHeld, 0);
  });
});
