import type { Attempt, AttemptError, ExportJob, FinalState, JobResult, JobState, Lane } from './job.ts';

/**
 * Where jobs are kept. Every method is one atomic, durable step: when its promise resolves, the change is on disk.
 * No connection and no transaction is exposed, and what arrives at the same time may share one commit.
 *
 * Every method rejects with an {@link ExportError}: `store_full` (nothing was changed) or `store_unavailable`
 * (it may or may not have been). What every store promises is written down as `store/job-store.contract.ts`.
 */
export interface JobStore extends AsyncDisposable {
  /** Adds all jobs or none. */
  insert(jobs: readonly NewJob[], limits: InsertLimits): Promise<InsertResult>;

  /** The jobs with these ids, in order; null for an id that is not there. */
  get(ids: readonly string[]): Promise<(ExportJob | null)[]>;

  /**
   * Claims up to `count` jobs of a lane for sending: what is due again first, then what is queued, in the order of
   * acceptance.
   */
  claim(lane: Lane, count: number, now: number): Promise<Claim>;

  /**
   * Records how an attempt ended, erases the payload if that was the end, and claims up to `claimNext` further jobs of
   * the lane in the same step. Without the current lease nothing changes and `settled` is false; the claim happens.
   */
  settle(settlement: Settlement, claimNext: number, now: number): Promise<{ settled: boolean; next: Claim }>;

  /**
   * Takes back what a process that is gone had claimed: its attempts are recorded as `answer_unknown`, its jobs are
   * queued again in their old place. For a store that this process alone uses; called once, before anything is sent.
   * Resolves to the number of jobs taken back.
   */
  recover(now: number): Promise<number>;

  /** Every lane that has unfinished jobs. For the start: the dispatcher keeps track from there on. */
  busyLanes(now: number): Promise<LaneBacklog[]>;

  /**
   * Deletes at most `limit` jobs that finished before `finishedBefore`, and idempotency keys that have had their time.
   * Resolves to the number of jobs deleted: `limit` means that there may be more.
   */
  deleteExpired(finishedBefore: number, now: number, limit: number): Promise<number>;

  /** The attempts of a job, in order; empty for an unknown one. */
  attempts(id: string): Promise<Attempt[]>;

  /** Calls `listener` after each commit with the ids of the jobs whose state it changed. Returns how to stop it. */
  onChange(listener: (ids: readonly string[]) => void): () => void;

  /** A trivial round trip, for readiness; rejects when the store cannot be written to. */
  ping(): Promise<void>;

  /** Small named secrets, already encrypted by the caller. */
  readonly secrets: SecretStore;
}

export interface SecretStore {
  get(name: string): Promise<Uint8Array | null>;
  /** Stores `value` unless the name is taken; resolves to what is stored then, so that of two the first wins. */
  putIfAbsent(name: string, value: Uint8Array): Promise<Uint8Array>;
}

export interface NewJob {
  readonly id: string;
  readonly lane: Lane;
  /** The exact bytes for the destination. */
  readonly data: Uint8Array;
  readonly attemptsMax: number;
  readonly acceptedAt: number;
  readonly idempotency: IdempotencyKey | null;
  /**
   * Claim it in the same commit, if it is then the first of its lane. So a job that finds its lane free costs no
   * commit of its own before it is sent, and what may have been sent is still on disk before it is.
   */
  readonly claim: boolean;
}

export interface IdempotencyKey {
  readonly key: string;
  /** Of everything that must be the same under this key; keyed, because an unkeyed hash of a small payload can be guessed. */
  readonly digest: Uint8Array;
  /** The key is forgotten then, or when the job ends if that is later. */
  readonly expiresAt: number;
}

export interface InsertLimits {
  /** Unfinished jobs a lane may have. */
  readonly pendingMax: number;
}

export type InsertResult =
  | { readonly kind: 'inserted'; readonly jobs: readonly Inserted[] }
  /** Nothing was added; `index` is the first job that could not be. */
  | {
      readonly kind: 'refused';
      readonly reason: 'idempotency_mismatch' | 'too_many_pending';
      readonly index: number;
    };

export interface Inserted {
  /** The job as it is now: an earlier one when its idempotency key was known. */
  readonly job: ExportJob;
  readonly isRepeat: boolean;
  /** There when it was claimed in the same commit. */
  readonly claimed: ClaimedJob | null;
}

/** A worker's hold on a job. Only who has the current lease may settle it. */
export type Lease = number;

export interface ClaimedJob {
  readonly id: string;
  readonly lane: Lane;
  readonly lease: Lease;
  readonly data: Uint8Array;
  readonly attemptsMax: number;
  readonly attempts: number;
  readonly attemptsSpent: number;
  readonly acceptedAt: number;
}

export interface Claim {
  readonly jobs: readonly ClaimedJob[];
  /** What the lane still has to send. */
  readonly backlog: LaneBacklog;
}

export interface LaneBacklog {
  readonly lane: Lane;
  /** Whether a job could be claimed at once. */
  readonly hasDue: boolean;
  /** When the next waiting job is due; null when none waits. */
  readonly nextDueAt: number | null;
}

interface Settled {
  readonly id: string;
  readonly lane: Lane;
  readonly lease: Lease;
}

export type Settlement = Settled &
  (
    | {
        readonly kind: 'finished';
        readonly state: FinalState;
        readonly result: JobResult;
        readonly attempt: Attempt;
      }
    | {
        readonly kind: 'waiting';
        readonly nextAttemptAt: number;
        readonly lastError: AttemptError;
        readonly attempt: Attempt;
      }
    /** Given back unspent; with the attempt when the destination may have seen it. */
    | { readonly kind: 'released'; readonly attempt: Attempt | null }
  );

/** Every state in the order in which stores number them. Append only: the numbers are on disk. */
export const JOB_STATES = [
  'queued',
  'sending',
  'waiting',
  'delivered',
  'undeliverable',
] as const satisfies JobState[];
