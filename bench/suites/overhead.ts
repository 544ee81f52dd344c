import { type Bench, type Finding, rowsOf } from '../support/bench.ts';
import { type Figures, inTurns, sampleOf } from '../support/statistics.ts';
import type { BenchPart } from '../without.ts';
import { measureTrip } from './trip.ts';

const VARIANTS: Readonly<Record<string, readonly BenchPart[]>> = {
  everything: [],
  'without encryption': ['vault', 'slots', 'secure_delete'],
};

function added(results: ReadonlyMap<string, readonly Figures[]>, without: string): Finding {
  const cpu = (name: string): number[] => (results.get(name) ?? []).map((run) => run['µs CPU'] ?? Number.NaN);
  const base = cpu(without);
  const parts = cpu('everything').map((value, round) => value / (base[round] ?? Number.NaN) - 1);
  return { name: `CPU added to ${without}`, sample: sampleOf(parts), target: 'overhead' };
}

export const overhead: Bench = {
  name: 'overhead',
  question: 'What do encryption at rest and the ledger add to a whole trip’s CPU time?',
  async run({ rounds, scale, progress }) {
    const names = Object.keys(VARIANTS);
    const results = await inTurns(
      names,
      rounds,
      (name) => measureTrip('ours', { lanes: 1_000, wait: false }, scale, { without: VARIANTS[name] ?? [] }),
      (name, round, figures) => progress(`round ${round + 1}, ${name}: ${JSON.stringify(figures)}`),
    );
    const [, ...others] = names;
    return [
      {
        title: 'a whole trip, with everything and with parts taken away',
        findings: others.map((name) => added(results, name)),
        rows: rowsOf(results),
      },
    ];
  },
};
