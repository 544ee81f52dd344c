import type { Figures } from './audit.ts';
import type { Step } from './steps.ts';

/** What the apps did, and what the audit found. */
export interface Counts extends Figures {
  /** Requests made again because their answer was lost. */
  readonly repeats: number;
  /** Requests made again under the same key although they had been answered. */
  readonly deliberateRepeats: number;
  readonly polls: number;
}

export interface Report {
  readonly kills: ReadonlyMap<Step, number>;
  readonly counts: Counts;
  /** What must not be. Empty when all is well. */
  readonly wrongs: readonly string[];
}

const LABELS: Readonly<Record<keyof Counts, string>> = {
  accepted: 'exports answered with 200',
  lost: 'of these lost',
  endedWithoutArrival: 'of these ended with a reason, never arrived',
  deleted: 'of these deleted when their time was over',
  recorded: 'exports that the ledger tells of, where nothing of it was erased',
  ownerActs:
    'acts of the owner that were done: rules made and taken away, exports cancelled and sent once more',
  refused: 'exports refused',
  unknown: 'exports without a key whose answer was lost',
  arrivals: 'requests that reached the destination whole',
  duplicates: 'of these again, after an earlier one of the same export',
  duplicatesAfterUnknown:
    'of these after an attempt on record as "answer unknown" (the others: after a failed one)',
  unexplained: 'exports whose arrivals the ledger of attempts does not explain',
  unknownAttempts: 'attempts on record as "answer unknown"',
  repeats: 'requests repeated because their answer was lost',
  deliberateRepeats: 'exports handed over again under the same key after an answer',
  polls: 'polls in between (of up to 10 exports each)',
};

export function sum(reports: readonly Report[]): Report {
  const kills = new Map<Step, number>();
  for (const report of reports) {
    for (const [step, count] of report.kills) kills.set(step, (kills.get(step) ?? 0) + count);
  }
  const names = Object.keys(LABELS) as (keyof Counts)[];
  const total = (name: keyof Counts): number => reports.reduce((all, { counts }) => all + counts[name], 0);
  const counts = Object.fromEntries(names.map((name) => [name, total(name)])) as unknown as Counts;
  return { kills, counts, wrongs: reports.flatMap(({ wrongs }) => wrongs) };
}

export function killsIn({ kills }: Report): number {
  return [...kills.values()].reduce((all, count) => all + count, 0);
}

/** A report as a table that reads in a terminal and in Markdown. */
export function table(report: Report): string {
  const lines = [
    ['kills', killsIn(report)],
    ...[...report.kills].map(([step, count]) => [`kills: ${step}`, count]),
  ];
  for (const [name, label] of Object.entries(LABELS))
    lines.push([label, report.counts[name as keyof Counts]]);
  const width = Math.max(...lines.map(([label]) => String(label).length));
  const rows = lines.map(
    ([label, count]) => `| ${String(label).padEnd(width)} | ${String(count).padStart(7)} |`,
  );
  return [
    `| ${''.padEnd(width)} | ${'count'.padStart(7)} |`,
    `|${'-'.repeat(width + 2)}|${'-'.repeat(8)}:|`,
    ...rows,
  ].join('\n');
}
