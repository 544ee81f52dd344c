import { DatabaseSync } from 'node:sqlite';
import { type Lane, UNSEEN } from '../../src/export/job.ts';
import type {
  Claim,
  ClaimedJob,
  InsertResult,
  NewJob,
  PayloadRetention,
  Settlement,
} from '../../src/export/job-store.ts';
import type { Operation, ResultOf } from '../../src/store/sqlite/operations.ts';
import { NO_STORE_LIMITS, type StoreLimits } from '../../src/store/sqlite/space.ts';
import { SqliteWriter } from '../../src/store/sqlite/writer.ts';
import { beginning } from './ledger/beginning.ts';
import { NOT_KEPT, STORE_KEYS } from './store-keys.ts';
import { TemporaryDirectory } from './temporary-store.ts';

export const LANE: Lane = { client: 'app', destination: 'https://a.example/in' };
export const NOW = 1_000_000;
const AT = { wall: NOW, steady: NOW };
export const LIMITS = { pendingMax: 100_000, acceptsNew: true, now: AT };

/** A writer on a file of its own. */
export class WriterBench implements Disposable {
  readonly directory = new TemporaryDirectory();
  readonly path = this.directory.file('exports.db');
  writer: SqliteWriter;
  #count = 0;

  constructor(limits: StoreLimits = NO_STORE_LIMITS, retention: PayloadRetention = NOT_KEPT) {
    this.writer = new SqliteWriter(this.path, limits);
    this.run({ kind: 'unlock', keys: STORE_KEYS, retention });
    this.run({ kind: 'beginLedger', beginning: beginning() });
  }

  reopen(limits: StoreLimits = NO_STORE_LIMITS): void {
    this.writer.close();
    this.writer = new SqliteWriter(this.path, limits);
    this.run({ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT });
    this.run({ kind: 'beginLedger', beginning: beginning(null) });
  }

  run<O extends Operation>(operation: O): ResultOf<O> {
    return this.writer.run([operation]).results[0] as ResultOf<O>;
  }

  newJob(bytes: number, { lane = LANE, key = '' } = {}): NewJob {
    this.#count += 1;
    const idempotency = { key, digest: Buffer.from(key), expiresAt: NOW + 10 };
    return {
      id: `00000000-0000-7000-8000-${String(this.#count).padStart(12, '0')}`,
      lane,
      peer: null,
      data: Buffer.alloc(bytes, 'x'),
      attemptsMax: 9,
      acceptedAt: NOW,
      expiresAt: NOW + 1_000_000,
      idempotency: key === '' ? null : idempotency,
      claimUntil: null,
    };
  }

  insert(...jobs: NewJob[]): InsertResult {
    return this.run({ kind: 'insert', jobs, limits: LIMITS });
  }

  claim(count: number, lane = LANE): readonly ClaimedJob[] {
    return this.claimAll([{ count, lane }]);
  }

  /** In one commit. */
  claimAll(claims: readonly { readonly count: number; readonly lane: Lane }[]): ClaimedJob[] {
    const request = { now: AT, leaseExpiresAt: NOW + 1_000 };
    const operations = claims.map(({ count, lane }): Operation => {
      return { kind: 'claim', lane, request: { ...request, count } };
    });
    return (this.writer.run(operations).results as Claim[]).flatMap(({ jobs }) => jobs);
  }

  settle(job: ClaimedJob, answer = ''): boolean {
    return this.run(settleWith(job, answer)).settled;
  }

  /** In one commit. */
  settleAll(jobs: readonly ClaimedJob[]): void {
    this.writer.run(jobs.map((job) => settleWith(job, '')));
  }

  deleteFinished(): number {
    const times = { finishedBefore: NOW + 100, now: NOW + 100 };
    return this.run({ kind: 'deleteExpired', ...times, limit: 1_000 });
  }

  /** With their history. */
  forgetFinished(): number {
    this.deleteFinished();
    return this.run({ kind: 'deleteHistory', finishedBefore: NOW + 100, limit: 1_000 });
  }

  /** What one statement says of the store, beside the writer. */
  text(sql: string): string {
    using db = new DatabaseSync(this.path, { readOnly: true });
    return String(Object.values(db.prepare(sql).get() ?? {})[0]);
  }

  /** Pages of the file that hold anything but the ledger, which only grows. */
  pagesBesideLedger(): number {
    const inLedger = "(SELECT count(*) FROM dbstat WHERE name LIKE 'ledger_%')";
    return this.number(`SELECT page_count - ${inLedger} FROM pragma_page_count`);
  }

  number(sql: string): number {
    return Number(this.text(sql));
  }

  [Symbol.dispose](): void {
    this.writer.close();
    this.directory[Symbol.dispose]();
  }
}

export function settleWith(job: ClaimedJob, body: string): Extract<Operation, { kind: 'settle' }> {
  const attempt = { number: 1, startedAt: NOW, endedAt: NOW, ...UNSEEN, status: 200, error: null };
  const settlement: Settlement = {
    id: job.id,
    lane: job.lane,
    lease: job.lease,
    kind: 'finished',
    state: 'delivered',
    result: { kind: 'answer', answer: { status: 200, body, truncated: false } },
    laneReport: { kind: 'up', failuresBefore: 0 },
    attempt,
  };
  return { kind: 'settle', settlement, next: { count: 0, now: AT, leaseExpiresAt: NOW } };
}
