import type { Cancel, Clock } from '../export/clock.ts';
import type { CheckpointPlace } from './places.ts';

/** How long to wait after the first failure in a row; each further one doubles it. */
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 60_000;
/** How often an operator hears that a place does not take checkpoints. */
const TOLD_EVERY_MS = 600_000;
/** How long a stop waits for the last one. */
const STOP_MS_MAX = 5_000;

/** Brings the newest checkpoint to a place. One that cannot be reached is tried again, with what is newest then. */
export class Mirror implements AsyncDisposable {
  readonly #place: CheckpointPlace;
  readonly #clock: Clock;
  readonly #onError: (where: string, error: unknown) => void;
  #newest: string | null = null;
  /** Failures in a row. */
  #failures = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  /** Of the first failure in a row, in steady time. */
  #behindSince: number | null = null;
  #work: Promise<void> | null = null;
  #cancelRetry: Cancel | null = null;
  #isStopped = false;

  constructor(place: CheckpointPlace, clock: Clock, onError: (where: string, error: unknown) => void) {
    this.#place = place;
    this.#clock = clock;
    this.#onError = onError;
  }

  /** For how long the place has taken nothing, in milliseconds; 0 when it took the last one. */
  get behindMs(): number {
    return this.#behindSince === null ? 0 : this.#clock.steady() - this.#behindSince;
  }

  offer(note: string): void {
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
    const cancel = this.#clock.schedule(STOP_MS_MAX, resolve);
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
        await this.#place.write(note);
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#failures = 0;
      this.#behindSince = null;
      if (this.#newest === note) this.#newest = null;
    }
  }

  #fail(error: unknown): void {
    const now = this.#clock.steady();
    this.#behindSince ??= now;
    if (now - this.#toldAt >= TOLD_EVERY_MS) {
      this.#toldAt = now;
      this.#onError(this.#place.where, error);
    }
    if (this.#isStopped) return;
    const delayMs = Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX);
    this.#failures += 1;
    this.#cancelRetry = this.#clock.schedule(delayMs, () => {
      this.#cancelRetry = null;
      this.#start();
    });
  }
}
