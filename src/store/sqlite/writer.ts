import { randomInt } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type Attempt, type ExportJob, isFinal, type Lane } from '../../export/job.ts';
import type {
  Claim,
  ClaimedJob,
  Inserted,
  InsertLimits,
  InsertResult,
  LaneBacklog,
  Lease,
  NewJob,
  Settlement,
} from '../../export/job-store.ts';
import { LaneCounts } from './lane-counts.ts';
import type { BatchDone, Operation, Results } from './operations.ts';
import { fromUuid, type Row, SELECT_JOB, STATE, toJob, toUuid } from './rows.ts';
import { openForWriting } from './schema.ts';

const LEASE_MAX = 2 ** 48 - 1;
/** How many lanes' numbers are remembered; when there are more, all are forgotten and looked up again. */
const LANE_IDS_MAX = 100_000;

/**
 * The one writer of a SQLite store. It runs a batch of operations in one transaction, and so with one flush of the disk:
 * either all of the batch is durable or none of it happened.
 *
 * Synchronous, like SQLite: it belongs into a thread of its own.
 */
export class SqliteWriter {
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #counts = new LaneCounts();
  readonly #laneIds = new Map<string, number>();
  #changed: string[] = [];

  /** Opens the store, creating or migrating it. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    try {
      openForWriting(this.#db);
      this.#sql = prepareStatements(this.#db);
      this.#countLanes();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** @throws the error of SQLite; nothing of the batch happened, unless the flush itself failed */
  run(operations: readonly Operation[]): BatchDone {
    this.#changed = [];
    // IMMEDIATE takes the write lock now. A plain BEGIN would take it at the first write, and fail there if the store
    // changed since its first read.
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const results = operations.map((operation) => this.#perform(operation));
      this.#db.exec('COMMIT');
      this.#counts.commit();
      return { results, changed: this.#changed };
    } catch (error) {
      this.#rollback();
      throw error;
    }
  }

  close(): void {
    this.#db.close();
  }

  #rollback(): void {
    this.#counts.rollback();
    // Lanes made by this transaction are gone with it.
    this.#laneIds.clear();
    // SQLite has rolled back by itself after some errors, such as a full disk.
    if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
  }

