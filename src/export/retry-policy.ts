export interface RetryPolicy {
  /** The wait after the first failure in milliseconds; the whole schedule is scaled by it. Default 5,000. */
  readonly retryBaseMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits after the 1st, 2nd, … failure (interface, section 6); the last one repeats. */
const RETRY_SCHEDULE_MS = [
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
] as const;
const RETRY_BASE_DEFAULT_MS = RETRY_SCHEDULE_MS[0];
/** Every wait is drawn from ±20 % around the schedule's, so that what failed together does not return together. */
const JITTER = 0.2;
/** A destination may ask for a longer wait, but not for ever. */
const RETRY_AFTER_MS_MAX = 24 * HOUR;

/** Whether an answer with this status is tried again: 408, 425, 429 and 5xx other than 501 and 505. */
export function isRetriedStatus(status: number): boolean {
  if (status === 408 || status === 425 || status === 429) return true;
  return status >= 500 && status <= 599 && status !== 501 && status !== 505;
}

/**
 * How long to wait after the `failures`-th failure (1 or more), in milliseconds.
 *
 * @param random a number in [0, 1)
 * @param retryAfterMs what the destination asked for; the longer of the two waits counts
 * @param steps how many steps of the schedule there are to climb; all when left out
 */
export function retryDelayMs(
  failures: number,
  policy: RetryPolicy,
  random: number,
  retryAfterMs: number | null,
  steps: number = RETRY_SCHEDULE_MS.length,
): number {
  const step = Math.min(Math.max(failures, 1), steps) - 1;
  const scheduledMs = (RETRY_SCHEDULE_MS[step] ?? 0) * (policy.retryBaseMs / RETRY_BASE_DEFAULT_MS);
  const jitteredMs = scheduledMs * (1 - JITTER + 2 * JITTER * random);
  return Math.round(Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX)));
}

/** The longest wait that this policy can lead to. What waits longer waits by a clock that was wrong. */
export function retryDelayMsMax(policy: RetryPolicy): number {
  return retryDelayMs(RETRY_SCHEDULE_MS.length, policy, 1, RETRY_AFTER_MS_MAX);
}
