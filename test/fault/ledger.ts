import { DatabaseSync } from 'node:sqlite';
import type { JobState } from '../../src/export/job.ts';
import { JOB_STATES } from '../../src/export/job-store.ts';
import { type Row, STATE, toUuid } from '../../src/store/sqlite/rows.ts';

/** An attempt on record. */
export interface LedgerAttempt {
  readonly number: number;
  readonly startedAt: number;
  readonly status: number | null;
  readonly error: string | null;
}

/** An export as the store holds it after the service has stopped. */
export interface LedgerJob {
  readonly id: string;
  readonly lane: string;
  /** The order of acceptance. */
  readonly seq: number;
  readonly state: JobState;
  readonly isFinished: boolean;
  /** The owner took it back while it was being sent. */
  readonly isCancelRequested: boolean;
  /** The export whose payload the owner had sent once more as this one; null for one that was handed over. */
  readonly redeliveryOf: string | null;
  /** Its result is deleted: apps know it no more. */
  readonly isHistory: boolean;
  readonly attempts: number;
  readonly attemptsSpent: number;
  readonly attemptsMax: number;
  readonly resultStatus: number | null;
  readonly resultCode: string | null;
  readonly ledger: readonly LedgerAttempt[];
}

export interface Ledger {
  readonly jobs: ReadonlyMap<string, LedgerJob>;
  /** Ids of the owner's rules. */
  readonly rules: ReadonlySet<string>;
  /** What is wrong with the file itself. */
  readonly wrongs: readonly string[];
}

/** Rows that must not be there when every export has ended: what, and how to count it. */
const LEFTOVERS = {
  'exports that have not ended': `SELECT count(*) AS n FROM jobs WHERE state NOT IN (${STATE.delivered}, ${STATE.undeliverable}, ${STATE.cancelled})`,
  'ended exports with a lease or without an end':
    'SELECT count(*) AS n FROM jobs WHERE lease IS NOT NULL OR finished_at IS NULL',
  payloads: 'SELECT count(*) AS n FROM payloads',
  'rules that the owner took away': 'SELECT count(*) AS n FROM rules',
  'answers of nobody': 'SELECT count(*) AS n FROM answers WHERE job NOT IN (SELECT seq FROM jobs)',
  'attempts of nobody': 'SELECT count(*) AS n FROM attempts WHERE job NOT IN (SELECT seq FROM jobs)',
  'keys of nobody': 'SELECT count(*) AS n FROM idempotency_keys WHERE job NOT IN (SELECT id FROM jobs)',
} as const;

/** How many exports of the store at `path` have not ended; looked at beside the service. */
export function countUnfinished(path: string): number {
  using db = new DatabaseSync(path, { readOnly: true });
  return Number(db.prepare(LEFTOVERS['exports that have not ended']).get()?.n);
}

/** Reads a store that no service uses. */
export function readLedger(path: string): Ledger {
  using db = new DatabaseSync(path, { readOnly: true });
  const rules = (db.prepare('SELECT id FROM rules').all() as Row[]).map(({ id }) => String(id));
  return { jobs: readJobs(db), rules: new Set(rules), wrongs: [...damages(db), ...leftovers(db)] };
}

function damages(db: DatabaseSync): string[] {
  const integrity = db
    .prepare('PRAGMA integrity_check')
    .all()
    .map((row) => String(row.integrity_check));
  const foreign = db.prepare('PRAGMA foreign_key_check').all();
  return [
    ...integrity.filter((line) => line !== 'ok').map((line) => `integrity_check: ${line}`),
    ...foreign.map((row) => `foreign_key_check: ${JSON.stringify(row)}`),
  ];
}

function leftovers(db: DatabaseSync): string[] {
  return Object.entries(LEFTOVERS).flatMap(([what, sql]) => {
    const count = Number(db.prepare(sql).get()?.n);
    return count === 0 ? [] : [`the store has ${count} ${what}`];
  });
}

function readJobs(db: DatabaseSync): Map<string, LedgerJob> {
  const ledgers = new Map<number, LedgerAttempt[]>();
  for (const row of db.prepare('SELECT * FROM attempts ORDER BY job, number').all() as Row[]) {
    const ledger = ledgers.get(Number(row.job)) ?? [];
    ledger.push({
      number: Number(row.number),
      startedAt: Number(row.started_at),
      status: numberOrNull(row.status),
      error: row.error_code === null ? null : String(row.error_code),
    });
    ledgers.set(Number(row.job), ledger);
  }
  const jobs = db
    .prepare('SELECT j.*, l.destination FROM jobs j JOIN lanes l ON l.id = j.lane ORDER BY j.seq')
    .all();
  return new Map((jobs as Row[]).map((row) => [toUuid(row.id as Uint8Array), toLedgerJob(row, ledgers)]));
}

function toLedgerJob(row: Row, ledgers: ReadonlyMap<number, LedgerAttempt[]>): LedgerJob {
  return {
    id: toUuid(row.id as Uint8Array),
    lane: String(row.destination).split('/').at(-1) ?? '',
    seq: Number(row.seq),
    state: JOB_STATES[Number(row.state)] as JobState,
    isFinished: row.finished_at !== null,
    isCancelRequested: row.is_cancelled === 1,
    redeliveryOf: row.redelivery_of === null ? null : toUuid(row.redelivery_of as Uint8Array),
    isHistory: row.is_history === 1,
    attempts: Number(row.attempts),
    attemptsSpent: Number(row.attempts_spent),
    attemptsMax: Number(row.attempts_max),
    resultStatus: numberOrNull(row.result_status),
    resultCode: row.result_code === null ? null : String(row.result_code),
    ledger: ledgers.get(Number(row.seq)) ?? [],
  };
}

function numberOrNull(value: Row[string] | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
