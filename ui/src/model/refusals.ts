/** What the box did not even take in, as its record tells it. Pure. */
import type { LedgerItem } from '../wire.ts';

/** As the ledger has it: the fields of an entry that tells of refusals (docs/ledger.md). */
export interface Refusal {
  readonly kind: 'refused';
  readonly time: string;
  readonly code: string;
  /** The rule's id; null: the service's own settings. */
  readonly rule: string | null;
  readonly app: string | null;
  /** Null, as `app` then: of several, which were too many to be told apart. */
  readonly destination: string | null;
  readonly others: boolean;
  readonly count: number;
}

/** Refusals that are alike. */
export interface RefusalSum {
  readonly code: string;
  readonly rule: string | null;
  readonly app: string | null;
  readonly others: boolean;
  readonly destination: string | null;
  readonly count: number;
  readonly lastAt: number;
}

/** Of today, as far as it was read. */
export interface Refusals {
  readonly sums: readonly RefusalSum[];
  /** The first instant of the day that they are of. */
  readonly day: number;
  /** False: of an older part of the day nobody looked. */
  readonly isWhole: boolean;
}

/** Adds what `items` tell of `day` and later. What is alike becomes one, so that it stays small however often it is told. */
export function addRefusals(
  sums: readonly RefusalSum[],
  items: readonly LedgerItem[],
  day: number,
): RefusalSum[] {
  const known = new Map(sums.map((sum) => [keyOf(sum), sum]));
  for (const { entry } of items) {
    const refusal = refusalIn(entry);
    const at = refusal === null ? Number.NEGATIVE_INFINITY : Date.parse(refusal.time);
    if (refusal === null || at < day) continue;
    const { code, rule, app, destination, others, count } = refusal;
    const before = known.get(keyOf(refusal));
    const lastAt = Math.max(at, before?.lastAt ?? at);
    known.set(keyOf(refusal), {
      ...{ code, rule, app, destination, others, lastAt },
      count: count + (before?.count ?? 0),
    });
  }
  return [...known.values()];
}

/** Whether everything before this entry was written before `day`. */
export function isBefore(item: LedgerItem | undefined, day: number): boolean {
  // Texts are erased when they are years old.
  if (item === undefined || item.entry === null) return true;
  return Date.parse((JSON.parse(item.entry) as { readonly time: string }).time) < day;
}

function keyOf({ code, rule, app, destination, others }: Omit<RefusalSum, 'count' | 'lastAt'>): string {
  return JSON.stringify([code, rule, app, destination, others]);
}

function refusalIn(entry: string | null): Refusal | null {
  // Most entries are none: they need not be read for that.
  if (!entry?.includes('"kind":"refused"')) return null;
  const read = JSON.parse(entry) as { readonly kind: string };
  return read.kind === 'refused' ? (read as Refusal) : null;
}
