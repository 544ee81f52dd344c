import type { Clock } from './clock.ts';
import type { JobStore } from './job-store.ts';

/** Jobs in one commit: few enough that the writer's other work does not feel it. */
const STEP_JOBS = 256;
/** Pause between two steps while there is more to do, so that exports go first. */
const STEP_PAUSE_MS = 50;
/** How often to look when nothing is known to be due sooner. */
const INTERVAL_MS = 60_000;

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
 * A step of ending exports that are too old to be tried again.
 *
 * @returns how long to wait before the next step, in milliseconds
 */
export async function endOldExports(store: Pick<JobStore, 'expire'>, clock: Clock): Promise<number> {
  const now = { wall: clock.now(), steady: clock.steady() };
  const { ended, nextAt } = await store.expire(now, STEP_JOBS);
  if (ended === STEP_JOBS) return STEP_PAUSE_MS;
  return nextAt === null ? INTERVAL_MS : Math.min(Math.max(nextAt - now.steady, STEP_PAUSE_MS), INTERVAL_MS);
}
