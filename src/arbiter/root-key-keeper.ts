import type { Cancel, Clock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import { retryDelayMs } from '../export/retry-policy.ts';
import { ArbiterError } from './arbiter-error.ts';
import type { ArbiterConnection } from './arbiter-watch.ts';

export interface RootKeyKeeperParts {
  /** Asks the arbiter once. */
  readonly ask: (signal: AbortSignal) => Promise<Uint8Array>;
  /** Keeps a connection to it, and tells each time it has come about. */
  readonly watch: (onConnected: () => void) => ArbiterConnection;
  readonly clock: Clock;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
  readonly observer: RootKeyObserver;
}

export interface RootKeyObserver {
  /** The arbiter gave a key: tokens are signed with it from now on. */
  gotKey(key: Uint8Array): void;
  /** It gave none; it is asked again so much later. */
  gotNone(error: unknown, retryMs: number): void;
}

/** Waits after an ask that brought no key: 1 s, 6 s, then 24 s each, ±20 %. */
const BACKOFF = { retryBaseMs: 1_000 };
const BACKOFF_STEPS = 3;
/** After a key, a connection that was lost and is back leads to an ask this much later at the earliest. */
export const RECONNECTION_PAUSE_MS = 60_000;

/**
 * Keeps the root key in step with the arbiter. Asking changes the key, and an arbiter that restarted signs nothing until
 * it is asked; so it is asked at the start, when the lost connection to it is back, and when the owner says so. It never
 * is because of a health check or a bad token: anybody could have the key changed then.
 */
export class RootKeyKeeper implements AsyncDisposable {
  readonly #parts: RootKeyKeeperParts;
  readonly #ending = new AbortController();
  #watch: ArbiterConnection | null = null;
  /** The ask that is under way: whoever wants a key meanwhile gets that one's. */
  #underWay: Promise<Uint8Array> | null = null;
  /** When the next ask is due, in steady time. */
  #dueAt: number | null = null;
  #cancel: Cancel = () => {};
  /** Asks in a row that brought no key. */
  #failures = 0;
  #lastError: unknown = null;
  #keyAt = Number.NEGATIVE_INFINITY;
  #connections = 0;
  /** The connection came back while an ask was under way, which may have been lost with it. */
  #lostMeanwhile: 'no' | 'first' | 'again' = 'no';

  constructor(parts: RootKeyKeeperParts) {
    this.#parts = parts;
  }

  /** Begins to ask. */
  start(): void {
    this.#watch = this.#parts.watch(() => this.#connected());
    this.#askAt(this.#now);
  }

  /** Whether the connection to the arbiter is up. */
  get isConnected(): boolean {
    return this.#watch?.isConnected ?? false;
  }

  /** Why the last ask brought no key; null when it did, or is the first and under way. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /**
   * Asks now. An ask that is under way is not asked again.
   *
   * @throws ArbiterError, ExportError `shutting_down`
   */
  refresh(): Promise<Uint8Array> {
    this.#underWay ??= this.#ask().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancel();
    this.#ending.abort(new ExportError('shutting_down', 'The service is stopping. Try again in a moment.'));
    this.#watch?.[Symbol.dispose]();
    await this.#underWay?.catch(() => {});
  }

  get #now(): number {
    return this.#parts.clock.steady();
  }

  async #ask(): Promise<Uint8Array> {
    const { ask, observer } = this.#parts;
    this.#lostMeanwhile = 'no';
    this.#unschedule();
    const { signal } = this.#ending;
    try {
      signal.throwIfAborted();
      const key = await ask(signal);
      this.#succeeded();
      observer.gotKey(key);
      return key;
    } catch (error) {
      if (!signal.aborted) observer.gotNone(error, this.#failed(error));
      throw error;
    }
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#lastError = null;
    this.#keyAt = this.#now;
    if (this.#lostMeanwhile === 'first') this.#askAt(this.#now);
    else if (this.#lostMeanwhile === 'again') this.#askAt(this.#keyAt + RECONNECTION_PAUSE_MS);
  }

  /** @returns how long until the next ask */
  #failed(error: unknown): number {
    this.#failures += 1;
    this.#lastError = error;
    const delayMs = retryDelayMs(this.#failures, BACKOFF, this.#parts.random(), null, BACKOFF_STEPS);
    this.#askAt(this.#now + (this.#lostMeanwhile === 'first' ? 0 : delayMs));
    return (this.#dueAt ?? this.#now) - this.#now;
  }

  #connected(): void {
    const connectionsBefore = this.#connections;
    this.#connections += 1;
    const isReconnection = connectionsBefore > 0;
    const isFirst = connectionsBefore === 1;
    if (this.#underWay !== null) {
      if (isReconnection) this.#lostMeanwhile = isFirst ? 'first' : 'again';
    } else if (this.#isOutOfReach || isFirst) this.#askAt(this.#now);
    else if (isReconnection && this.#failures === 0) this.#askAt(this.#keyAt + RECONNECTION_PAUSE_MS);
  }

  /** Whether we wait to ask again because there was no connection: now there is one. */
  get #isOutOfReach(): boolean {
    return this.#lastError instanceof ArbiterError && !this.#lastError.wasReached;
  }

  /** Of several times the soonest counts. */
  #askAt(time: number): void {
    if (this.#ending.signal.aborted || (this.#dueAt !== null && this.#dueAt <= time)) return;
    this.#unschedule();
    this.#dueAt = time;
    this.#cancel = this.#parts.clock.schedule(time - this.#now, () => {
      this.refresh().catch(() => {}); // The observer has heard of it.
    });
  }

  #unschedule(): void {
    this.#cancel();
    this.#dueAt = null;
  }
}
