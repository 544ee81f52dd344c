import { setTimeout } from 'node:timers/promises';
import { type Bench, type BenchOptions, type Report, ratio, rowsOf } from '../support/bench.ts';
import { CONTENDERS, type ContenderName, type ContenderOptions, usageOf } from '../support/contenders.ts';
import { openScene, type Scene, withCpu } from '../support/measured.ts';
import { type Figures, inTurns } from '../support/statistics.ts';

/** Exports of a run, for each contender: enough for some seconds. */
const EXPORTS: Partial<Record<ContenderName, number>> = { 'pg-boss': 8_000, 'graphile-worker': 8_000 };
/** The same for ours. */
export const TRIP_EXPORTS = 30_000;
const LOOK_EVERY_MS = 10;

export interface TripWay {
  readonly lanes: number;
  /** Whether the sender waits for each export's end (`Prefer: wait`). */
  readonly wait: boolean;
}

/** From the first export to the last one's end, its result stored. */
export async function measureTrip(
  name: ContenderName,
  { lanes, wait }: TripWay,
  scale: number,
  options: ContenderOptions = {},
): Promise<Figures> {
  await using scene = await openScene(name, options);
  const exports = Math.floor((EXPORTS[name] ?? TRIP_EXPORTS) * scale);
  await run(scene, lanes, wait, Math.floor(exports / 4), 0);
  const done = Math.floor(exports / 4);
  const startedAt = performance.now();
  const { cpu } = await withCpu(scene, () => run(scene, lanes, wait, exports, done));
  const seconds = (performance.now() - startedAt) / 1_000;
  return {
    'exports/s': exports / seconds,
    'µs CPU': (cpu.contender / exports) * 1e6,
    'µs CPU of everybody': (cpu.all / exports) * 1e6,
    'peak MB': usageOf(scene.contender).peakBytes / 1e6,
  };
}

async function run(scene: Scene, lanes: number, wait: boolean, count: number, before: number): Promise<void> {
  const { contender, load, destination } = scene;
  await load.run({ url: contender.url, destination: destination.url, lanes, count, wait });
  while ((await destination.arrived()) < before + count) await setTimeout(LOOK_EVERY_MS);
  while ((await contender.finished()) < before + count) await setTimeout(LOOK_EVERY_MS);
}

const PEERS = CONTENDERS.filter((name) => name !== 'ours' && name !== 'bare' && name !== 'append log');
const TARGETS: Partial<Record<ContenderName, string>> = {
  'bullmq always': 'bullmq',
  'pg-boss': 'pg-boss',
  'graphile-worker': 'graphile',
};

async function report(way: TripWay, names: readonly ContenderName[], options: BenchOptions): Promise<Report> {
  const chosen = names.filter(
    (name) => options.only.length === 0 || name === 'ours' || options.only.includes(name),
  );
  const results = await inTurns(
    chosen,
    options.rounds,
    (name) => measureTrip(name, way, options.scale),
    (name, round, figures) =>
      options.progress(`${way.lanes} lanes, round ${round + 1}, ${name}: ${JSON.stringify(figures)}`),
  );
  const isJudged = way.lanes === 1_000 && !way.wait;
  const compared = PEERS.flatMap((peer) => {
    const target = isJudged ? TARGETS[peer] : undefined;
    return [
      ...ratio(results, ['ours', peer], 'µs CPU', target ? { target: `trip cpu ${target}` } : {}),
      ...ratio(results, ['ours', peer], 'exports/s', target ? { target: `trip rate ${target}` } : {}),
    ];
  });
  const how = way.wait ? 'each waited for with Prefer: wait' : '64 connections';
  return { title: `whole trip, ${way.lanes} lanes, ${how}`, findings: compared, rows: rowsOf(results) };
}

export const trip: Bench = {
  name: 'trip',
  question: 'From accepted to delivered, the result stored: exports a second, and CPU time for each?',
  async run(options) {
    return [
      await report({ lanes: 1_000, wait: false }, ['ours', ...PEERS], options),
      await report({ lanes: 1_000, wait: true }, ['ours'], options),
      await report({ lanes: 8, wait: false }, ['ours'], options),
      await report({ lanes: 1, wait: false }, ['ours'], { ...options, scale: options.scale / 3 }),
    ];
  },
};
