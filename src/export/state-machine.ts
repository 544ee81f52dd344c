import assert from 'node:assert/strict';
import { ANSWER_UNKNOWN, type AttemptError, type JobResult, type JobState } from './job.ts';
import type { Lease, Now, Settlement } from './job-store.ts';

/**
 * Every way a job moves, by name: from which states to which. Stores write what these functions say, and the property
 * test walks them at random. docs/state-machine.md is the same in words.
 */
export const TRANSITIONS = {
  accept: { from: [], to: 'queued' },
  claim: { from: ['queued', 'waiting'], to: 'sending' },
  deliver: { from: ['sending'], to: 'delivered' },
  retry: { from: ['sending'], to: 'waiting' },
  give_up: { from: ['sending'], to: 'undeliverable' },
  release: { from: ['sending'], to: 'queued' },
  rescue: { from: ['sending'], to: 'queued' },
  expire: { from: ['queued', 'waiting'], to: 'undeliverable' },
  block: { from: ['queued', 'waiting'], to: 'blocked' },
  cancel: { from: ['queued', 'waiting'], to: 'cancelled' },
} as const satisfies Record<string, { from: readonly JobState[]; to: JobState }>;

export type Transition = keyof typeof TRANSITIONS;

/** What of a job changes over its life. Times are steady, but for `claimedAt` and `finishedAt`, which people see. */
export interface Progress {
  readonly state: JobState;
  readonly attempts: number;
  readonly attemptsSpent: number;
  readonly lease: Lease | null;
  readonly leaseExpiresAt: number | null;
  readonly claimedAt: number | null;
  readonly nextAttemptAt: number | null;
  readonly returnsWithLane: boolean;
  readonly lastError: AttemptError | null;
  /** Of the last attempt that ended by itself; the job's own once it has ended. */
  readonly result: JobResult | null;
  readonly finishedAt: number | null;
  /** When it ended, in steady time: how long it is kept counts from then. */
  readonly keptSince: number | null;
  /** The owner took it back while it was being sent: it ends as soon as it is not. */
  readonly isCancelled: boolean;
}

const ACCEPTED: Progress = {
  state: 'queued',
  attempts: 0,
  attemptsSpent: 0,
  lease: null,
  leaseExpiresAt: null,
  claimedAt: null,
  nextAttemptAt: null,
  returnsWithLane: false,
  lastError: null,
  result: null,
  finishedAt: null,
  keptSince: null,
  isCancelled: false,
};

/** A new job. */
export function accept(): Progress {
  return ACCEPTED;
}

export interface NewLease {
  readonly lease: Lease;
  /** Steady time. */
  readonly leaseExpiresAt: number;
  /** Wall-clock time. */
  readonly claimedAt: number;
}

/** A worker takes the job to send it. Nobody else may settle it as long as the lease lasts. */
export function claim(job: Progress, { lease, leaseExpiresAt, claimedAt }: NewLease): Progress {
  return {
    ...move(job, 'claim'),
    lease,
    leaseExpiresAt,
    claimedAt,
    nextAttemptAt: null,
    returnsWithLane: false,
  };
}

/**
 * The worker says how the attempt ended; null when its lease is no longer the job's: then nothing happens.
 *
 * @param now steady time
 */
export function settle(job: Progress, settlement: Settlement, now: number): Progress | null {
  if (job.state !== 'sending' || job.lease !== settlement.lease) return null;
  switch (settlement.kind) {
    case 'finished':
      return {
        ...spent(move(job, settlement.state === 'delivered' ? 'deliver' : 'give_up')),
        result: settlement.result,
        finishedAt: settlement.attempt.endedAt,
        keptSince: now,
      };
    case 'waiting':
      return {
        ...spent(move(job, 'retry')),
        nextAttemptAt: settlement.nextAttemptAt,
        returnsWithLane: settlement.returnsWithLane,
        lastError: settlement.lastError,
        result: settlement.result,
      };
    case 'released':
      return { ...move(job, 'release'), attempts: job.attempts + (settlement.attempt === null ? 0 : 1) };
  }
}

/**
 * The worker is gone: its lease ran out, or its process died. The attempt is listed, because the destination may have
 * seen it, and is not spent, because nobody knows its outcome.
 */
export function rescue(job: Progress): { progress: Progress; error: AttemptError } {
  return { progress: { ...move(job, 'rescue'), attempts: job.attempts + 1 }, error: ANSWER_UNKNOWN };
}

/** The job is not tried again: its age is over, or `why`. It ends as its last attempt did. */
export function expire(job: Progress, now: Now, why: JobResult = EXPIRED): Progress {
  return {
    ...move(job, 'expire'),
    nextAttemptAt: null,
    returnsWithLane: false,
    result: job.result ?? why,
    finishedAt: now.wall,
    keptSince: now.steady,
  };
}

/** How the owner stops a job: a rule, or this one job's cancel. */
export type Stop = 'block' | 'cancel';

const STOPPED: Readonly<Record<Stop, JobResult>> = {
  block: {
    kind: 'failure',
    failure: { code: 'blocked_by_owner', detail: 'The owner of the box does not let it leave.' },
  },
  cancel: {
    kind: 'failure',
    failure: { code: 'cancelled', detail: 'The owner of the box took it back.' },
  },
};

/** The owner stops a job that is not being sent. It ends with that, whatever its last attempt said. */
export function stop(job: Progress, how: Stop, now: Now): Progress {
  return {
    ...move(job, how),
    nextAttemptAt: null,
    returnsWithLane: false,
    result: STOPPED[how],
    finishedAt: now.wall,
    keptSince: now.steady,
  };
}

/** The owner takes back a job that is being sent: the attempt is stopped if it has not begun, and no other follows. */
export function requestCancel(job: Progress): Progress {
  assert(job.state === 'sending', `A job that is ${job.state} is cancelled at once.`);
  return { ...job, isCancelled: true };
}

const EXPIRED: JobResult = {
  kind: 'failure',
  failure: { code: 'expired', detail: 'Its time was over before it was delivered (--age-max).' },
};

/** Its data is gone from a damaged store, or was changed there: it must not stand in the way of the others. */
export const DATA_LOST: JobResult = {
  kind: 'failure',
  failure: {
    code: 'expired',
    detail: 'Its data is lost or cannot be opened any more: the store was damaged or changed.',
  },
};

function spent(job: Progress): Progress {
  return { ...job, attempts: job.attempts + 1, attemptsSpent: job.attemptsSpent + 1 };
}

/** Moves a job along an arrow of the machine; along any other is our own mistake. */
function move(job: Progress, name: Transition): Progress {
  const { from, to } = TRANSITIONS[name];
  assert((from as readonly JobState[]).includes(job.state), `A job that is ${job.state} cannot ${name}.`);
  return { ...job, state: to, lease: null, leaseExpiresAt: null };
}
