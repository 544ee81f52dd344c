/** What the owner should look at, the most urgent first. Pure. */
import type { LaneSum, LedgerItem, OwnedExport, Rule } from '../wire.ts';
import { type BudgetUse, holdOfAll } from './rules.ts';
import { standingOf } from './standing.ts';

export type Concern =
  /** The owner holds everything. */
  | { readonly kind: 'all-held'; readonly rule: Rule; readonly count: number }
  /** A destination does not take what is sent. */
  | {
      readonly kind: 'stuck';
      readonly destination: string;
      readonly apps: readonly (string | null)[];
      /** Those too that wait behind the ones that were tried. */
      readonly count: number;
      /** Whether there may be more than were looked at. */
      readonly isMore: boolean;
      /** Of the last attempt. */
      readonly error: string | null;
      readonly status: number | null;
      readonly since: number;
    }
  /** Something waits because of a rule of the owner's. */
  | { readonly kind: 'held'; readonly rule: Rule; readonly count: number }
  /** Did not arrive, for good. */
  | {
      readonly kind: 'failed';
      readonly app: string | null;
      readonly destination: string;
      readonly count: number;
    }
  | { readonly kind: 'budget'; readonly use: BudgetUse }
  /** An app asked for what a rule forbids. */
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly app: string | null;
      readonly destination: string | null;
      readonly count: number;
      readonly lastAt: number;
    };

export interface Known {
  readonly rules: readonly Rule[];
  readonly unfinished: readonly OwnedExport[];
  /** Whether there may be more of them. */
  readonly isMore: boolean;
  readonly today: readonly LaneSum[];
  readonly budgets: Iterable<BudgetUse>;
  readonly entries: readonly LedgerItem[];
  /** The first instant of today. */
  readonly todayStart: number;
}

export function concernsOf(known: Known): Concern[] {
  return [
    ...holds(known),
    ...stuck(known),
    ...failed(known.today),
    ...[...known.budgets]
      .filter(({ isNearlyUsed }) => isNearlyUsed)
      .map((use) => ({ kind: 'budget' as const, use })),
    ...refused(known),
  ];
}

function holds({ rules, unfinished }: Known): Concern[] {
  const held = unfinished.filter((job) => standingOf(job) === 'held');
  const all = holdOfAll(rules);
  if (all !== undefined) return [{ kind: 'all-held', rule: all, count: held.length }];
  return rules.flatMap((rule) => {
    const count = held.filter(({ held_by: heldBy }) => heldBy === rule.id).length;
    return count === 0 ? [] : [{ kind: 'held' as const, rule, count }];
  });
}

function stuck({ unfinished, isMore }: Known): Concern[] {
  const retrying = unfinished.filter((job) => standingOf(job) === 'retrying');
  return [...Map.groupBy(retrying, ({ destination }) => destination)].map(([destination, jobs]) => {
    const last = jobs.flatMap(({ attempts }) => attempts.at(-1) ?? []).toSorted(newestFirst)[0];
    const firsts = jobs.flatMap(({ attempts }) => attempts[0]?.started_at ?? []);
    return {
      kind: 'stuck',
      destination,
      apps: [...new Set(jobs.map(({ app }) => app))],
      count: unfinished.filter((job) => job.destination === destination && standingOf(job) !== 'held').length,
      isMore,
      error: last?.error?.code ?? null,
      status: last?.status ?? null,
      since: Math.min(...firsts.map((at) => Date.parse(at))),
    };
  });
}

function newestFirst(one: { readonly ended_at: string }, other: { readonly ended_at: string }): number {
  return Date.parse(other.ended_at) - Date.parse(one.ended_at);
}

function failed(sums: readonly LaneSum[]): Concern[] {
  return sums
    .filter(({ outcomes }) => outcomes.undeliverable > 0)
    .map(({ app, destination, outcomes }) => ({
      kind: 'failed',
      app,
      destination,
      count: outcomes.undeliverable,
    }));
}

/** As the ledger has it: the fields of an entry that tells of refusals. */
interface Refusal {
  readonly kind: 'refused';
  readonly time: string;
  readonly code: string;
  readonly app: string | null;
  readonly destination: string | null;
  readonly count: number;
}

function refused({ entries, todayStart }: Known): Concern[] {
  const refusals = entries.flatMap(({ entry }) => refusalIn(entry) ?? []);
  const recent = refusals.filter(({ time }) => Date.parse(time) >= todayStart);
  const alike = Map.groupBy(recent, ({ code, app, destination }) => JSON.stringify([code, app, destination]));
  return [...alike.values()].flatMap((group) => {
    const [newest] = group;
    if (newest === undefined) return [];
    const { code, app, destination, time } = newest;
    const count = group.reduce((sum, one) => sum + one.count, 0);
    return [{ kind: 'refused' as const, code, app, destination, count, lastAt: Date.parse(time) }];
  });
}

function refusalIn(entry: string | null): Refusal | null {
  // Most entries are none: they need not be read for that.
  if (!entry?.includes('"kind":"refused"')) return null;
  const read = JSON.parse(entry) as { readonly kind: string };
  return read.kind === 'refused' ? (read as Refusal) : null;
}
