import { type Bench, type BenchOptions, type Report, ratio, rowsOf } from '../support/bench.ts';
import { CONTENDERS, type ContenderName, usageOf } from '../support/contenders.ts';
import { openScene, withCpu } from '../support/measured.ts';
import { type Figures, inTurns } from '../support/statistics.ts';

interface Way {
  readonly title: string;
  readonly connections: number;
  readonly batch: number;
}

const WAYS: readonly Way[] = [
  { title: '64 connections', connections: 64, batch: 1 },
  { title: '1 connection', connections: 1, batch: 1 },
  { title: '512 connections', connections: 512, batch: 1 },
  { title: '16 connections, batches of 100', connections: 16, batch: 100 },
];
const SECONDS = 4;
/** Lanes that exports are accepted into: so few that hardly any of them is sent, while the destination is silent. */
const LANES = 8;
const ACCEPTED_MAX = 90_000 * LANES;

async function measure(name: ContenderName, way: Way, scale: number): Promise<Figures> {
  await using scene = await openScene(name, { silent: true, delivers: false });
  const { contender, load, destination } = scene;
  // A bare server and a log know no batches: they are sent single exports.
  const batch = name === 'bare' || name === 'append log' ? 1 : way.batch;
  const order = {
    url: contender.url,
    destination: destination.url,
    lanes: LANES,
    connections: way.connections,
    batch,
  };
  const count = Math.floor(ACCEPTED_MAX / batch / 2);
  await load.run({ ...order, count, seconds: (SECONDS / 3) * scale });
  const { result, cpu } = await withCpu(scene, () => load.run({ ...order, count, seconds: SECONDS * scale }));
  const exports = result.requests * batch;
  return {
    'exports/s': exports / result.seconds,
    'µs CPU': (cpu.contender / exports) * 1e6,
    'p50 ms': result.p50Ms,
    'p99 ms': result.p99Ms,
    'peak MB': usageOf(contender).peakBytes / 1e6,
  };
}

async function report(way: Way, options: BenchOptions): Promise<Report> {
  const names = CONTENDERS.filter(
    (name) => options.only.length === 0 || name === 'ours' || options.only.includes(name),
  );
  const results = await inTurns(
    names,
    options.rounds,
    (name) => measure(name, way, options.scale),
    (name, round, figures) =>
      options.progress(`${way.title}, round ${round + 1}, ${name}: ${JSON.stringify(figures)}`),
  );
  const target = way.batch > 1 ? 'accept batches' : 'accept';
  const isJudged = way.batch > 1 || way.connections === 64;
  return {
    title: `accepted, durable: ${way.title}`,
    findings: [
      ...ratio(results, ['ours', 'bare'], 'exports/s', isJudged ? { target } : {}),
      ...CONTENDERS.slice(2).flatMap((name) => ratio(results, ['ours', name], 'exports/s')),
    ],
    rows: rowsOf(results),
  };
}

export const accept: Bench = {
  name: 'accept',
  question: 'How many exports a second are accepted, durably?',
  async run(options) {
    const reports: Report[] = [];
    for (const way of WAYS) reports.push(await report(way, options));
    return reports;
  },
};
