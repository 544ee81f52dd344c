import type {
  Attempt,
  AttemptError,
  ExportJob,
  FailureCode,
  FinalState,
  JobResult,
  JobState,
  Lane,
} from './job.ts';
import type { LaneReport } from './lane-health.ts';
import type { KeyChange, LedgerStore } from './ledger-store.ts';
import type { OwnerStore } from './owner-store.ts';
import type { Rule } from './rules.ts';

export type RuleKind = Rule['kind'];

/**
 * Where jobs are kept. Every method is one atomic, durable step: when its promise resolves, the change is on disk.
 * No connection and no transaction is exposed, and what arrives at the same time may share one commit.
 *
 * Every method rejects with an {@link ExportError}: `store_full` (nothing was changed) or `store_unavailable`
 * (it may or may not have been). What every store promises is written down as `store/job-store.contract.ts`.
 */
export interface JobStore extends AsyncDisposable {
  /**
   * Gives the store the keys that it encrypts payloads and answers with, and tells whether payloads stay after the end.
   * Before that only `secrets` can be used.
   */
  unlock(keys: StoreKeys, retention: PayloadRetention): Promise<void>;

  /** Adds all jobs or none. */
  insert(jobs: readonly NewJob[], limits: InsertLimits): Promise<InsertResult>;

  /**
   * The jobs with these ids, in order; null for an id that is not there. For a `viewer` a job of somebody else's is not
   * there either, and to find that out is the same work: nobody can tell the two apart by the time it takes.
   */
  get(ids: readonly string[], viewer?: JobViewer): Promise<(ExportJob | null)[]>;

  /**
   * Claims up to `count` jobs of a lane for sending: what is due, in the order of acceptance. From a lane whose
   * destination is down nothing is claimed before its pause is over, and then one job at a time.
   */
  claim(lane: Lane, request: ClaimRequest): Promise<Claim>;

  /**
   * Records how an attempt ended, erases the payload if that was the end and payloads do not stay, and claims further
   * jobs of the lane in the same step. A job that would wait for another attempt ends as this one did if it is too old by
   * now and not held. Without the current lease nothing changes and `settled` is false; the claim happens.
   */
  settle(settlement: Settlement, next: ClaimRequest): Promise<{ settled: boolean; next: Claim }>;

  /** Prolongs leases that are still current; the others are left as they are. */
  extendLeases(leases: readonly HeldLease[], expiresAt: number): Promise<void>;

  /**
   * Takes back at most `limit` jobs whose lease ran out: their attempts are recorded as `answer_unknown`, they are
   * queued again in their old place. Resolves to the lanes that have work again.
   */
  rescue(now: Now, limit: number): Promise<LaneBacklog[]>;

  /**
   * For the start of the one process that uses the store: takes back whatever was claimed, as `rescue` does, before
   * anything is sent. Times are moved as far as the clock was set since they were written, and what lasts longer than
   * `longest` nevertheless, by a clock that was wrong, ends there. Resolves to the number of jobs taken back.
   */
  recover(now: Now, longest: LongestWaits): Promise<number>;

  /**
   * The same moment as the store counts steady time: it goes on over starts, whatever the wall clock is set to, and is one
   * for all processes that use the store. For times that are kept in secrets, which `recover` cannot move. To be asked after
   * `recover`.
   */
  storeTime(steady: number): number;

  /**
   * Ends at most `limit` queued and waiting jobs whose time is over, as their last attempt ended; fewer when their
   * payloads are large. Resolves to the number ended, and when the next one is to be.
   */
  expire(now: Now, limit: number): Promise<{ ended: number; nextAt: number | null }>;

  /** Every lane that has unfinished jobs. For the start: the dispatcher keeps track from there on. */
  busyLanes(now: number): Promise<LaneBacklog[]>;

  /**
   * Takes at most `limit` jobs that finished before `finishedBefore` (steady, as in what follows) from the apps: their results are deleted, and `get`
   * knows them no more. Their owner still sees that they were. Idempotency keys that had their time go too, as many.
   * Resolves to the larger of the two numbers: `limit` means that there may be more.
   */
  deleteExpired(finishedBefore: number, now: number, limit: number): Promise<number>;

  /** Deletes at most `limit` of these with every trace, when they finished before `finishedBefore`. Resolves to their number. */
  deleteHistory(finishedBefore: number, limit: number): Promise<number>;

  /** The payload of a job; null when it was erased, cannot be opened, or the job is not there. */
  payload(id: string): Promise<Uint8Array | null>;

