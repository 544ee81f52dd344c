import type { JobState } from '../../export/job.ts';

type UnfinishedState = Extract<JobState, 'queued' | 'sending' | 'waiting'>;

interface Counts {
  queued: number;
  sending: number;
  waiting: number;
}

const NONE: Readonly<Counts> = { queued: 0, sending: 0, waiting: 0 };

/**
 * How many unfinished jobs each lane has. Kept in memory by the one writer, so that neither the limit of a lane nor
 * "has it more?" costs a query. Lanes without unfinished jobs take no memory.
 *
 * Changes count at once and are kept by `commit` or taken back by `rollback`, as the transaction they belong to.
 */
export class LaneCounts {
  readonly #lanes = new Map<number, Counts>();
  readonly #totals: Counts = { ...NONE };
  readonly #undo: [lane: number, state: UnfinishedState, change: number][] = [];

  of(lane: number): Readonly<Counts> {
    return this.#lanes.get(lane) ?? NONE;
  }

  pending(lane: number): number {
    const { queued, sending, waiting } = this.of(lane);
    return queued + sending + waiting;
  }

  /** Of all lanes together. */
  get totals(): Readonly<Counts> {
    return this.#totals;
  }

  /** How many lanes have unfinished jobs. */
  get busyCount(): number {
    return this.#lanes.size;
  }

  /** The lanes with unfinished jobs. */
  busy(): IterableIterator<number> {
    return this.#lanes.keys();
  }

  move(lane: number, from: UnfinishedState | null, to: UnfinishedState | null): void {
    if (from !== null) this.add(lane, from, -1);
    if (to !== null) this.add(lane, to, 1);
  }

  add(lane: number, state: UnfinishedState, change: number): void {
    this.#undo.push([lane, state, change]);
    this.#apply(lane, state, change);
  }

  commit(): void {
    this.#undo.length = 0;
  }

  rollback(): void {
    for (const [lane, state, change] of this.#undo) this.#apply(lane, state, -change);
    this.#undo.length = 0;
  }

  #apply(lane: number, state: UnfinishedState, change: number): void {
    const counts = this.#lanes.get(lane) ?? { ...NONE };
    counts[state] += change;
    this.#totals[state] += change;
    if (counts.queued === 0 && counts.sending === 0 && counts.waiting === 0) this.#lanes.delete(lane);
    else this.#lanes.set(lane, counts);
  }
}