  #perform(operation: Operation): Results[Operation['kind']] {
    switch (operation.kind) {
      case 'insert':
        return this.#insert(operation.jobs, operation.limits);
      case 'claim':
        return this.#claim(operation.lane, operation.count, operation.now);
      case 'settle':
        return {
          settled: this.#settle(operation.settlement),
          next: this.#claim(operation.settlement.lane, operation.claimNext, operation.now),
        };
      case 'recover':
        return this.#recover(operation.now);
      case 'busyLanes':
        return this.#busyLanes(operation.now);
      case 'deleteExpired':
        return this.#deleteExpired(operation.finishedBefore, operation.now, operation.limit);
      case 'putSecret':
        return this.#putSecret(operation.name, operation.value);
      case 'ping':
        return undefined;
    }
  }

  // -- taking in ------------------------------------------------------------------------------------------------------

  /** All or none: what is checked for one job takes into account what the jobs before it will add. */
  #insert(jobs: readonly NewJob[], limits: InsertLimits): InsertResult {
    const lanes = jobs.map((job) => this.#laneId(job.lane));
    const earlier = this.#findRepeats(jobs, lanes);
    const mismatch = earlier.indexOf('mismatch');
    if (mismatch !== -1) return { kind: 'refused', reason: 'idempotency_mismatch', index: mismatch };
    const overflow = this.#firstOverLimit(lanes, earlier, limits.pendingMax);
    if (overflow !== -1) return { kind: 'refused', reason: 'too_many_pending', index: overflow };
    return {
      kind: 'inserted',
      jobs: jobs.map((job, index) => this.#insertOrRepeat(job, lanes[index] as number)),
    };
  }

  /** For each job: whether its idempotency key is new, known for the same export, or known for another. */
  #findRepeats(jobs: readonly NewJob[], lanes: readonly number[]): ('new' | 'repeat' | 'mismatch')[] {
    const ofThisBatch = new Map<string, Uint8Array>();
    return jobs.map((job, index) => {
      if (job.idempotency === null) return 'new';
      const { key, digest } = job.idempotency;
      const batchKey = `${lanes[index]}:${key}`;
      const known =
        this.#knownKey(lanes[index] as number, key, job.acceptedAt)?.digest ?? ofThisBatch.get(batchKey);
      ofThisBatch.set(batchKey, known ?? digest);
      if (known === undefined) return 'new';
      return Buffer.compare(known, digest) === 0 ? 'repeat' : 'mismatch';
    });
  }

  #firstOverLimit(lanes: readonly number[], earlier: readonly string[], pendingMax: number): number {
    const added = new Map<number, number>();
    return lanes.findIndex((lane, index) => {
      if (earlier[index] === 'repeat') return false;
      const count = (added.get(lane) ?? 0) + 1;
      added.set(lane, count);
      return this.#counts.pending(lane) + count > pendingMax;
    });
  }

  #insertOrRepeat(job: NewJob, lane: number): Inserted {
    const known = job.idempotency === null ? null : this.#knownKey(lane, job.idempotency.key, job.acceptedAt);
    if (known) return { job: known.job, isRepeat: true, claimed: null };
    const isFirst = this.#counts.of(lane).queued === 0;
    const lease = job.claim && isFirst ? newLease() : null;
    const state = lease === null ? 'queued' : 'sending';
    const claimedAt = lease === null ? null : job.acceptedAt;
    const id = fromUuid(job.id);
    const expiresAt = job.idempotency?.expiresAt ?? null;
    const { lastInsertRowid: seq } = this.#sql.insertJob.run(
      id,
      lane,
      STATE[state],
      job.data.byteLength,
      job.attemptsMax,
      job.acceptedAt,
      lease,
      claimedAt,
      expiresAt,
    );
    this.#sql.insertPayload.run(seq, job.data);
    if (job.idempotency !== null) {
      this.#sql.putKey.run(lane, job.idempotency.key, id, job.idempotency.digest, job.idempotency.expiresAt);
    }
    this.#counts.add(lane, state, 1);
    return {
      job: newExportJob(job, state),
      isRepeat: false,
      claimed: lease === null ? null : claimOf(job, lease),
    };
  }

  /** What an idempotency key stands for. It is forgotten when its time is over and its job has ended. */
  #knownKey(lane: number, key: string, now: number): { digest: Uint8Array; job: ExportJob } | null {
    const row = this.#sql.findKey.get(lane, key) as Row | undefined;
    if (row === undefined) return null;
    const job = toJob(row);
    if (Number(row.key_expires) <= now && isFinal(job.state)) return null;
    return { digest: row.digest as Uint8Array, job };
  }

  // -- sending --------------------------------------------------------------------------------------------------------

  #claim(lane: Lane, count: number, now: number): Claim {
    const laneId = this.#laneId(lane);
    const seqs = this.#due(laneId, count, now);
    const jobs = seqs.map((seq) => this.#claimJob(seq, lane, laneId, now));
    return { jobs, backlog: this.#backlog(laneId, lane, now) };
  }

  /** The jobs whose turn it is: what is due again before what was never tried, each in order. */
  #due(lane: number, count: number, now: number): number[] {
    if (count === 0) return [];
    const counts = this.#counts.of(lane);
    const again = counts.waiting === 0 ? [] : this.#sql.dueAgain.all(lane, now, count);
    const left = count - again.length;
    const first = counts.queued === 0 || left === 0 ? [] : this.#sql.queued.all(lane, left);
    return [...again, ...first].map((row) => Number((row as Row).seq));
  }

  #claimJob(seq: number, lane: Lane, laneId: number, now: number): ClaimedJob {
    const row = this.#sql.findPayload.get(seq) as Row | undefined;
    if (row === undefined) throw new Error(`Job ${seq} is to be sent, but its payload is not in the store.`);
    const lease = newLease();
    this.#sql.claim.run(lease, now, seq);
    this.#counts.move(laneId, row.state === STATE.queued ? 'queued' : 'waiting', 'sending');
    const id = toUuid(row.id as Uint8Array);
    this.#changed.push(id);
    return {
      id,
      lane,
      lease,
      data: row.data as Uint8Array,
      attemptsMax: Number(row.attempts_max),
      attempts: Number(row.attempts),
      attemptsSpent: Number(row.attempts_spent),
      acceptedAt: Number(row.accepted_at),
    };
  }

  #backlog(laneId: number, lane: Lane, now: number): LaneBacklog {
    const { queued, waiting } = this.#counts.of(laneId);
    const next = waiting === 0 ? null : Number((this.#sql.nextDue.get(laneId) as Row).at);
    const hasDue = queued > 0 || (next !== null && next <= now);
    return { lane, hasDue, nextDueAt: next };
  }

  /** Fenced by the lease: who was taken for dead must not overwrite what happened since. */
  #settle(settlement: Settlement): boolean {
    const row = this.#sql.findLeased.get(fromUuid(settlement.id), settlement.lease) as Row | undefined;
    if (row === undefined) return false;
    const seq = Number(row.seq);
    const lane = Number(row.lane);
    if (settlement.attempt !== null) this.#addAttempt(seq, settlement.attempt);
    switch (settlement.kind) {
      case 'finished': {
        const { result } = settlement;
        const failure = result.kind === 'failure' ? result.failure : null;
        const answer = result.kind === 'answer' ? result.answer : null;
        this.#sql.finish.run(
          STATE[settlement.state],
          settlement.attempt.endedAt,
          answer?.status ?? null,
          failure?.code ?? null,
          failure?.detail ?? null,
          seq,
        );
        if (answer !== null) this.#sql.putAnswer.run(seq, answer.body, answer.truncated ? 1 : 0);
        this.#sql.deletePayload.run(seq);
        this.#counts.move(lane, 'sending', null);
        break;
      }
      case 'waiting': {
        const { code, detail } = settlement.lastError;
        this.#sql.wait.run(settlement.nextAttemptAt, code, detail, seq);
        this.#counts.move(lane, 'sending', 'waiting');
        break;
      }
      case 'released':
        this.#sql.release.run(settlement.attempt === null ? 0 : 1, seq);
        this.#counts.move(lane, 'sending', 'queued');
        break;
    }
    this.#changed.push(settlement.id);
    return true;
  }

  #addAttempt(seq: number, attempt: Attempt): void {
    this.#sql.addAttempt.run(
      seq,
      attempt.number,
      attempt.startedAt,
      attempt.endedAt,
      attempt.address,
      attempt.status,
      attempt.error?.code ?? null,
      attempt.error?.detail ?? null,
    );
  }

  // -- start and upkeep -----------------------------------------------------------------------------------------------

  #recover(now: number): number {
    const rows = this.#sql.allSending.all() as Row[];
    for (const row of rows) {
      this.#addAttempt(Number(row.seq), {
        number: Number(row.attempts) + 1,
        startedAt: Number(row.claimed_at),
        endedAt: now,
        address: null,
        status: null,
        error: {
          code: 'answer_unknown',
          detail: 'The service stopped before the answer came; it may have been sent.',
        },
      });
      this.#sql.release.run(1, Number(row.seq));
      this.#counts.move(Number(row.lane), 'sending', 'queued');
      this.#changed.push(toUuid(row.id as Uint8Array));
    }
    return rows.length;
  }

  #busyLanes(now: number): LaneBacklog[] {
    return [...this.#counts.busy()].map((id) => {
      const row = this.#sql.findLane.get(id) as Row;
      const lane = { client: String(row.client), destination: String(row.destination) };
      return this.#backlog(id, lane, now);
    });
  }

  #deleteExpired(finishedBefore: number, now: number, limit: number): number {
    this.#sql.deleteKeys.run(now, limit);
    const rows = this.#sql.expired.all(finishedBefore, now, limit) as Row[];
    for (const row of rows) {
      const seq = Number(row.seq);
      this.#sql.deleteAttempts.run(seq);
      this.#sql.deleteAnswer.run(seq);
      this.#sql.deletePayload.run(seq);
      this.#sql.deleteJob.run(seq);
    }
    return rows.length;
  }

  #putSecret(name: string, value: Uint8Array): Uint8Array {
    this.#sql.putSecret.run(name, value);
    return (this.#sql.findSecret.get(name) as Row).value as Uint8Array;
  }

  #countLanes(): void {
    for (const state of ['queued', 'sending', 'waiting'] as const) {
      // Each state has its own partial index, which a parameter would not let SQLite use.
      const counts = this.#db.prepare(
        `SELECT lane, count(*) AS n FROM jobs WHERE state = ${STATE[state]} GROUP BY lane`,
      );
      for (const row of counts.all() as Row[]) this.#counts.add(Number(row.lane), state, Number(row.n));
    }
    this.#counts.commit();
  }

  #laneId(lane: Lane): number {
    const key = `${lane.client.length}:${lane.client}${lane.destination}`;
    const known = this.#laneIds.get(key);
    if (known !== undefined) return known;
    this.#sql.addLane.run(lane.client, lane.destination);
    const id = Number((this.#sql.findLaneId.get(lane.client, lane.destination) as Row).id);
    if (this.#laneIds.size >= LANE_IDS_MAX) this.#laneIds.clear();
    this.#laneIds.set(key, id);
    return id;
  }
}

function newLease(): Lease {
  return randomInt(1, LEASE_MAX);
}

function newExportJob(job: NewJob, state: ExportJob['state']): ExportJob {
  return {
    id: job.id,
    lane: job.lane,
    state,
    dataBytes: job.data.byteLength,
    attemptsMax: job.attemptsMax,
    attempts: 0,
    attemptsSpent: 0,
    acceptedAt: job.acceptedAt,
    nextAttemptAt: null,
    lastError: null,
    finishedAt: null,
    result: null,
  };
}

function claimOf(job: NewJob, lease: Lease): ClaimedJob {
  const { id, lane, data, attemptsMax, acceptedAt } = job;
  return { id, lane, lease, data, attemptsMax, attempts: 0, attemptsSpent: 0, acceptedAt };
}

function prepareStatements(db: DatabaseSync) {
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  return {
    addLane: prepare('INSERT INTO lanes (client, destination) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    findLaneId: prepare('SELECT id FROM lanes WHERE client = ? AND destination = ?'),
    findLane: prepare('SELECT client, destination FROM lanes WHERE id = ?'),

    insertJob: prepare(`
      INSERT INTO jobs (id, lane, state, data_bytes, attempts_max, accepted_at, lease, claimed_at, key_expires_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    insertPayload: prepare('INSERT INTO payloads (job, data) VALUES (?, ?)'),
    findKey: prepare(
      `${SELECT_JOB.replace('SELECT', 'SELECT k.digest, k.expires_at AS key_expires,').replace(
        'FROM jobs j',
        'FROM idempotency_keys k JOIN jobs j ON j.id = k.job',
      )} WHERE k.lane = ? AND k.key = ?`,
    ),
    putKey: prepare(`
      INSERT INTO idempotency_keys (lane, key, job, digest, expires_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET job = excluded.job, digest = excluded.digest, expires_at = excluded.expires_at`),

    dueAgain: prepare(`
      SELECT seq FROM jobs WHERE lane = ? AND state = ${STATE.waiting} AND next_attempt_at <= ?
      ORDER BY next_attempt_at LIMIT ?`),
    queued: prepare(`SELECT seq FROM jobs WHERE lane = ? AND state = ${STATE.queued} ORDER BY seq LIMIT ?`),
    nextDue: prepare(
      `SELECT min(next_attempt_at) AS at FROM jobs WHERE lane = ? AND state = ${STATE.waiting}`,
    ),
    findPayload: prepare(`
      SELECT j.id, j.state, j.attempts_max, j.attempts, j.attempts_spent, j.accepted_at, p.data
      FROM jobs j JOIN payloads p ON p.job = j.seq WHERE j.seq = ?`),
    claim: prepare(`
      UPDATE jobs SET state = ${STATE.sending}, lease = ?, claimed_at = ?, next_attempt_at = NULL WHERE seq = ?`),

    findLeased: prepare(`SELECT seq, lane FROM jobs WHERE id = ? AND lease = ? AND state = ${STATE.sending}`),
    finish: prepare(`
      UPDATE jobs SET state = ?, lease = NULL, attempts = attempts + 1, attempts_spent = attempts_spent + 1,
        finished_at = ?, result_status = ?, result_code = ?, result_detail = ? WHERE seq = ?`),
    wait: prepare(`
      UPDATE jobs SET state = ${STATE.waiting}, lease = NULL, attempts = attempts + 1,
        attempts_spent = attempts_spent + 1, next_attempt_at = ?, last_error_code = ?, last_error_detail = ?
      WHERE seq = ?`),
    release: prepare(
      `UPDATE jobs SET state = ${STATE.queued}, lease = NULL, attempts = attempts + ? WHERE seq = ?`,
    ),
    addAttempt: prepare(`
      INSERT INTO attempts (job, number, started_at, ended_at, address, status, error_code, error_detail)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
    putAnswer: prepare('INSERT INTO answers (job, body, truncated) VALUES (?, ?, ?)'),
    deletePayload: prepare('DELETE FROM payloads WHERE job = ?'),

    allSending: prepare(
      `SELECT seq, id, lane, attempts, claimed_at FROM jobs WHERE state = ${STATE.sending}`,
    ),
    deleteKeys: prepare(`
      DELETE FROM idempotency_keys WHERE (lane, key) IN (
        SELECT k.lane, k.key FROM idempotency_keys k LEFT JOIN jobs j ON j.id = k.job
        WHERE k.expires_at <= ? AND (j.finished_at IS NOT NULL OR j.id IS NULL) LIMIT ?)`),
    expired: prepare(`
      SELECT seq FROM jobs WHERE finished_at < ? AND (key_expires_at IS NULL OR key_expires_at <= ?) LIMIT ?`),
    deleteAttempts: prepare('DELETE FROM attempts WHERE job = ?'),
    deleteAnswer: prepare('DELETE FROM answers WHERE job = ?'),
    deleteJob: prepare('DELETE FROM jobs WHERE seq = ?'),

    putSecret: prepare('INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    findSecret: prepare('SELECT value FROM secrets WHERE name = ?'),
  };
}
