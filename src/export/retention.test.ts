import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { Chore } from './chore.ts';
import {
  deleteOldHistory,
  deleteOldResults,
  endOldExports,
  eraseOldEntries,
  eraseOldPayloads,
  PURGE_MS_MAX,
  Purge,
  recordRefusals,
} from './retention.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A chore whose steps answer what they are told; their times are noted. */
function choreOf(answers: (number | Error)[]) {
  const clock = new ManualClock(0);
  const stepsAt: number[] = [];
  const errors: unknown[] = [];
  const chore = new Chore({
    clock,
    step: async () => {
      stepsAt.push(clock.steady());
      const answer = answers.shift() ?? 1_000_000;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    onError: (error) => errors.push(error),
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await turn();
  };
  return { chore, pass, stepsAt, errors };
}

describe('Chore', () => {
  it('does its next step when the last one said', async () => {
    const { chore, pass, stepsAt } = choreOf([50, 200]);
    chore.start();
    for (const ms of [0, 49, 1, 199, 1]) await pass(ms);
    assert.deepEqual(stepsAt, [0, 50, 250]);
  });

  it('goes on a minute after a step that failed', async () => {
    const { chore, pass, stepsAt, errors } = choreOf([new Error('gone')]);
    chore.start();
    for (const ms of [0, 59_999, 1]) await pass(ms);
    assert.deepEqual(stepsAt, [0, 60_000]);
    assert.equal(errors.length, 1);
  });

  it('does nothing after it was stopped, and stopping twice is harmless', async () => {
    const { chore, pass, stepsAt } = choreOf([]);
    chore.start();
    await chore[Symbol.asyncDispose]();
    await chore[Symbol.asyncDispose]();
    await pass(1_000);
    assert.deepEqual(stepsAt, []);
  });
});

describe('deleting old results', () => {
  const step = async (deleted: number, keepResultsMs = 1_000_000) => {
    const clock = new ManualClock(2_000_000);
    clock.jump(1e12);
    const asked: number[] = [];
    const store = {
      deleteExpired: async (finishedBefore: number) => {
        asked.push(finishedBefore);
        return deleted;
      },
    };
    return { delayMs: await deleteOldResults(store, clock, keepResultsMs), asked };
  };

  it('goes on at once after a full step, and in a minute otherwise', async () => {
    assert.equal((await step(256)).delayMs, 50);
    assert.equal((await step(255)).delayMs, 60_000);
    assert.equal(
      (await step(0, 300)).delayMs,
      300,
      'results that are kept for less are looked at more often',
    );
  });

  it('goes by steady time, whatever the wall clock shows', async () => {
    assert.deepEqual((await step(0)).asked, [1_000_000]);
  });
});

describe('ending old exports', () => {
  const delayOf = async (ended: number, nextAt: number | null, ageMsMax = 1e9): Promise<number> => {
    const clock = new ManualClock(10_000);
    return endOldExports({ expire: async () => ({ ended, nextAt }) }, clock, ageMsMax);
  };

  it('looks again when the next one is due, at once after a full step, and every minute at least', async () => {
    assert.equal(await delayOf(256, null), 50);
    assert.equal(await delayOf(0, null), 60_000);
    assert.equal(await delayOf(3, 12_000), 2_000);
    assert.equal(await delayOf(3, 9_000), 50);
    assert.equal(await delayOf(3, 1e9), 60_000);
  });

  it('looks again as soon as what comes meanwhile may be too old', async () => {
    assert.equal(await delayOf(0, null, 4_000), 4_000);
    assert.equal(await delayOf(0, 50_000, 4_000), 4_000);
    assert.equal(await delayOf(0, null, 1), 50);
  });
});

describe('erasing old payloads', () => {
  const step = async (keepPayloadsMs: number, hasMore = false) => {
    const clock = new ManualClock(2_000_000);
    clock.jump(1e12);
    const asked: number[] = [];
    const store = {
      erasePayloads: async (finishedBefore: number) => {
        asked.push(finishedBefore);
        return hasMore;
      },
    };
    return { delayMs: await eraseOldPayloads(store, clock, keepPayloadsMs), asked };
  };

  it('erases what was kept long enough by steady time, also what an earlier setting left', async () => {
    assert.deepEqual((await step(1_000_000)).asked, [1_000_000]);
    assert.deepEqual((await step(0)).asked, [2_000_000]);
  });

  it('goes on at once while there is more, and looks as often as payloads are kept, every minute at least', async () => {
    assert.equal((await step(1_000_000, true)).delayMs, 50);
    assert.equal((await step(1_000_000)).delayMs, 60_000);
    assert.equal((await step(300)).delayMs, 300);
    assert.equal((await step(0)).delayMs, 60_000);
  });
});

describe('Purge', () => {
  const purgeOf = (answers: boolean[]) => {
    const clock = new ManualClock(0);
    const blocked: number[] = [];
    const store = { purge: async () => answers.shift() ?? false };
    return { clock, blocked, purge: new Purge(store, clock, (forMs) => blocked.push(forMs)) };
  };

  it('is done twice in ten minutes, and tried again soon while somebody reads', async () => {
    const { purge } = purgeOf([true, false, true]);
    const delays = [await purge.step(), await purge.step(), await purge.step()];
    assert.deepEqual(delays, [300_000, 10_000, 300_000]);
    assert.ok(300_000 <= PURGE_MS_MAX / 2);
  });

  it('that has not been possible for ten minutes is told of, and again after ten more', async () => {
    const { clock, purge, blocked } = purgeOf([]);
    for (let n = 0; n < 130; n += 1) {
      await purge.step();
      clock.advance(10_000);
    }
    assert.deepEqual(blocked, [600_000, 1_200_000]);
  });

  it('that was possible in between is not told of', async () => {
    const { clock, purge, blocked } = purgeOf([false, true, false]);
    for (let n = 0; n < 3; n += 1) {
      await purge.step();
      clock.advance(590_000);
    }
    assert.deepEqual(blocked, []);
  });
});

describe('deleting old history', () => {
  const step = async (deleted: number) => {
    const clock = new ManualClock(1_000_000);
    const asked: number[] = [];
    const deleteHistory = async (finishedBefore: number) => {
      asked.push(finishedBefore);
      return deleted;
    };
    return { delayMs: await deleteOldHistory({ deleteHistory }, clock, 400_000), asked };
  };

  it('goes on at once after a full step, and in a minute otherwise', async () => {
    assert.deepEqual(await step(256), { delayMs: 50, asked: [600_000] });
    assert.deepEqual(await step(255), { delayMs: 60_000, asked: [600_000] });
  });
});

describe('erasing old entries of the ledger', () => {
  it('goes on at once while there are more, and then looks four times a day, or as often as they are kept', async () => {
    const clock = new ManualClock(1_000_000_000);
    clock.jump(5);
    const asked: number[][] = [];
    const erasing = (hasMore: boolean, keepMs: number): Promise<number> => {
      const erase = async (before: number, now: number, limit: number): Promise<boolean> => {
        asked.push([before, now, limit]);
        return hasMore;
      };
      return eraseOldEntries({ erase }, clock, keepMs);
    };
    assert.equal(await erasing(true, 400_000), 50);
    assert.equal(await erasing(false, 400_000), 400_000);
    assert.equal(await erasing(false, 10 * 86_400_000), 6 * 3_600_000);
    assert.equal(await erasing(false, 0), 50);
    assert.deepEqual(asked[0], [999_600_000, 1_000_000_005, 1_000]);
  });
});

describe('recording refusals', () => {
  it('comes back when the minute of the wall clock is over, for those of the minutes before', async () => {
    const clock = new ManualClock(0);
    clock.jump(1_000);
    let pass = (): void => {};
    const recorded: [number, boolean][] = [];
    const ledger = {
      recordRefusals: async (now: number, isLast: boolean) => {
        recorded.push([now, isLast]);
        pass();
      },
    };
    const step = () => recordRefusals(ledger, clock);
    assert.equal(await step(), 59_000);
    clock.advance(58_999);
    assert.equal(await step(), 1);
    clock.advance(1);
    assert.equal(await step(), 60_000);
    assert.deepEqual(recorded, [
      [1_000, false],
      [59_999, false],
      [60_000, false],
    ]);
    pass = () => clock.advance(70_000);
    assert.equal(await step(), 0, 'the store took longer than the minute had left');
    pass = () => clock.jump(-3_600_000);
    assert.equal(await step(), 60_000, 'the clock was set back');
  });
});
