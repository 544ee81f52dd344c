/** Adds up what went where. Pure: sums of the service in, what is shown out. */
import type { LaneSum, Outcomes } from '../wire.ts';

export interface Total {
  readonly accepted: number;
  readonly bytes: number;
  readonly outcomes: Outcomes;
}

/** One app and one destination over a period. */
export interface LaneTotal extends Total {
  readonly app: string | null;
  readonly destination: string;
  readonly lastAt: number;
}

export interface AppTotal extends Total {
  readonly app: string | null;
  /** The one with the most exports first. */
  readonly lanes: readonly LaneTotal[];
  readonly lastAt: number;
}

const NO_OUTCOMES: Outcomes = { delivered: 0, undeliverable: 0, blocked: 0, cancelled: 0, open: 0 };
export const NOTHING: Total = { accepted: 0, bytes: 0, outcomes: NO_OUTCOMES };

export function add(one: Total, other: Total): Total {
  const [a, b] = [one.outcomes, other.outcomes];
  return {
    accepted: one.accepted + other.accepted,
    bytes: one.bytes + other.bytes,
    outcomes: {
      delivered: a.delivered + b.delivered,
      undeliverable: a.undeliverable + b.undeliverable,
      blocked: a.blocked + b.blocked,
      cancelled: a.cancelled + b.cancelled,
      open: a.open + b.open,
    },
  };
}

export function totalOf(sums: readonly Total[]): Total {
  return sums.reduce(add, NOTHING);
}

/** The same lanes of several days as one each. */
export function laneTotals(sums: readonly LaneSum[]): LaneTotal[] {
  const byLane = new Map<string, LaneTotal>();
  for (const sum of sums) {
    const { app, destination } = sum;
    const key = JSON.stringify([app, destination]);
    const before = byLane.get(key);
    const lastAt = Math.max(Date.parse(sum.last_at), before?.lastAt ?? 0);
    byLane.set(key, { app, destination, lastAt, ...add(before ?? NOTHING, sum) });
  }
  return [...byLane.values()];
}

/** Lanes by app, the busiest first; of the same, by name, so that nothing jumps about. */
export function appTotals(sums: readonly LaneSum[]): AppTotal[] {
  const byApp = new Map<string | null, LaneTotal[]>();
  for (const lane of laneTotals(sums)) {
    const lanes = byApp.get(lane.app);
    if (lanes === undefined) byApp.set(lane.app, [lane]);
    else lanes.push(lane);
  }
  return [...byApp]
    .map(([app, lanes]) => ({
      app,
      lanes: lanes.toSorted((a, b) => busiest(a, b) || a.destination.localeCompare(b.destination)),
      lastAt: Math.max(...lanes.map(({ lastAt }) => lastAt)),
      ...totalOf(lanes),
    }))
    .toSorted((a, b) => busiest(a, b) || (a.app ?? '').localeCompare(b.app ?? ''));
}

function busiest(one: Total, other: Total): number {
  return other.accepted - one.accepted;
}

/** Apps of which the app or a destination contains all words, whatever their case. */
export function matching(apps: readonly AppTotal[], search: string): AppTotal[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...apps];
  return apps.flatMap((app) => {
    const lanes = app.lanes.filter(({ destination }) => {
      const text = `${app.app ?? ''} ${destination}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    if (lanes.length === 0) return [];
    return lanes.length === app.lanes.length ? [app] : [{ ...app, lanes, ...totalOf(lanes) }];
  });
}
