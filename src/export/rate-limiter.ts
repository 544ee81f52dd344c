import type { Clock } from './clock.ts';

export interface RateLimiterOptions {
  /** What a client may have per second, on average; 0 lets everything pass. */
  readonly perSecond: number;
  readonly clock: Clock;
  /** Clients that are kept track of; {@link CLIENTS_MAX} when left out. */
  readonly clientsMax?: number;
}

/**
 * Beyond this the client that was quiet for longest starts anew. A box has tens of apps, and only the box can make a new
 * client (the identifier is signed), so nobody gains by it.
 */
export const CLIENTS_MAX = 10_000;

/** A bucket counts thousandths: at `perSecond` a second that is a whole number a millisecond. */
const THOUSANDTHS = 1_000;

interface Bucket {
  /** What is left to spend, in thousandths; below 0 after a batch that was larger than a second's worth. */
  readonly left: number;
  /** When it was so, in steady time. */
  readonly at: number;
}

/**
 * A token bucket for each client that holds a second's worth. What is more than that at once (a batch) passes when the
 * bucket is full, and is paid off afterwards: so the average holds, and no batch is too large for ever.
 */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #clientsMax: number;
  /** Full ones need not be there. The one used longest ago comes first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor({ perSecond, clock, clientsMax = CLIENTS_MAX }: RateLimiterOptions) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#clientsMax = clientsMax;
  }

  /**
   * Lets `count` of a client pass, or none of them.
   *
   * @returns 0 when they pass; otherwise the milliseconds after which as many would
   */
  take(client: string, count: number): number {
    if (this.#perSecond === 0) return 0;
    const now = this.#clock.steady();
    const left = this.#left(client, now);
    const needed = Math.min(count, this.#perSecond) * THOUSANDTHS;
    if (left < needed) return Math.ceil((needed - left) / this.#perSecond);
    this.#keep(client, { left: left - count * THOUSANDTHS, at: now });
    return 0;
  }

  #left(client: string, now: number): number {
    const full = this.#perSecond * THOUSANDTHS;
    const bucket = this.#buckets.get(client);
    if (bucket === undefined) return full;
    return Math.min(full, bucket.left + (now - bucket.at) * this.#perSecond);
  }

  #keep(client: string, bucket: Bucket): void {
    // Again at the end: a map keeps the order of insertion.
    this.#buckets.delete(client);
    this.#buckets.set(client, bucket);
    if (this.#buckets.size <= this.#clientsMax) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}
