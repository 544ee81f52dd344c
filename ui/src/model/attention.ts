/** What the owner should look at, the most urgent first. Pure. */
import type { LaneSum, OwnedExport, Rule } from '../wire.ts';
import type { Refusals } from './refusals.ts';
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
      /** Why the last one did not; null as long as that is not known. */
      readonly reason: Reason | null;
    }
  | { readonly kind: 'budget'; readonly use: BudgetUse }
  /** An app asked for what a rule, or the service's own settings, forbid. */
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly isByRule: boolean;
      readonly app: string | null;
      /** Of several apps, which were too many to be told apart. */
      readonly others: boolean;
      readonly destinations: readonly string[];
      readonly count: number;
      readonly lastAt: number;
    };

/** Why an attempt did not succeed. */
export interface Reason {
  readonly error: string | null;
  readonly status: number | null;
}

export interface Known {
  readonly rules: readonly Rule[];
  readonly unfinished: readonly OwnedExport[];
  /** Whether there may be more of them. */
  readonly isMore: boolean;
  readonly today: readonly LaneSum[];
  readonly budgets: Iterable<BudgetUse>;
  readonly refusals: Refusals;
  /** Why the last one did not arrive, by lane, as far as it is known; see {@link laneKey}. */
  readonly reasons: ReadonlyMap<string, Reason>;
  /** The first instant of today. */
  readonly todayStart: number;
}

export function concernsOf(known: Known): Concern[] {
  return [
    ...holds(known),
    ...stuck(known),
    ...failed(known),
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

function failed({ today, reasons }: Known): Concern[] {
  return failedLanes(today).map(({ app, destination, outcomes }) => ({
    kind: 'failed',
    app,
    destination,
    count: outcomes.undeliverable,
    reason: reasons.get(laneKey(app, destination)) ?? null,
  }));
}

/** Those of which something did not arrive, the most first. */
export function failedLanes(sums: readonly LaneSum[]): LaneSum[] {
  return sums
    .filter(({ outcomes }) => outcomes.undeliverable > 0)
    .toSorted((one, other) => other.outcomes.undeliverable - one.outcomes.undeliverable);
}

export function laneKey(app: string | null, destination: string): string {
  return JSON.stringify([app, destination]);
}

/** Of the newest of `jobs` that did not arrive; null when there is none. */
export function reasonOf(jobs: readonly OwnedExport[]): Reason | null {
  const last = jobs.find(({ outcome }) => outcome === 'undeliverable')?.attempts.at(-1);
  return last === undefined ? null : { error: last.error?.code ?? null, status: last.status };
}

/** What one app was refused for one reason is one thing to look at, however many places it tried. */
function refused({ refusals, todayStart }: Known): Concern[] {
  // Just after midnight they are of yesterday, until they are read anew.
  const sums = refusals.day === todayStart ? refusals.sums : [];
  const alike = Map.groupBy(sums, ({ code, rule, app, others }) =>
    JSON.stringify([code, rule === null, app, others]),
  );
  return [...alike.values()].flatMap((group) => {
    const [one] = group;
    if (one === undefined) return [];
    const { code, rule, app, others } = one;
    return {
      kind: 'refused' as const,
      code,
      isByRule: rule !== null,
      app,
      others,
      destinations: [...new Set(group.flatMap(({ destination }) => destination ?? []))],
      count: group.reduce((sum, { count }) => sum + count, 0),
      lastAt: Math.max(...group.map(({ lastAt }) => lastAt)),
    };
  });
}
