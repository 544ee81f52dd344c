import type { Cancel, Clock } from '../../export/clock.ts';

export interface HeartbeatParts {
  readonly clock: Clock;
  readonly intervalMs: number;
  /**
   * Counts the signs that the other side is there: any change is one. Null when it could not give any, because we do not
   * listen for reasons of our own.
   */
  readonly signs: () => number | null;
  /** Asks for a sign. */
  readonly ask: () => void;
  /** There was none from one beat to the next. */
  readonly onSilence: () => void;
}

/**
 * Finds out whether the other side is still there: one that has lost its power or its network says nothing, and its
 * connection stays open for ever.
 */
export class Heartbeat implements Disposable {
  readonly #parts: HeartbeatParts;
  #signs: number | null = null;
  #cancel: Cancel;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
    this.#cancel = this.#next();
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }

  #next(): Cancel {
    return this.#parts.clock.schedule(this.#parts.intervalMs, () => this.#beat());
  }

  #beat(): void {
    const signs = this.#parts.signs();
    if (signs !== null && signs === this.#signs) {
      this.#parts.onSilence();
      return;
    }
    this.#signs = signs;
    this.#cancel = this.#next();
    this.#parts.ask();
  }
}
