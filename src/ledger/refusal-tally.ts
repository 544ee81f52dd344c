import type { EventOf } from './entry.ts';

/** A new export that was refused. */
export interface Refusal {
  /** The error's code, as the app was told it. */
  readonly code: string;
  /** The rule's id; null when it was a setting. */
  readonly rule: string | null;
  readonly app: string | null;
  readonly destination: string;
  readonly bytes: number;
}

/** Kinds of refusals that are told apart in a minute; all further ones of a code count together. */
export const REFUSALS_TOLD_APART_MAX = 256;
/**
 * What tells them apart (code, rule, app and destination) takes at most so much in a minute, as JSON in UTF-8: an app may
 * choose destinations of 8 KiB. Of 256 as people name them it is about 40 KiB.
 */
export const REFUSALS_TOLD_APART_BYTES_MAX = 64 * 1_024;

const MINUTE_MS = 60_000;

type Refused = EventOf<'refused'>;

/**
 * Counts refusals by code, rule, app, destination and minute, so that an app that asks in a loop makes an entry a minute
 * and not one a request. What is counted is lost in a crash; nothing of it had been taken in.
 */
export class RefusalTally {
  #minute = 0;
  readonly #counts = new Map<string, Refused>();
  /** Of the keys of those told apart. */
  #bytes = 0;

  /**
   * Counts one.
   *
   * @param now wall clock
   * @returns the events of the minute before, when this is the first refusal of another one
   */
  add(refusal: Refusal, now: number): Refused[] {
    const ended = this.take(now);
    if (this.#counts.size === 0) this.#minute = minuteOf(now);
    const { code, rule, app, destination, bytes } = refusal;
    const own = JSON.stringify([code, rule, app, destination]);
    if (this.#counts.has(own) || this.#takeRoom(own)) {
      this.#count(own, { code, rule, app, destination, others: false }, bytes);
    } else {
      this.#count(code, { code, rule: null, app: null, destination: null, others: true }, bytes);
    }
    return ended;
  }

  /** The events of a minute that is over at `now` (or has not come yet: the clock was set back), which count no more. */
  take(now: number): Refused[] {
    return minuteOf(now) === this.#minute ? [] : this.takeAll();
  }

  /** Everything that is counted: for a stop. */
  takeAll(): Refused[] {
    const events = [...this.#counts.values()];
    this.#counts.clear();
    this.#bytes = 0;
    return events;
  }

  #takeRoom(own: string): boolean {
    const bytes = this.#bytes + Buffer.byteLength(own);
    if (this.#counts.size >= REFUSALS_TOLD_APART_MAX || bytes > REFUSALS_TOLD_APART_BYTES_MAX) return false;
    this.#bytes = bytes;
    return true;
  }

  #count(key: string, refused: Omit<Refused, 'kind' | 'minute' | 'count' | 'bytes'>, bytes: number): void {
    const minute = new Date(this.#minute).toISOString();
    const before = this.#counts.get(key) ?? { kind: 'refused', minute, ...refused, count: 0, bytes: 0 };
    this.#counts.set(key, { ...before, count: before.count + 1, bytes: before.bytes + bytes });
  }
}

function minuteOf(now: number): number {
  return Math.floor(now / MINUTE_MS) * MINUTE_MS;
}
