import type { Cancel, Clock } from './clock.ts';
import type { JobStore } from './job-store.ts';

export interface SweeperParts {
  readonly store: Pick<JobStore, 'deleteExpired'>;
  readonly clock: Clock;
  /** How long a finished job is kept, in milliseconds. */
  readonly keepResultsMs: number;
  readonly onError: (error: unknown) => void;
}

const SWEEP_INTERVAL_MS = 60_000;
/** Jobs deleted in one commit: few enough that the writer's other work does not feel it. */
const SWEEP_STEP_JOBS = 256;
/** Pause between two steps, so that exports go first. */
const SWEEP_PAUSE_MS = 50;

/** Deletes finished jobs that have been kept long enough, in small steps. */
export class ResultSweeper implements AsyncDisposable {
  readonly #parts: SweeperParts;
  #cancel: Cancel | null = null;
  #step: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#next(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#step;
  }

  #next(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.schedule(delayMs, () => {
      this.#step = this.#sweep();
    });
  }

  async #sweep(): Promise<void> {
    const { store, clock, keepResultsMs, onError } = this.#parts;
    try {
      const now = clock.now();
      const deleted = await store.deleteExpired(now - keepResultsMs, now, SWEEP_STEP_JOBS);
      this.#next(deleted < SWEEP_STEP_JOBS ? SWEEP_INTERVAL_MS : SWEEP_PAUSE_MS);
    } catch (error) {
      onError(error);
      this.#next(SWEEP_INTERVAL_MS);
    }
  }
}