  /**
   * Erases payloads of at most `limit` jobs that finished before `finishedBefore`; fewer when they are large. Resolves to
   * whether there may be more.
   */
  erasePayloads(finishedBefore: number, limit: number): Promise<boolean>;

  /**
   * Takes what was erased so far out of whatever else the store keeps it in, its log above all. Resolves to whether all
   * of it is gone; if not, somebody reads an older state of the store, and it is to be tried again.
   */
  purge(): Promise<boolean>;

  /** The attempts of a job, in order; empty for an unknown one. */
  attempts(id: string): Promise<Attempt[]>;

  /** Calls `listener` after each commit with the ids of the jobs that are new or in another state. Returns how to stop it. */
  onChange(listener: (ids: readonly string[]) => void): () => void;

  /**
   * Calls `listener` after each commit with the jobs that ended in it, however they did, and before whoever asked for that
   * hears of it. Each end is told once; one that a crash of ours cut off may not be. Returns how to stop it.
   */
  onEnded(listener: (ended: readonly EndedJob[]) => void): () => void;

  /**
   * What an operator looks at. It waits for no write, not even for one that hangs, and costs microseconds however much is
   * queued.
   */
  figures(): Promise<StoreFigures>;

  /** A trivial round trip, for readiness; rejects when the store cannot be written to. */
  ping(): Promise<void>;

  /** Small named secrets, already encrypted by the caller. */
  readonly secrets: SecretStore;

  /** What the owner sees and decides. */
  readonly owner: OwnerStore;

  /** The record of what left, and of who decided so; written by each of the methods here, in its own step. */
  readonly ledger: LedgerStore;
}

/** An export that has just ended: what is counted and logged of it. Never its data, nor what the destination said. */
export interface EndedJob {
  readonly id: string;
  readonly lane: Lane;
  readonly state: FinalState;
  readonly dataBytes: number;
  /** Those that were made. */
  readonly attempts: number;
  /** Wall clock, as is `finishedAt`. */
  readonly acceptedAt: number;
  readonly finishedAt: number;
  /** Of the answer that ended it; null when none did. */
  readonly status: number | null;
  /** Why no answer ended it; null when one did. */
  readonly failure: FailureCode | null;
}

/** How many unfinished exports there are, and where they stand. */
export interface StoreTotals {
  readonly queued: number;
  readonly sending: number;
  readonly waiting: number;
  /** Lanes that have unfinished exports. */
  readonly busyLanes: number;
  /** Lanes whose destination is down. */
  readonly pausedLanes: number;
  /** The owner's rules, by kind. */
  readonly rules: Readonly<Record<RuleKind, number>>;
}

export interface StoreFigures extends StoreTotals {
  /** When the oldest export that has not ended was accepted, by the wall clock; null when all have. */
  readonly oldestAcceptedAt: number | null;
  /** What exports and the ledger take; what is free inside the store's file does not count. */
  readonly usedBytes: number;
  /** Above it new exports are refused; null where there is no ceiling. */
  readonly bytesMax: number | null;
  /** Left on the disk of the store; null where that cannot be known. */
  readonly diskFreeBytes: number | null;
  /** Entries of the ledger's present log. */
  readonly ledgerEntries: number;
  /** For how long the commit under way has been so, in milliseconds; 0 when none is. */
  readonly commitUnderWayMs: number;
}

/** Hears of the store's commits. */
export interface CommitObserver {
  /** `operations` shared a commit that took so long. */
  committed(operations: number, ms: number): void;
  /** A commit failed; nothing of it happened, or nobody knows. */
  commitFailed(): void;
}

/** What a store encrypts with; 32 bytes each. They are derived from the master key, which is not in the store. */
export interface StoreKeys {
  /** For the keys of payloads: each has one of its own. */
  readonly payloadKeys: Uint8Array;
  /** For what destinations said. */
  readonly answers: Uint8Array;
}

export interface PayloadRetention {
  /** False erases a payload in the step that ends its job; true leaves it to `erasePayloads`. */
  readonly keepsPayloads: boolean;
}

/** Whose jobs are looked for. */
export interface JobViewer {
  readonly client: string;
  /** The only destination; null for any. */
  readonly destination: string | null;
}

