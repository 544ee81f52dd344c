import type { Cancel, Clock } from '../../src/export/clock.ts';

/** A clock that stands still until it is turned. */
export class ManualClock implements Clock {
  #now: number;
  /** How far the wall clock is from the steady one. */
  #jumpedMs = 0;
  readonly #tasks = new Set<{ readonly at: number; readonly run: () => void }>();

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  /** Tasks that are still to run. */
  get scheduled(): number {
    return this.#tasks.size;
  }

  /** How long from now each scheduled task has to wait, in milliseconds. */
  get pendingMs(): number[] {
    return [...this.#tasks].map(({ at }) => at - this.#now);
  }

  now(): number {
    return this.#now + this.#jumpedMs;
  }

  steady(): number {
    return this.#now;
  }

  /** Sets the wall clock forward or back, as a person or NTP may; no time passes. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  schedule(delayMs: number, run: () => void): Cancel {
    const task = { at: this.#now + Math.max(delayMs, 0), run };
    this.#tasks.add(task);
    return () => {
      this.#tasks.delete(task);
    };
  }

  /** Moves time on and runs what falls due on the way, in order, each at its own time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
      this.#tasks.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
  }

  #nextUntil(end: number) {
    const due = [...this.#tasks].filter(({ at }) => at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }
}
