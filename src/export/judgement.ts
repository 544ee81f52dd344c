import {
  ANSWER_UNKNOWN,
  type Answer,
  type AttemptError,
  type AttemptOutcome,
  type FinalState,
  type JobResult,
} from './job.ts';
import type { ClaimedJob } from './job-store.ts';
import { type LaneReport, NO_REPORT, reportOf } from './lane-health.ts';
import { isRetriedStatus, type RetryPolicy, retryDelayMs } from './retry-policy.ts';

/** What an attempt makes of its job, and what it says of the lane. */
export type Verdict =
  | {
      readonly kind: 'finished';
      readonly state: Extract<FinalState, 'delivered' | 'undeliverable'>;
      readonly result: JobResult;
      readonly laneReport: LaneReport;
    }
  | {
      readonly kind: 'waiting';
      readonly nextAttemptAt: number;
      /** Whether it is due again as soon as its destination is found well. */
      readonly returnsWithLane: boolean;
      readonly lastError: AttemptError;
      readonly result: JobResult;
      readonly laneReport: LaneReport;
    }
  /** Ours to repeat: back to the queue, no attempt spent. */
  | { readonly kind: 'released' };

/** What the judgement of an attempt looks at. */
export type JudgedJob = Pick<ClaimedJob, 'attemptsMax' | 'attemptsSpent' | 'laneFailures'>;

/**
 * Decides what becomes of `job` after an attempt. Pure: time and chance are given. Whether it is too old to be tried
 * again is for the store to say, which knows whether it is held.
 *
 * @param now steady time
 */
export function judgeAttempt(
  job: JudgedJob,
  outcome: AttemptOutcome,
  policy: RetryPolicy,
  now: number,
  random: number,
): Verdict {
  if (outcome.kind === 'stopped') return { kind: 'released' };
  const result = resultOf(outcome);
  if (outcome.kind === 'refused') return undeliverable(result, NO_REPORT);
  const laneReport = reportOf(job.laneFailures, outcome, policy, now, random);
  const lastError = attemptError(outcome);
  if (lastError === null) return { kind: 'finished', state: 'delivered', result, laneReport };
  const spent = job.attemptsSpent + 1;
  if (spent >= job.attemptsMax) return undeliverable(result, laneReport);
  const retryAfterMs = outcome.kind === 'answered' ? outcome.retryAfterMs : null;
  const dueAt = now + retryDelayMs(spent, policy, random, retryAfterMs);
  const isLaneDown = laneReport.kind === 'down';
  return {
    kind: 'waiting',
    nextAttemptAt: isLaneDown ? Math.max(dueAt, laneReport.pausedUntil) : dueAt,
    returnsWithLane: isLaneDown && retryAfterMs === null,
    lastError,
    result,
    laneReport,
  };
}

function resultOf(outcome: Exclude<AttemptOutcome, { kind: 'stopped' }>): JobResult {
  return outcome.kind === 'answered'
    ? { kind: 'answer', answer: outcome.answer }
    : { kind: 'failure', failure: outcome.failure };
}

function undeliverable(result: JobResult, laneReport: LaneReport): Verdict {
  return { kind: 'finished', state: 'undeliverable', result, laneReport };
}

function answerError(answer: Answer): AttemptError {
  return { code: 'http_status', detail: `The destination answered ${answer.status}.` };
}

/** How an attempt ended, in the words in which it is kept; null when it ended the export well. */
export function attemptError(outcome: AttemptOutcome): AttemptError | null {
  switch (outcome.kind) {
    case 'answered':
      return isRetriedStatus(outcome.answer.status) ? answerError(outcome.answer) : null;
    case 'failed':
    case 'refused':
      return outcome.failure;
    case 'stopped':
      return ANSWER_UNKNOWN;
  }
}
