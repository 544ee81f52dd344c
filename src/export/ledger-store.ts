import type { ErrorCode } from './errors.ts';
import type { Lane } from './job.ts';

/**
 * The record of what left the box, as a store keeps it: logs that only grow, one to an instance, written in the
 * transactions of the changes that they are about. What is in an entry, and how the hashes above it are made, is in
 * `src/ledger`; docs/ledger.md explains both.
 */
export interface LedgerStore {
  /** Every log of the store, in the order in which they began. */
  logs(): Promise<readonly LedgerLog[]>;

  /** The root of the first `size` entries of a log that has as many. */
  rootAt(origin: string, size: number): Promise<Uint8Array>;

  /**
   * From now on what happens is recorded: in a new log, or in the newest one of this instance. Records that the service
   * began to run, and before that the changes of keys that came earlier. Until then nothing else that is to be recorded
   * can happen.
   */
  begin(beginning: LedgerBeginning): Promise<void>;

  /** Calls `listener` after each commit that appended, with the number of entries. Returns how to stop it. */
  onAppended(listener: (size: number) => void): () => void;

  /**
   * Keeps the newest checkpoint, if one is given, and resolves to the head of what is durable by now.
   *
   * @param isKept whether it is to stay when newer ones come, so that a rewritten entry can be narrowed down
   */
  head(
    checkpoint: { readonly note: string; readonly size: number; readonly isKept: boolean } | null,
  ): Promise<LedgerHead>;

  /** Entries of a log in its order, from number `from` on; fewer than `limit` at its end. Never holds anybody else up. */
  entries(origin: string, from: number, limit: number): Promise<readonly LedgerEntryRecord[]>;

  /** Where the end of an export is recorded; null for one that has not ended, or that nobody knows. */
  outcome(exportId: string): Promise<LedgerPlace | null>;

  /** An entry and the hashes that prove it to be one of the log's first `size`. */
  proof(
    place: LedgerPlace,
    size: number,
  ): Promise<LedgerEntryRecord & { readonly proof: readonly Uint8Array[] }>;

  /**
   * Counts new exports that never came as far as {@link JobStore.insert}, as a setting of the service refuses them. What
   * rules refuse there, the store counts by itself.
   *
   * @param now wall clock
   */
  refused(refused: readonly RefusedExport[], now: number): Promise<void>;

  /**
   * Records the refusals of minutes that are over at `now` (wall clock); of the present one too when it `isLast`. They are
   * counted in memory until then.
   */
  recordRefusals(now: number, isLast: boolean): Promise<void>;

  /**
   * Erases the texts of at most `limit` entries that were written before `before` (wall clock), and records that. Their
   * hashes stay. A clock that has gone on for more than a week since the entry before this start was wrong, for all that
   * anybody can tell: then so much less is erased. Resolves to whether there may be more.
   */
  erase(before: number, now: number, limit: number): Promise<boolean>;
}

/** A new export that a setting refused. */
export interface RefusedExport {
  readonly lane: Lane;
  /** The error's code, as the app is told it. */
  readonly code: ErrorCode;
  /** Of its data. */
  readonly bytes: number;
}

export interface LedgerLog {
  /** Whose it is; of the logs of one instance only the last is written to. */
  readonly instance: string;
  readonly origin: string;
  /** `NAME+ID+KEY`. */
  readonly verifierKey: string;
  readonly size: number;
  /** The last signed checkpoint that the store was told of; null when none was signed. */
  readonly checkpoint: string | null;
}

export interface LedgerBeginning {
  readonly instance: string;
  /** Null goes on with the newest log of the instance. */
  readonly newLog: NewLedgerLog | null;
  /** Of the service. */
  readonly version: string;
  /** Wall clock. */
  readonly now: number;
}

export interface NewLedgerLog {
  readonly origin: string;
  readonly verifierKey: string;
  readonly reason: 'first_log' | 'no_outside_head' | 'store_behind';
  readonly previous: {
    readonly origin: string;
    readonly checkpoint: string | null;
    readonly kept: number;
  } | null;
}

/** A key came or went. */
export interface KeyChange {
  readonly purpose: 'root' | 'signing' | 'ledger' | 'master';
  readonly change: 'made' | 'fetched' | 'given' | 'resumed' | 'rotated' | 'dropped' | 'retired';
  /** Of those that have a public part; null for the others. */
  readonly publicKey: string | null;
  /** The identifier of the owner's token that asked for it; null when nobody did, or the token named nobody. */
  readonly by: string | null;
}

export interface LedgerHead {
  readonly size: number;
  readonly root: Uint8Array;
}

export interface LedgerPlace {
  readonly origin: string;
  readonly index: number;
}

export interface LedgerEntryRecord {
  readonly index: number;
  /** The very text that was hashed; null once it is erased. */
  readonly text: string | null;
  readonly leafHash: Uint8Array;
}
