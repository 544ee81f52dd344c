import type { Clock } from './clock.ts';
import type { JobStore } from './job-store.ts';
import type { LedgerStore } from './ledger-store.ts';

/** Jobs in one commit: few enough that the writer's other work does not feel it. */
const STEP_JOBS = 256;
/** Pause between two steps while there is more to do, so that exports go first. */
const STEP_PAUSE_MS = 50;
/** How often to look when nothing is known to be due sooner. */
const INTERVAL_MS = 60_000;
/** How often what was erased is taken out of a store's log: twice in the time that it may stay there. */
const PURGE_INTERVAL_MS = 300_000;
/** How soon to try again while somebody reads an older state of the store. */
const PURGE_RETRY_MS = 10_000;
/** How long erased data may stay in the log before an operator hears of it. */
export const PURGE_MS_MAX = 600_000;

/**
 * A step of deleting finished jobs that have been kept long enough. By steady time: a wall clock that is set forward for
 * a moment must not cost anybody a result.
 *
 * @returns how long to wait before the next step, in milliseconds
 */
export async function deleteOldResults(
  store: Pick<JobStore, 'deleteExpired'>,
  clock: Clock,
  keepResultsMs: number,
): Promise<number> {
  const now = clock.steady();
  const deleted = await store.deleteExpired(now - keepResultsMs, now, STEP_JOBS);
  return deleted < STEP_JOBS ? Math.min(INTERVAL_MS, keepResultsMs) : STEP_PAUSE_MS;
}

/**
 * A step of erasing payloads that have been kept long enough after the end of their exports. Also with a time of 0: a
 * setting that was longer before may have left some.
 *
 * @returns how long to wait before the next step, in milliseconds
 */
export async function eraseOldPayloads(
  store: Pick<JobStore, 'erasePayloads'>,
  clock: Clock,
  keepPayloadsMs: number,
): Promise<number> {
  const hasMore = await store.erasePayloads(clock.steady() - keepPayloadsMs, STEP_JOBS);
  if (hasMore) return STEP_PAUSE_MS;
  return keepPayloadsMs === 0 ? INTERVAL_MS : Math.min(INTERVAL_MS, keepPayloadsMs);
}

/**
 * A step of deleting what the owner has seen for long enough of exports whose results are gone.
 *
 * @returns how long to wait before the next step, in milliseconds
 */
export async function deleteOldHistory(
  store: Pick<JobStore, 'deleteHistory'>,
  clock: Clock,
  keepHistoryMs: number,
): Promise<number> {
  const deleted = await store.deleteHistory(clock.steady() - keepHistoryMs, STEP_JOBS);
  return deleted < STEP_JOBS ? Math.min(INTERVAL_MS, Math.max(keepHistoryMs, STEP_PAUSE_MS)) : STEP_PAUSE_MS;
}

/** How often entries of the ledger are looked at whose time may be over: each time makes an entry. */
const ERASE_ENTRIES_EVERY_MS = 6 * 3_600_000;
const STEP_ENTRIES = 1_000;

/**
 * A step of erasing the texts of entries of the ledger that have been kept long enough.
 *
 * @returns how long to wait before the next step, in milliseconds
 */
export async function eraseOldEntries(
  ledger: Pick<LedgerStore, 'erase'>,
  clock: Clock,
  keepLedgerMs: number,
): Promise<number> {
  const hasMore = await ledger.erase(clock.steady() - keepLedgerMs, clock.now(), STEP_ENTRIES);
  return hasMore ? STEP_PAUSE_MS : Math.min(ERASE_ENTRIES_EVERY_MS, Math.max(keepLedgerMs, STEP_PAUSE_MS));
}

/** Refusals are counted by the minute of the wall clock. */
const REFUSALS_COUNTED_MS = 60_000;

/**
 * A step of recording what rules and settings refused.
 *
 * @returns how long to wait before the next step, in milliseconds: until the minute is over, so that a crash loses no more
 *   than the counts of one
 */
export async function recordRefusals(
  ledger: Pick<LedgerStore, 'recordRefusals'>,
  clock: Clock,
): Promise<number> {
  const now = clock.now();
  await ledger.recordRefusals(now, false);
  const endsAt = now - (now % REFUSALS_COUNTED_MS) + REFUSALS_COUNTED_MS;
  // The store may have taken its time, and the clock may have been set.
  return Math.min(Math.max(endsAt - clock.now(), 0), REFUSALS_COUNTED_MS);
}

/** Takes what was erased out of the store's log, by the clock: also when nothing happens that would overwrite it. */
export class Purge {
  readonly #store: Pick<JobStore, 'purge'>;
  readonly #clock: Clock;
  readonly #onBlocked: (forMs: number) => void;
  #lastDoneAt: number;
  #lastToldAt: number;

  /** @param onBlocked hears when it has not been possible for {@link PURGE_MS_MAX}, and then as often again */
  constructor(store: Pick<JobStore, 'purge'>, clock: Clock, onBlocked: (forMs: number) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onBlocked = onBlocked;
    this.#lastDoneAt = clock.steady();
    this.#lastToldAt = this.#lastDoneAt;
  }

  /** @returns how long to wait before the next step, in milliseconds */
  async step(): Promise<number> {
    const isDone = await this.#store.purge();
    const now = this.#clock.steady();
    if (isDone) {
      this.#lastDoneAt = now;
      this.#lastToldAt = now;
      return PURGE_INTERVAL_MS;
    }
    if (now - this.#lastToldAt >= PURGE_MS_MAX) {
      this.#lastToldAt = now;
      this.#onBlocked(now - this.#lastDoneAt);
    }
    return PURGE_RETRY_MS;
  }
}

/**
 * A step of ending exports that are too old to be tried again.
 *
 * @param ageMsMax how old they may be
 * @returns how long to wait before the next step, in milliseconds
 */
export async function endOldExports(
  store: Pick<JobStore, 'expire'>,
  clock: Clock,
  ageMsMax: number,
): Promise<number> {
  const now = { wall: clock.now(), steady: clock.steady() };
  const { ended, nextAt } = await store.expire(now, STEP_JOBS);
  if (ended === STEP_JOBS) return STEP_PAUSE_MS;
  // What comes meanwhile may be over sooner than what is known now.
  const soonest = nextAt === null ? ageMsMax : Math.min(nextAt - now.steady, ageMsMax);
  return Math.min(Math.max(soonest, STEP_PAUSE_MS), INTERVAL_MS);
}
