import type {
  Answer,
  AttemptError,
  AttemptOutcome,
  ExportJob,
  Failure,
  FinalState,
  JobResult,
} from './job.ts';

export interface RetryPolicy {
  /** The wait after the first failure in milliseconds; the whole schedule is scaled by it. Default 5,000. */
  readonly retryBaseMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Waits after the 1st, 2nd, … spent attempt (interface, section 6); the last one repeats. */
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
 * How long to wait after the `attemptsSpent`-th attempt (1 or more) failed, in milliseconds.
 *
 * @param random a number in [0, 1)
 * @param retryAfterMs what the destination asked for; the longer of the two waits counts
 */
export function retryDelayMs(
  attemptsSpent: number,
  policy: RetryPolicy,
  random: number,
  retryAfterMs: number | null,
): number {
  const step = Math.min(Math.max(attemptsSpent, 1), RETRY_SCHEDULE_MS.length) - 1;
  const scheduledMs = (RETRY_SCHEDULE_MS[step] ?? 0) * (policy.retryBaseMs / RETRY_BASE_DEFAULT_MS);
  const jitteredMs = scheduledMs * (1 - JITTER + 2 * JITTER * random);
  return Math.round(Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, RETRY_AFTER_MS_MAX)));
}

/** What an attempt makes of its job. */
export type Verdict =
  | { readonly kind: 'finished'; readonly state: FinalState; readonly result: JobResult }
  | { readonly kind: 'waiting'; readonly nextAttemptAt: number; readonly lastError: AttemptError }
  /** Ours to repeat: back to the queue, no attempt spent. */
  | { readonly kind: 'released' };

/** Decides what becomes of `job` after an attempt. Pure: time and chance are given. */
export function judgeAttempt(
  job: Pick<ExportJob, 'attemptsMax' | 'attemptsSpent'>,
  outcome: AttemptOutcome,
  policy: RetryPolicy,
  now: number,
  random: number,
): Verdict {
  switch (outcome.kind) {
    case 'stopped':
      return { kind: 'released' };
    case 'refused':
      return undeliverable({ kind: 'failure', failure: outcome.failure });
    case 'answered':
      if (!isRetriedStatus(outcome.answer.status)) {
        return { kind: 'finished', state: 'delivered', result: { kind: 'answer', answer: outcome.answer } };
      }
      return retryOrEnd(
        answerError(outcome.answer),
        { kind: 'answer', answer: outcome.answer },
        outcome.retryAfterMs,
      );
    case 'failed':
      return retryOrEnd(outcome.failure, { kind: 'failure', failure: outcome.failure }, null);
  }

  function retryOrEnd(lastError: AttemptError, result: JobResult, retryAfterMs: number | null): Verdict {
    const spent = job.attemptsSpent + 1;
    if (spent >= job.attemptsMax) return undeliverable(result);
    return {
      kind: 'waiting',
      nextAttemptAt: now + retryDelayMs(spent, policy, random, retryAfterMs),
      lastError,
    };
  }
}

function undeliverable(result: JobResult): Verdict {
  return { kind: 'finished', state: 'undeliverable', result };
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
      return outcome.failure satisfies Failure;
    case 'stopped':
      return { code: 'answer_unknown', detail: 'We stopped before the answer came; it may have been sent.' };
  }
}
