import { setTimeout } from 'node:timers/promises';
import { type Bench, figure, ratio, rowsOf } from '../support/bench.ts';
import { type ContenderName, usageOf } from '../support/contenders.ts';
import { openScene } from '../support/measured.ts';
import { type Figures, inTurns } from '../support/statistics.ts';

const POLLS = 15_000;
const FLAGS = ['--waiting-max', '16000', '--connections-max', '16000', '--long-poll-max', '3600s'];
/** After which garbage has been collected. */
const SETTLE_MS = 3_000;

async function measure(name: ContenderName, scale: number): Promise<Figures> {
  const count = Math.ceil(POLLS * scale);
  await using scene = await openScene(name, { silent: true, flags: FLAGS });
  const { contender, load, destination } = scene;
  const order = { url: contender.url, destination: destination.url, lanes: 1 };
  // Warmed up, so that what code takes is not counted for polls.
  await load.run({ ...order, count: 2_000 });
  await setTimeout(SETTLE_MS);
  const before = usageOf(contender).memoryBytes;
  await load.run({ ...order, kind: 'hold', path: '/lp/export?timeout=3600', count });
  await setTimeout(SETTLE_MS);
  const bytes = (usageOf(contender).memoryBytes - before) / count;
  return { 'KB each': bytes / 1_000, 'MB before': before / 1e6 };
}

export const idle: Bench = {
  name: 'idle',
  question: 'How much memory does an idle long poll take, when there are 15,000?',
  async run({ rounds, scale, progress }) {
    const results = await inTurns(
      ['ours', 'bare'] as const,
      Math.min(rounds, 3),
      (name) => measure(name, scale),
      (name, round, figures) => progress(`round ${round + 1}, ${name}: ${JSON.stringify(figures)}`),
    );
    const findings = [
      figure(results.get('ours') ?? [], 'KB each', 'KB for each', 'idle'),
      ...ratio(results, ['ours', 'bare'], 'KB each'),
    ];
    return [{ title: `${POLLS} idle long polls`, findings, rows: rowsOf(results) }];
  },
};