export interface SecretStore {
  get(name: string): Promise<Uint8Array | null>;
  /**
   * Stores `value` unless the name is taken; resolves to what is stored then, so that of two the first wins. What that
   * makes of keys is recorded, if it was stored.
   */
  putIfAbsent(name: string, value: Uint8Array, record?: KeyRecord | null): Promise<Uint8Array>;
  /**
   * Stores `value` in place of `expected`, null meaning that there is none yet; resolves to false, with nothing changed,
   * when something else is stored. So who reads, changes and writes overwrites nobody else's change. What that makes of
   * keys is recorded, if it was stored.
   */
  replace(
    name: string,
    expected: Uint8Array | null,
    value: Uint8Array,
    record?: KeyRecord | null,
  ): Promise<boolean>;
}

/**
 * Changes of keys to be recorded in the ledger, in the step of the write that they are about; when the ledger begins, if it
 * has not yet.
 */
export interface KeyRecord {
  readonly changes: readonly KeyChange[];
  /** Wall clock. */
  readonly now: number;
}

export interface NewJob {
  readonly id: string;
  readonly lane: Lane;
  /** Who handed it in, as `peerText` writes it; null when that is not known. */
  readonly peer: string | null;
  /** The exact bytes for the destination. */
  readonly data: Uint8Array;
  readonly attemptsMax: number;
  readonly acceptedAt: number;
  /** When it is too old to be tried again, in steady time. */
  readonly expiresAt: number;
  readonly idempotency: IdempotencyKey | null;
  /**
   * Claim it in the same commit, until then in steady time, if it is the first of its lane. So a job that finds its
   * lane free costs no commit of its own before it is sent, and what may have been sent is still on disk before it is.
   */
  readonly claimUntil: number | null;
}

export interface IdempotencyKey {
  readonly key: string;
  /** Of everything that must be the same under this key; keyed, because an unkeyed hash of a small payload can be guessed. */
  readonly digest: Uint8Array;
  /** The key is forgotten then, in steady time, or when the job ends if that is later. */
  readonly expiresAt: number;
}

export interface InsertLimits {
  /** Unfinished jobs a lane may have. */
  readonly pendingMax: number;
  /** False takes in repeats of known idempotency keys only: whoever asks for a new one finds no seat to wait on. */
  readonly acceptsNew: boolean;
  readonly now: Now;
}

export type InsertResult =
  | { readonly kind: 'inserted'; readonly jobs: readonly Inserted[] }
  /** Nothing was added; `index` is the first job that could not be. */
  | {
      readonly kind: 'refused';
      readonly reason: InsertRefusal;
      readonly index: number;
      /** Of a budget: when there is more of it, by the wall clock. */
      readonly retryAt?: number;
    };

/** `store_full`: the store has reached its ceiling. */
export type InsertRefusal =
  | 'blocked_by_owner'
  | 'idempotency_mismatch'
  | 'too_many_waiting'
  | 'too_many_pending'
  | 'budget_exhausted'
  | 'store_full';

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
  /** Failures of the lane's destination in a row, as known at the claim. */
  readonly laneFailures: number;
}

/** How long anything may last from now on, in milliseconds. */
export interface LongestWaits {
  /** A job's wait for its next attempt, and a lane's pause. */
  readonly retryMs: number;
  /** A job, until it is too old to be tried again. */
  readonly ageMs: number;
  /** An idempotency key. */
  readonly keyMs: number;
}

/** Both of the clock's times. */
export interface Now {
  readonly wall: number;
  readonly steady: number;
}

export interface ClaimRequest {
  /** How many at most; 0 only asks what there is. */
  readonly count: number;
  readonly now: Now;
  /** Steady time. */
  readonly leaseExpiresAt: number;
}

export interface HeldLease {
  readonly id: string;
  readonly lease: Lease;
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
  /** When the next one can be, in steady time; null when nobody knows yet, or nothing is left. */
  readonly nextDueAt: number | null;
  /** Whether the lane waits for its destination to be well: a new job changes nothing about that. */
  readonly isPaused: boolean;
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
        readonly state: Extract<FinalState, 'delivered' | 'undeliverable'>;
        readonly result: JobResult;
        readonly laneReport: LaneReport;
        readonly attempt: Attempt;
      }
    | {
        readonly kind: 'waiting';
        readonly nextAttemptAt: number;
        /** Whether it is due as soon as its destination is found well. */
        readonly returnsWithLane: boolean;
        readonly lastError: AttemptError;
        /** How it ends if nothing better follows. */
        readonly result: JobResult;
        readonly laneReport: LaneReport;
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
  'blocked',
  'cancelled',
] as const satisfies JobState[];
