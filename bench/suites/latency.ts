import { type Bench, type BenchOptions, type Report, ratio, rowsOf } from '../support/bench.ts';
import { type ContenderName, startContender } from '../support/contenders.ts';
import { BenchProcess } from '../support/processes.ts';
import { type Figures, inTurns } from '../support/statistics.ts';

const COUNT = 600;
const WAYS = [
  'ours',
  'ours, waited for',
  'two POSTs and two flushes',
  'bullmq always',
  'pg-boss',
  'graphile-worker',
] as const;
type Way = (typeof WAYS)[number];

const CONTENDER: Readonly<Record<Way, ContenderName>> = {
  ours: 'ours',
  'ours, waited for': 'ours',
  'two POSTs and two flushes': 'bare',
  'bullmq always': 'bullmq always',
  'pg-boss': 'pg-boss',
  'graphile-worker': 'graphile-worker',
};

async function measure(way: Way, scale: number): Promise<Figures> {
  await using contender = await startContender(CONTENDER[way]);
  await using process = BenchProcess.fork(
    'The sender',
    new URL('../support/latency-process.ts', import.meta.url),
  );
  await process.message();
  const isBare = way === 'two POSTs and two flushes';
  const count = Math.ceil(COUNT * scale);
  return await process.ask({ url: contender.url, count, wait: way === 'ours, waited for', isBare });
}

async function report(options: BenchOptions): Promise<Report> {
  const ways = WAYS.filter(
    (way) => options.only.length === 0 || CONTENDER[way] === 'ours' || options.only.includes(CONTENDER[way]),
  );
  const results = await inTurns(
    ways,
    options.rounds,
    (way) => measure(way, options.scale),
    (way, round, figures) => options.progress(`round ${round + 1}, ${way}: ${JSON.stringify(figures)}`),
  );
  const bare = 'two POSTs and two flushes';
  return {
    title: 'one export at a time, 3 ms between them',
    findings: [
      ...ratio(results, ['ours, waited for', bare], 'result p50 ms', {
        toFigure: 'p50 ms',
        target: 'result',
      }),
      ...ratio(results, ['ours, waited for', bare], 'result p99 ms', { toFigure: 'p99 ms' }),
      ...ratio(results, ['ours', 'bullmq always'], 'arrival p50 ms', { target: 'arrival' }),
      ...ratio(results, ['ours', 'pg-boss'], 'arrival p50 ms'),
      ...ratio(results, ['ours', 'graphile-worker'], 'arrival p50 ms'),
    ],
    rows: rowsOf(results),
  };
}

export const latency: Bench = {
  name: 'latency',
  question: 'How long does one export take, at low load, to its destination and to its result?',
  run: async (options) => [await report(options)],
};
