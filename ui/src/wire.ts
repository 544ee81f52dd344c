/** What the service answers to its owner (the interface, section 5). */

export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page; null on the last one. */
  readonly next: string | null;
}

export type ExportState = 'Pending' | 'Processing' | 'Finished';
export type Outcome = 'delivered' | 'undeliverable' | 'blocked' | 'cancelled';

export interface Attempt {
  readonly number: number;
  readonly started_at: string;
  readonly ended_at: string;
  readonly address: string | null;
  readonly tls_fingerprint?: string | null;
  readonly status: number | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

export interface OwnedExport {
  readonly id: string;
  /** Null: the token named no app. */
  readonly app: string | null;
  /** Who handed it in: an address, and in brackets its name on the box's network. It proves nothing about the app. */
  readonly peer: string | null;
  readonly destination: string;
  readonly state: ExportState;
  readonly outcome: Outcome | null;
  readonly bytes: number;
  readonly accepted_at: string;
  readonly finished_at: string | null;
  readonly attempts: readonly Attempt[];
  readonly held_by: string | null;
  readonly redelivery_of: string | null;
}

export interface Outcomes {
  readonly delivered: number;
  readonly undeliverable: number;
  readonly blocked: number;
  readonly cancelled: number;
  /** Not ended yet. */
  readonly open: number;
}

/** What one app sent to one destination within a period. */
export interface LaneSum {
  readonly app: string | null;
  readonly destination: string;
  readonly accepted: number;
  readonly outcomes: Outcomes;
  readonly bytes: number;
  readonly first_at: string;
  readonly last_at: string;
}

export type RuleKind = 'block' | 'hold' | 'budget';

export interface RuleTarget {
  /** Left out: every app. */
  readonly app?: string;
  /** A URL, or an origin; left out: every destination. */
  readonly destination?: string;
}

export interface Budget {
  readonly limit: number;
  readonly unit: 'bytes' | 'exports';
  readonly per: 'hour' | 'day';
}

export type NewRule = RuleTarget & { readonly note?: string } & (
    | { readonly kind: 'block' | 'hold' }
    | ({ readonly kind: 'budget' } & Budget)
  );

export type Rule = NewRule & { readonly id: string; readonly created_at: string };

export interface LedgerLog {
  readonly origin: string;
  readonly verifier_key: string;
  readonly size: number;
}

export interface LedgerItem {
  readonly index: number;
  /** The very text that was hashed; null once it is erased. */
  readonly entry: string | null;
  readonly leaf_hash: string;
}
