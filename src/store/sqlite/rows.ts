import type { SQLOutputValue } from 'node:sqlite';
import {
  type Attempt,
  type AttemptError,
  type ExportJob,
  type FailureCode,
  isFinal,
  type JobResult,
  type JobState,
} from '../../export/job.ts';
import { JOB_STATES } from '../../export/job-store.ts';
import type { Progress } from '../../export/state-machine.ts';
import type { SealedText } from './sealed-text.ts';

export type Row = Record<string, SQLOutputValue>;

export const STATE = Object.fromEntries(JOB_STATES.map((state, number) => [state, number])) as Record<
  JobState,
  number
>;

/** What {@link toJob} reads; to be followed by a WHERE clause. */
export const SELECT_JOB = `
  SELECT j.*, l.client, l.destination, a.body, a.truncated
  FROM jobs j JOIN lanes l ON l.id = j.lane LEFT JOIN answers a ON a.job = j.seq`;

export function toJob(row: Row, texts: SealedText): ExportJob {
  const state = toState(row);
  const id = toUuid(row.id as Uint8Array);
  return {
    id,
    lane: { client: String(row.client), destination: String(row.destination) },
    state,
    dataBytes: Number(row.data_bytes),
    attemptsMax: Number(row.attempts_max),
    attempts: Number(row.attempts),
    attemptsSpent: Number(row.attempts_spent),
    acceptedAt: Number(row.accepted_at),
    nextAttemptAt: toNumberOrNull(row.next_attempt_at),
    lastError: texts.openError(id, toAttemptError(row.last_error_code, row.last_error_detail)),
    finishedAt: toNumberOrNull(row.finished_at),
    result: isFinal(state) ? openResult(row, id, texts) : null,
  };
}

/**
 * What of a job changes over its life. What the destination said stays as it is stored, sealed, and an answer's body is
 * not read at all: a transition replaces an error and a result or carries them over as they are.
 */
export function toProgress(row: Row): Progress {
  return {
    state: toState(row),
    attempts: Number(row.attempts),
    attemptsSpent: Number(row.attempts_spent),
    lease: toNumberOrNull(row.lease),
    leaseExpiresAt: toNumberOrNull(row.lease_expires_at),
    claimedAt: toNumberOrNull(row.claimed_at),
    nextAttemptAt: toNumberOrNull(row.next_attempt_at),
    returnsWithLane: row.returns_with_lane === 1,
    lastError: toAttemptError(row.last_error_code, row.last_error_detail),
    result: toResult(row),
    finishedAt: toNumberOrNull(row.finished_at),
    keptSince: toNumberOrNull(row.kept_since),
    isCancelled: row.is_cancelled === 1,
  };
}

/** @param row with the export's `id` */
export function toAttempt(row: Row, texts: SealedText): Attempt {
  return {
    number: Number(row.number),
    startedAt: Number(row.started_at),
    endedAt: Number(row.ended_at),
    address: toTextOrNull(row.address),
    tlsFingerprint: toTextOrNull(row.tls_fingerprint),
    bytes: toNumberOrNull(row.bytes),
    status: toNumberOrNull(row.status),
    error: texts.openError(toUuid(row.id as Uint8Array), toAttemptError(row.error_code, row.error_detail)),
  };
}

function toState(row: Row): JobState {
  const state = JOB_STATES[Number(row.state)];
  if (state === undefined) throw new Error(`The store holds a job of the unknown state ${row.state}.`);
  return state;
}

function toResult(row: Row): JobResult | null {
  if (row.result_code !== null) {
    const failure = { code: String(row.result_code) as FailureCode, detail: String(row.result_detail) };
    return { kind: 'failure', failure };
  }
  if (row.result_status === null) return null;
  return { kind: 'answer', answer: { status: Number(row.result_status), body: '', truncated: false } };
}

function openResult(row: Row, id: string, texts: SealedText): JobResult | null {
  const result = toResult(row);
  if (result?.kind !== 'answer') return texts.openFailure(id, result);
  return { kind: 'answer', answer: { ...result.answer, ...texts.openAnswer(id, row) } };
}

function toAttemptError(
  code: SQLOutputValue | undefined,
  detail: SQLOutputValue | undefined,
): AttemptError | null {
  if (code === null || code === undefined) return null;
  return { code: String(code) as AttemptError['code'], detail: String(detail) };
}

function toTextOrNull(value: SQLOutputValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

function toNumberOrNull(value: SQLOutputValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

/** 16 bytes for a UUID: half the index of its text. */
export function fromUuid(id: string): Uint8Array {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

export function toUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
