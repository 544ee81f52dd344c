import { type Bench, ratio, rowsOf } from '../support/bench.ts';
import { DestinationProcess } from '../support/destination.ts';
import { BenchProcess } from '../support/processes.ts';
import { type Figures, inTurns } from '../support/statistics.ts';
import { measureTrip } from './trip.ts';

const COUNT = 5_000;
const WAYS = ['one lane', 'one after the other'] as const;

async function oneAfterTheOther(scale: number): Promise<Figures> {
  await using destination = await DestinationProcess.start();
  const module = new URL('../contenders/one-after-the-other.ts', import.meta.url);
  await using process = BenchProcess.fork('The sender', module);
  await process.message();
  const count = Math.ceil(COUNT * scale);
  await process.ask({ url: destination.url, count: count / 5 });
  const { seconds } = await process.ask<{ seconds: number }>({ url: destination.url, count });
  return { 'exports/s': count / seconds };
}

export const lane: Bench = {
  name: 'lane',
  question: 'How fast is a lane with concurrency 1, against posting one after the other without a queue?',
  async run({ rounds, scale, progress }) {
    const results = await inTurns(
      WAYS,
      rounds,
      (way) =>
        way === 'one lane'
          ? measureTrip('ours', { lanes: 1, wait: false }, scale / 4)
          : oneAfterTheOther(scale),
      (way, round, figures) => progress(`round ${round + 1}, ${way}: ${JSON.stringify(figures)}`),
    );
    const findings = ratio(results, WAYS, 'exports/s', { target: 'lane' });
    return [{ title: 'one lane, concurrency 1', findings, rows: rowsOf(results) }];
  },
};
