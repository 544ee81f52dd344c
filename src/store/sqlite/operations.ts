import type { Lane } from '../../export/job.ts';
import type {
  Claim,
  ClaimRequest,
  EndedJob,
  HeldLease,
  InsertLimits,
  InsertResult,
  KeyRecord,
  LaneBacklog,
  LongestWaits,
  NewJob,
  Now,
  PayloadRetention,
  Settlement,
  StoreKeys,
  StoreTotals,
} from '../../export/job-store.ts';
import type { LedgerBeginning, LedgerHead, RefusedExport } from '../../export/ledger-store.ts';
import type { CancelResult, RedeliverResult, Redelivery, RuleRemoval } from '../../export/owner-store.ts';
import type { Rule } from '../../export/rules.ts';
import type { SignedCheckpoint } from './ledger-writer.ts';

/**
 * What the store asks of its writer thread. Each operation is a step of one transaction; those that arrive together
 * share it.
 */
export type Operation =
  | { readonly kind: 'insert'; readonly jobs: readonly NewJob[]; readonly limits: InsertLimits }
  | { readonly kind: 'claim'; readonly lane: Lane; readonly request: ClaimRequest }
  | { readonly kind: 'settle'; readonly settlement: Settlement; readonly next: ClaimRequest }
  | { readonly kind: 'extendLeases'; readonly leases: readonly HeldLease[]; readonly expiresAt: number }
  | { readonly kind: 'rescue'; readonly now: Now; readonly limit: number }
  | { readonly kind: 'recover'; readonly now: Now; readonly longest: LongestWaits }
  | { readonly kind: 'expire'; readonly now: Now; readonly limit: number }
  | { readonly kind: 'busyLanes'; readonly now: number }
  | {
      readonly kind: 'deleteExpired';
      readonly finishedBefore: number;
      readonly now: number;
      readonly limit: number;
    }
  | { readonly kind: 'deleteHistory'; readonly finishedBefore: number; readonly limit: number }
  | { readonly kind: 'rules' }
  | { readonly kind: 'addRule'; readonly rule: Rule; readonly by: string | null }
  | {
      readonly kind: 'removeRule';
      readonly id: string;
      readonly now: Now;
      readonly notExpiredBefore: number;
      readonly by: string | null;
    }
  | { readonly kind: 'endBlocked'; readonly now: Now; readonly limit: number }
  | { readonly kind: 'cancel'; readonly id: string; readonly now: Now; readonly by: string | null }
  | {
      readonly kind: 'redeliver';
      readonly id: string;
      readonly as: Redelivery;
      readonly limits: InsertLimits;
      readonly by: string | null;
    }
  | {
      readonly kind: 'putSecret';
      readonly name: string;
      readonly value: Uint8Array;
      readonly record: KeyRecord | null;
    }
  | {
      readonly kind: 'replaceSecret';
      readonly name: string;
      readonly expected: Uint8Array | null;
      readonly value: Uint8Array;
      readonly record: KeyRecord | null;
    }
  | { readonly kind: 'beginLedger'; readonly beginning: LedgerBeginning }
  | { readonly kind: 'ledgerHead'; readonly checkpoint: SignedCheckpoint | null }
  | { readonly kind: 'countRefused'; readonly refused: readonly RefusedExport[]; readonly now: number }
  | { readonly kind: 'recordRefusals'; readonly now: number; readonly isLast: boolean }
  | { readonly kind: 'eraseLedger'; readonly before: number; readonly now: number; readonly limit: number }
  | { readonly kind: 'unlock'; readonly keys: StoreKeys; readonly retention: PayloadRetention }
  | { readonly kind: 'erasePayloads'; readonly finishedBefore: number; readonly limit: number }
  /** No step of a transaction: it is asked for by itself. */
  | { readonly kind: 'purge' }
  | { readonly kind: 'ping' };

/** What each kind of operation results in. */
export interface Results {
  insert: InsertResult;
  claim: Claim;
  settle: { settled: boolean; next: Claim };
  extendLeases: undefined;
  rescue: LaneBacklog[];
  recover: Recovery;
  expire: { ended: number; nextAt: number | null };
  busyLanes: LaneBacklog[];
  deleteExpired: number;
  deleteHistory: number;
  rules: readonly Rule[];
  addRule: readonly Rule[] | null;
  removeRule: RuleRemoval | null;
  endBlocked: number;
  cancel: CancelResult;
  redeliver: RedeliverResult;
  putSecret: Uint8Array;
  replaceSecret: boolean;
  beginLedger: undefined;
  ledgerHead: LedgerHead;
  countRefused: undefined;
  recordRefusals: undefined;
  eraseLedger: boolean;
  unlock: undefined;
  erasePayloads: boolean;
  purge: boolean;
  ping: undefined;
}

export interface Recovery {
  /** Jobs that were taken back. */
  readonly jobs: number;
  /** What steady times have been moved by at all starts together. */
  readonly movedMs: number;
}

export type ResultOf<O extends Operation> = Results[O['kind']];

/** What the writer knows by heart, after a commit. */
export interface WriterTotals extends StoreTotals {
  readonly ledgerEntries: number;
}

export interface BatchDone {
  /** Of the operations in order. What has none was not begun, and is to be asked for again. */
  readonly results: readonly Results[Operation['kind']][];
  /** The jobs whose state the batch changed. */
  readonly changed: readonly string[];
  /** The jobs that it ended. */
  readonly ended: readonly EndedJob[];
  readonly totals: WriterTotals;
  /** How many entries the ledger has now; null when the batch added none. */
  readonly ledgerSize: number | null;
}
