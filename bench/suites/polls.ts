import { type Bench, type BenchOptions, type Report, ratio, rowsOf } from '../support/bench.ts';
import type { ContenderName } from '../support/contenders.ts';
import { openScene, withCpu } from '../support/measured.ts';
import { type Figures, inTurns } from '../support/statistics.ts';

const SECONDS = 4;
/** Finished exports that are asked for in turns. */
const EXPORTS = 500;

async function measure(name: ContenderName, path: string, scale: number): Promise<Figures> {
  await using scene = await openScene(name);
  const { contender, load, destination } = scene;
  // A bare server answers the same whatever it is asked, but its long polls stay open.
  const order = {
    url: contender.url,
    destination: destination.url,
    path: name === 'bare' ? '/export' : path,
  };
  await load.run({ ...order, seconds: scale, polls: EXPORTS });
  const { result, cpu } = await withCpu(scene, () =>
    load.run({ ...order, seconds: SECONDS * scale, polls: EXPORTS }),
  );
  return {
    'polls/s': result.requests / result.seconds,
    'µs CPU': (cpu.contender / result.requests) * 1e6,
    'p99 ms': result.p99Ms,
  };
}

async function report(path: string, options: BenchOptions): Promise<Report> {
  const results = await inTurns(
    ['ours', 'bare'] as const,
    options.rounds,
    (name) => measure(name, path, options.scale),
    (name, round, figures) =>
      options.progress(`${path}, round ${round + 1}, ${name}: ${JSON.stringify(figures)}`),
  );
  return {
    title: `polls for a finished export on ${path}, 64 connections`,
    findings: ratio(results, ['ours', 'bare'], 'polls/s'),
    rows: rowsOf(results),
  };
}

export const polls: Bench = {
  name: 'polls',
  question: 'How many polls and long polls a second are answered?',
  run: async (options) => [await report('/export', options), await report('/lp/export', options)],
};
