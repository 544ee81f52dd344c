import type { AttemptPhase, AttemptTiming } from '../export/deliverer.ts';

/** Where the time of one attempt goes: one phase after the other, each until the next one begins. */
export class PhaseTimes {
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #phases: Partial<Record<AttemptPhase, number>> = {};
  #phase: AttemptPhase | null = null;
  #since = 0;

  /** @param now milliseconds since any moment, with fractions; it never goes back */
  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** A phase that begins again, since a connection turned out to be closed, counts as one. */
  begin(phase: AttemptPhase): void {
    this.#close(this.#now());
    this.#phase = phase;
  }

  /** The attempt is over, and with it the phase that it was in. */
  end(): AttemptTiming {
    const now = this.#now();
    this.#close(now);
    this.#phase = null;
    return { totalMs: now - this.#startedAt, phases: { ...this.#phases } };
  }

  #close(now: number): void {
    if (this.#phase !== null)
      this.#phases[this.#phase] = (this.#phases[this.#phase] ?? 0) + now - this.#since;
    this.#since = now;
  }
}
