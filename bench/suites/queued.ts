import { setTimeout } from 'node:timers/promises';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { type Bench, figure, type Report } from '../support/bench.ts';
import { startContender, usageOf } from '../support/contenders.ts';
import { openScene, type Scene } from '../support/measured.ts';
import type { Figures } from '../support/statistics.ts';

const EXPORTS = 1_000_000;
const LANES = 1_000;
const BATCH = 500;
const SECONDS = 4;
const SETTLE_MS = 3_000;

function accept({ contender, destination, load }: Scene, seconds: number): Promise<number> {
  const order = { url: contender.url, destination: destination.url, lanes: LANES, seconds };
  return load.run(order).then((result) => result.requests / result.seconds);
}

/** Empty, full, empty in one run would take hours to drain: the rate of an empty queue is that at the start of each. */
async function measure(scale: number, dataDir: string): Promise<Figures> {
  const figures: Record<string, number> = {};
  {
    await using scene = await openScene('ours', { silent: true, dataDir });
    const { contender, destination, load } = scene;
    // Warms up, and fills every place of the dispatcher.
    await accept(scene, scale);
    figures['empty, accepts/s'] = await accept(scene, SECONDS * scale);
    await setTimeout(SETTLE_MS);
    figures['empty, MB'] = usageOf(contender).memoryBytes / 1e6;
    const count = Math.ceil((EXPORTS * scale) / BATCH);
    const order = { url: contender.url, destination: destination.url, lanes: LANES };
    await load.run({ ...order, batch: BATCH, connections: 8, count });
    await accept(scene, scale);
    figures['full, accepts/s'] = await accept(scene, SECONDS * scale);
    await setTimeout(SETTLE_MS);
    figures['full, MB'] = usageOf(contender).memoryBytes / 1e6;
    await contender.processes[0]?.end('SIGKILL');
  }
  const startedAt = performance.now();
  await using again = await startContender('ours', { dataDir });
  figures['start, s'] = (performance.now() - startedAt) / 1_000;
  await setTimeout(SETTLE_MS);
  figures['started, MB'] = usageOf(again).memoryBytes / 1e6;
  await again.processes[0]?.end('SIGKILL');
  return {
    ...figures,
    'full / empty': (figures['full, accepts/s'] ?? 0) / (figures['empty, accepts/s'] ?? 0),
    'MB above idle': (figures['full, MB'] ?? 0) - (figures['empty, MB'] ?? 0),
  };
}

export const queued: Bench = {
  name: 'queued',
  question: 'What do 1,000,000 queued exports in 1,000 lanes cost: memory, speed, start-up?',
  async run({ rounds, scale, progress }) {
    const runs: Figures[] = [];
    for (let round = 0; round < Math.min(rounds, 3); round += 1) {
      using directory = new TemporaryDirectory();
      runs.push(await measure(scale, directory.path));
      progress(`round ${round + 1}: ${JSON.stringify(runs.at(-1))}`);
    }
    const report: Report = {
      title: `${EXPORTS * scale} queued in ${LANES} lanes`,
      findings: [
        figure(runs, 'full / empty', 'accepts/s: full / empty', 'queued accept'),
        figure(runs, 'MB above idle', 'memory above idle, MB', 'queued memory'),
        figure(runs, 'start, s', 'start to ready, s', 'queued start'),
      ],
      rows: [{ name: 'ours', runs }],
    };
    return [report];
  },
};
