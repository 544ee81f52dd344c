import type { Cancel, Clock } from './clock.ts';

export interface ChoreParts {
  readonly clock: Clock;
  /** Does a small step and resolves to how long to wait before the next, in milliseconds. */
  readonly step: () => Promise<number>;
  readonly onError: (error: unknown) => void;
}

/** How long to wait after a step that failed. */
const RETRY_MS = 60_000;

/** Something to be done again and again beside the real work. */
export class Chore implements AsyncDisposable {
  readonly #parts: ChoreParts;
  #cancel: Cancel | null = null;
  #step: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: ChoreParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#next(0);
  }

  /** Lets a step under way end; none follows. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#step;
  }

  #next(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.#parts.clock.schedule(delayMs, () => {
      this.#step = this.#run();
    });
  }

  async #run(): Promise<void> {
    let delayMs = RETRY_MS;
    try {
      delayMs = await this.#parts.step();
    } catch (error) {
      this.#parts.onError(error);
    }
    this.#next(delayMs);
  }
}
