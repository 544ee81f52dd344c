import type { AttemptOutcome } from './job.ts';
import { type RetryPolicy, retryDelayMs } from './retry-policy.ts';

/**
 * How a lane's destination does. A destination that is down is asked by one export at a time, after a pause that grows
 * with every failure, while the others wait and use up no attempt.
 */
export interface LaneHealth {
  /** Failures of the destination in a row; 0 when it is well. */
  readonly failures: number;
  /** Nothing is sent before then, in steady time. */
  readonly pausedUntil: number;
}

/** What an attempt says of its lane's destination. */
export type LaneReport =
  /** Nothing: it never got there, or began before what is known now. */
  | { readonly kind: 'none' }
  | { readonly kind: 'up'; readonly failuresBefore: number }
  | { readonly kind: 'down'; readonly failuresBefore: number; readonly pausedUntil: number };

export const NO_REPORT: LaneReport = { kind: 'none' };

/** The pause climbs the schedule's first four steps: to 10 minutes. */
const PAUSE_STEPS = 4;

/** Whether the destination is down, and not just one export that it cannot digest: no complete answer, or one of these. */
function isDown(outcome: AttemptOutcome): boolean {
  if (outcome.kind !== 'answered') return true;
  return [429, 502, 503, 504].includes(outcome.answer.status);
}

/**
 * @param failuresBefore the lane's failures when the attempt was claimed
 * @param now steady time
 */
export function reportOf(
  failuresBefore: number,
  outcome: AttemptOutcome,
  policy: RetryPolicy,
  now: number,
  random: number,
): LaneReport {
  if (!isDown(outcome)) return { kind: 'up', failuresBefore };
  const retryAfterMs = outcome.kind === 'answered' ? outcome.retryAfterMs : null;
  const pauseMs = retryDelayMs(failuresBefore + 1, policy, random, retryAfterMs, PAUSE_STEPS);
  return { kind: 'down', failuresBefore, pausedUntil: now + pauseMs };
}

/**
 * The lane's health after a report. A report that began before the last change is news of yesterday and changes
 * nothing: of several attempts that fail together the first one pauses the lane, and one that succeeds late does not
 * wake it.
 */
export function healthAfter(health: LaneHealth, report: LaneReport): LaneHealth {
  if (report.kind === 'none' || report.failuresBefore !== health.failures) return health;
  if (report.kind === 'up') return WELL;
  return { failures: health.failures + 1, pausedUntil: report.pausedUntil };
}

export const WELL: LaneHealth = { failures: 0, pausedUntil: 0 };
