import type { Attempt, ExportJob } from './job.ts';
import type { InsertLimits, InsertResult, LaneBacklog, NewJob, Now } from './job-store.ts';
import type { Rule } from './rules.ts';

/**
 * What the owner sees and decides. A rule counts from the commit that holds it: no later claim gives out a job that it
 * stops, and no later insert takes one in.
 */
export interface OwnerStore {
  /** All rules, the oldest first. */
  rules(): Promise<readonly Rule[]>;

  /**
   * Adds a rule. Resolves to all rules as they are from this step on; null when there were {@link RULES_MAX} already.
   *
   * @param by the identifier of the owner's token, for the ledger here and below; null when it named nobody
   */
  addRule(rule: Rule, by?: string | null): Promise<readonly Rule[] | null>;

  /**
   * Removes a rule. Of lanes that are no longer held nothing expires before `notExpiredBefore` (steady).
   * Null when there is no such rule.
   */
  removeRule(id: string, now: Now, notExpiredBefore: number, by?: string | null): Promise<RuleRemoval | null>;

  /**
   * Ends at most `limit` queued and waiting jobs that a block stops; fewer when their payloads are large. Resolves to their
   * number: 0 means that there are no more.
   */
  endBlocked(now: Now, limit: number): Promise<number>;

  /** Takes one job back: see {@link CancelResult}. */
  cancel(id: string, now: Now, by?: string | null): Promise<CancelResult>;

  /**
   * Takes the payload of an earlier job in once more, as a new job of the same lane with as many attempts: judged, in one
   * step, by what new jobs are judged by.
   */
  redeliver(id: string, as: Redelivery, limits: InsertLimits, by?: string | null): Promise<RedeliverResult>;

  /** Exports, the newest first, those too whose results apps can no longer read. Never holds anybody else up. */
  list(query: ExportQuery): Promise<ExportPage>;

  /** One of them; null for an unknown one. */
  find(id: string): Promise<OwnedExport | null>;

  /** What was accepted from `since` on and before `until` (wall clock), by app and destination. */
  summary(since: number, until: number): Promise<readonly LaneSummary[]>;
}

export interface RuleRemoval {
  /** All that are left, from this step on. */
  readonly rules: readonly Rule[];
  /** What may send again. */
  readonly lanes: readonly LaneBacklog[];
}

/**
 * - `cancelled`: it has ended with that.
 * - `requested`: it is being sent; if its request is not open yet it ends, otherwise when the attempt does.
 * - `finished`: it had ended before.
 * - `unknown`: there is none.
 */
export type CancelResult = 'cancelled' | 'requested' | 'finished' | 'unknown';

/** What a new job has of its own that repeats an earlier one. */
export type Redelivery = Pick<NewJob, 'id' | 'acceptedAt' | 'expiresAt'>;

/** `unknown`: there is no such job; `erased`: its payload is not kept, or is lost. */
export type RedeliverResult = InsertResult | { readonly kind: 'unknown' | 'erased' };

/** As the app sees it: `pending` before the first attempt, `processing` until the end. */
export type Phase = 'pending' | 'processing' | 'finished';

export interface ExportQuery {
  /** Of this app; null for all. */
  readonly app: string | null;
  /** To this URL or origin, as in a rule; null for all. */
  readonly destination: string | null;
  readonly phase: Phase | null;
  /** From a page's `next`; null for the newest. */
  readonly before: string | null;
  /** At least 1. */
  readonly limit: number;
}

export interface ExportPage {
  readonly items: readonly OwnedExport[];
  /** For the page after this one; null when there is nothing more. */
  readonly next: string | null;
}

/** An export as its owner sees it. Its result has no body: what a destination answered is the app's. */
export interface OwnedExport {
  readonly job: ExportJob;
  /** Who handed it in, as `peerText` writes it; null when that is not on record. It proves nothing about the app. */
  readonly peer: string | null;
  readonly attempts: readonly Attempt[];
  /** The rule that keeps it from leaving; null when none does. */
  readonly heldBy: string | null;
  /** The export that this one repeats; null for one of an app. */
  readonly redeliveryOf: string | null;
}

export interface LaneSummary {
  readonly app: string;
  readonly destination: string;
  /** How many were accepted, and of these how many ended how; the others have not ended. */
  readonly accepted: number;
  readonly delivered: number;
  readonly undeliverable: number;
  readonly blocked: number;
  readonly cancelled: number;
  /** Of the data of all that were accepted. */
  readonly bytes: number;
  /** When the first and the last was accepted. */
  readonly firstAt: number;
  readonly lastAt: number;
}
