import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { ResultSweeper } from './result-sweeper.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function sweeperOver(answers: (number | Error)[]) {
  const clock = new ManualClock();
  const asked: { finishedBefore: number; limit: number }[] = [];
  const errors: unknown[] = [];
  const sweeper = new ResultSweeper({
    store: {
      deleteExpired: async (finishedBefore, _now, limit) => {
        asked.push({ finishedBefore, limit });
        const answer = answers.shift() ?? 0;
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    clock,
    keepResultsMs: 1_000,
    onError: (error) => errors.push(error),
  });
  return { sweeper, clock, asked, errors };
}

it('deletes in steps until a step finds less than it may delete, then waits a minute', async () => {
  const { sweeper, clock, asked } = sweeperOver([256, 256, 3]);
  const start = clock.now();
  sweeper.start();
  for (let n = 0; n < 6; n += 1) {
    clock.advance(50);
    await turn();
  }
  assert.equal(asked.length, 3);
  assert.ok(
    asked.every(({ finishedBefore }) => finishedBefore >= start - 1_000 && finishedBefore <= clock.now()),
  );
  clock.advance(60_000);
  await turn();
  assert.equal(asked.length, 4);
});

it('a store that fails is asked again a minute later', async () => {
  const { sweeper, clock, asked, errors } = sweeperOver([new Error('gone'), 0]);
  sweeper.start();
  clock.advance(0);
  await turn();
  assert.equal(errors.length, 1);
  clock.advance(60_000);
  await turn();
  assert.equal(asked.length, 2);
});

it('nothing is deleted after it was stopped', async () => {
  const { sweeper, clock, asked } = sweeperOver([]);
  sweeper.start();
  await sweeper[Symbol.asyncDispose]();
  clock.advance(120_000);
  await turn();
  assert.equal(asked.length, 0);
});
