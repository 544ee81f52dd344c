import {
  type Attempt,
  type ExportJob,
  isFinal,
  type JobResult,
  type JobState,
  type Lane,
} from '../export/job.ts';
import type { KeyChange, NewLedgerLog } from '../export/ledger-store.ts';
import type { BudgetRule, Rule } from '../export/rules.ts';
import { ENTRY_FORMAT, type EventOf, type LedgerEvent } from '../ledger/entry.ts';
import { address as isAddress } from '../ledger/entry-fields.ts';

/**
 * What a store records of what happens in it. For every store, whatever its tables look like.
 */

/** What is recorded of each export. */
export interface RecordedExport {
  /** Its id. */
  readonly id: string;
  readonly lane: Lane;
  readonly dataBytes: number;
  /** Keyed digest of the payload, 32 bytes; null for an export that was taken in before the store had a ledger. */
  readonly digest: Uint8Array | null;
}

export function acceptedEvent(job: RecordedExport, peer: string | null): LedgerEvent {
  return {
    kind: 'accepted',
    ...exportFields(job),
    bytes: job.dataBytes,
    digest: digestText(job.digest) ?? '',
    // Without the name on the box's network, which nobody vouches for.
    peer: addressOf(peer?.split(' ', 1)[0] ?? null),
  };
}

export interface Redelivered {
  /** The export whose payload is sent again. */
  readonly of: string;
  readonly by: string | null;
}

export function redeliveryEvent(job: RecordedExport, { of, by }: Redelivered): LedgerEvent {
  return {
    kind: 'redelivery',
    ...exportFields(job),
    redelivery_of: of,
    bytes: job.dataBytes,
    digest: digestText(job.digest) ?? '',
    by,
  };
}

export function attemptEvent(job: RecordedExport, attempt: Attempt): LedgerEvent {
  return {
    kind: 'attempt',
    ...exportFields(job),
    number: attempt.number,
    started_at: time(attempt.startedAt),
    bytes: attempt.bytes,
    ...farEnd(attempt),
    status: attempt.status,
    error: attempt.error?.code ?? null,
  };
}

/** How an export ended. */
export interface Outcome {
  readonly state: JobState;
  readonly result: JobResult | null;
  readonly acceptedAt: ExportJob['acceptedAt'];
  readonly attempts: number;
  /** Its last attempt; null when there was none. */
  readonly lastAttempt: LastAttempt | null;
}

export interface LastAttempt {
  readonly address: string | null;
  readonly tlsFingerprint: string | null;
  readonly errorCode: string | null;
}

export function outcomeEvent(job: RecordedExport, outcome: Outcome): LedgerEvent {
  const { state, result, acceptedAt, attempts, lastAttempt } = outcome;
  if (!isFinal(state)) throw new TypeError(`An export that is ${state} has not ended.`);
  return {
    kind: 'outcome',
    ...exportFields(job),
    state,
    bytes: job.dataBytes,
    digest: digestText(job.digest),
    accepted_at: time(acceptedAt),
    attempts,
    ...farEnd(lastAttempt ?? { address: null, tlsFingerprint: null }),
    status: result?.kind === 'answer' ? result.answer.status : null,
    error: result?.kind === 'failure' ? result.failure.code : (lastAttempt?.errorCode ?? null),
  };
}

export function cancelEvent(
  job: RecordedExport,
  result: EventOf<'cancel'>['result'],
  by: string | null,
): LedgerEvent {
  return { kind: 'cancel', ...exportFields(job), result, by };
}

export function ruleEvent(change: EventOf<'rule'>['change'], rule: Rule, by: string | null): LedgerEvent {
  const { limit, unit, per }: Nullable<Pick<BudgetRule, 'limit' | 'unit' | 'per'>> =
    rule.kind === 'budget' ? rule : { limit: null, unit: null, per: null };
  return {
    kind: 'rule',
    change,
    rule: rule.id,
    type: rule.kind,
    app: rule.app,
    destination: rule.destination,
    limit,
    unit,
    per,
    by,
  };
}

type Nullable<T> = { readonly [K in keyof T]: T[K] | null };

export function keyEvent({ purpose, change, publicKey, by }: KeyChange): LedgerEvent {
  return { kind: 'key', purpose, change, public_key: publicKey, by };
}

export function logEvent({ origin, reason, previous }: NewLedgerLog): LedgerEvent {
  return { kind: 'log', format: ENTRY_FORMAT, origin, reason, previous };
}

export function startEvent(version: string): LedgerEvent {
  return { kind: 'start', version };
}

export function erasureEvent(log: string | null, before: number): LedgerEvent {
  return { kind: 'erasure', log, before };
}

function exportFields({ id, lane }: RecordedExport) {
  return { export: id, app: appOf(lane), destination: lane.destination };
}

/** Null: the arbiter's tokens name no app. */
export function appOf({ client }: Lane): string | null {
  return client === '' ? null : client;
}

function digestText(digest: Uint8Array | null): string | null {
  if (digest === null) return null;
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('base64url');
}

function farEnd({ address, tlsFingerprint }: Pick<Attempt, 'address' | 'tlsFingerprint'>) {
  return { address: addressOf(address), tls_fingerprint: tlsFingerprint };
}

/** What the system calls an address in a way that an entry cannot hold is left out: nothing fails for it. */
function addressOf(text: string | null): string | null {
  return isAddress(text) ? text : null;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
