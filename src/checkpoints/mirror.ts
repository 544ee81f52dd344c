import type { Cancel, Clock } from '../export/clock.ts';
import type { OutsideHead } from '../ledger/continuation.ts';
import { KeptHeadError } from './kept-head.ts';
import type { CheckpointPlace } from './places.ts';

/** How long to wait after the first failure in a row; each further one doubles it. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;
/** How often an operator hears that a place does not take checkpoints. */
const TOLD_EVERY_MS = 600_000;
/** How long a stop waits for the last one. */
const STOP_MS_MAX = 5_000;

export interface MirrorParts {
  readonly place: CheckpointPlace;
  readonly clock: Clock;
  /** Why what is there must not be replaced; null when it may. */
  objectionTo(there: OutsideHead): Promise<KeptHeadError | null>;
  /** Hears that a checkpoint could not be put there; it is tried again. */
  onError(where: string, error: unknown): void;
  /** Hears that what is there contradicts the log that is written to. The place is left alone from then on. */
  onContradiction(where: string, error: KeptHeadError): void;
}

/**
 * Brings the newest checkpoint to a place. One that cannot be reached is tried again, with what is newest then. It looks
 * at what is there before each time: a place that was away at the start, such as a disk that was not mounted, may hold
 * what this store has forgotten.
 */
export class Mirror implements AsyncDisposable {
  readonly #parts: MirrorParts;
  #newest: string | null = null;
  /** What was put there last. */
  #written: string | null = null;
  /** Failures in a row. */
  #failures = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Of the first failure in a row, in steady time. */
  #behindSince: number | null = null;
  #work: Promise<void> | null = null;
  #cancelRetry: Cancel | null = null;
  #isStopped = false;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  /** For how long the place has taken nothing, in milliseconds, also because it is left alone; 0 when it took the last one. */
  get behindMs(): number {
    return this.#behindSince === null ? 0 : this.#parts.clock.steady() - this.#behindSince;
  }

  offer(note: string): void {
    if (this.#isStopped) return;
    this.#newest = note;
    if (this.#cancelRetry === null) this.#start();
  }

  /** One more try for what is not there yet, for a few seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#isStopped = true;
    this.#start();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#parts.clock.schedule(STOP_MS_MAX, resolve);
    await Promise.race([this.#work, late]);
    cancel();
  }

  #start(): void {
    this.#work ??= this.#writeAll().finally(() => {
      this.#work = null;
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#newest !== null) {
      const note = this.#newest;
      try {
        await this.#replace(note);
      } catch (error) {
        if (error instanceof KeptHeadError && error.isContradiction) this.#giveUp(error);
        else this.#fail(error);
        return;
      }
      this.#failures = 0;
      this.#behindSince = null;
      if (this.#newest === note) this.#newest = null;
    }
  }

  async #replace(note: string): Promise<void> {
    const { place, objectionTo } = this.#parts;
    const there = await place.read();
    if (there !== null && there !== this.#written) {
      const objection = await objectionTo({ where: place.where, note: there });
      if (objection !== null) throw objection;
    }
    await place.write(note);
    this.#written = note;
  }

  #giveUp(error: KeptHeadError): void {
    this.#isStopped = true;
    this.#newest = null;
    this.#behindSince ??= this.#parts.clock.steady();
    this.#parts.onContradiction(this.#parts.place.where, error);
  }

  #fail(error: unknown): void {
    const now = this.#parts.clock.steady();
    this.#behindSince ??= now;
    if (now - this.#toldAt >= TOLD_EVERY_MS) {
      this.#toldAt = now;
      this.#parts.onError(this.#parts.place.where, error);
    }
    if (this.#isStopped) return;
    const delayMs = Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX);
    this.#failures += 1;
    this.#cancelRetry = this.#parts.clock.schedule(delayMs, () => {
      this.#cancelRetry = null;
      this.#start();
    });
  }
}
