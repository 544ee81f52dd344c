import { randomInt } from 'node:crypto';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import {
  type Attempt,
  type AttemptError,
  type ExportJob,
  type FinalState,
  isFinal,
  type JobState,
  type Lane,
  laneKey,
  UNSEEN,
} from '../../export/job.ts';
import type {
  Claim,
  ClaimedJob,
  ClaimRequest,
  EndedJob,
  HeldLease,
  Inserted,
  InsertLimits,
  InsertResult,
  KeyRecord,
  LaneBacklog,
  Lease,
  LongestWaits,
  NewJob,
  Now,
  PayloadRetention,
  Settlement,
  StoreKeys,
} from '../../export/job-store.ts';
import type { RefusedExport } from '../../export/ledger-store.ts';
import type { CancelResult, RedeliverResult, RuleRemoval } from '../../export/owner-store.ts';
import { type LaneRules, matcherOf, NO_RULES, RULES_MAX, type Rule, windowEnd } from '../../export/rules.ts';
import {
  accept,
  claim,
  DATA_LOST,
  expire,
  type Progress,
  requestCancel,
  rescue,
  type Stop,
  settle,
  stop,
} from '../../export/state-machine.ts';
import {
  acceptedEvent,
  appOf,
  attemptEvent,
  cancelEvent,
  type LastAttempt,
  outcomeEvent,
  type RecordedExport,
  type Redelivered,
  redeliveryEvent,
  ruleEvent,
} from '../ledger-events.ts';
import { Vault } from '../vault/vault.ts';
import { Lanes } from './lanes.ts';
import { LedgerWriter } from './ledger-writer.ts';
import type { BatchDone, Operation, Recovery, Results } from './operations.ts';
import { openPayload, Payloads, type StoredPayload } from './payloads.ts';
import { fromUuid, type Row, STATE, toJob, toProgress, toUuid } from './rows.ts';
import { BudgetCheck } from './rule-book.ts';
import { openForWriting, waitForReaders } from './schema.ts';
import { SealedText } from './sealed-text.ts';
import { diskReserveOf, NO_STORE_LIMITS, Space, type StoreLimits } from './space.ts';
import { isFull, isIoError, isOutOfRoom, sqliteCode } from './sqlite-errors.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { SteadyTimes } from './steady-times.ts';

/** A new job; when it repeats another one, which, and at whose wish. */
type TakenIn = NewJob & { readonly redelivery?: Redelivered };

type OperationOf<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

const LEASE_MAX = 2 ** 48 - 1;
/** Longer than the longest window of a budget, so that a wall clock that was set, and is set back, finds what was used. */
export const BUDGET_USE_KEPT_MS = 7 * 86_400_000;
const NO_LIMIT = -1;
const FOR_EVER = Number.MAX_SAFE_INTEGER;
/** How long a purge waits for readers: they take microseconds each. For one that takes longer it comes again. */
const PURGE_WAIT_MS = 50;

/** What a writer has once it knows the keys. */
interface Unlocked {
  readonly vault: Vault;
  readonly texts: SealedText;
  readonly keepsPayloads: boolean;
}

/**
 * The one writer of a SQLite store. It runs a batch of operations in one transaction, and so with one flush of the disk:
 * either all of the batch is durable or none of it happened.
 *
 * Synchronous, like SQLite: it belongs into a thread of its own.
 */
export class SqliteWriter {
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #lanes: Lanes;
  readonly #payloads: Payloads;
  readonly #ledger: LedgerWriter;
  readonly #space: Space;
  readonly #times: SteadyTimes;
  #unlocked: Unlocked | null = null;
  /** Whether a write or a flush failed since the log was emptied last. */
  #isLogDoubtful = false;
  #changed: string[] = [];
  #ended: EndedJob[] = [];

  /** Opens the store, creating or migrating it. */
  constructor(path: string, limits: StoreLimits = NO_STORE_LIMITS) {
    this.#db = new DatabaseSync(path);
    try {
      openInLittleRoom(this.#db, path, limits);
      this.#sql = prepareStatements(this.#db);
      this.#lanes = new Lanes(this.#sql);
      this.#payloads = new Payloads(this.#sql);
      this.#times = new SteadyTimes(this.#db);
      this.#ledger = new LedgerWriter(this.#db);
      this.#countLanes();
      this.#space = new Space(this.#db, path, limits);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /**
   * @throws the error of SQLite; nothing of the batch happened, unless the flush itself failed or what SQLite had to
   *   write is not known to be on the disk
   */
  run(operations: readonly Operation[]): BatchDone {
    if (this.#isLogDoubtful) this.#emptyLog();
    this.#forgetBatch();
    if (operations[0]?.kind === 'purge') return this.#done([this.#purge()]);
    try {
      return this.#transact(operations);
    } catch (error) {
      if (!isOutOfRoom(sqliteCode(error))) throw error;
      return this.#runInLittleRoom(operations);
    }
  }

  /** First with the log emptied into the file, which may have room for it; then without the reserve and new jobs. */
  #runInLittleRoom(operations: readonly Operation[]): BatchDone {
    try {
      this.#emptyLog();
      return this.#transact(operations);
    } catch (error) {
      const code = sqliteCode(error);
      if (!isOutOfRoom(code)) throw error;
      // At the ceiling there is nothing to be had from the disk.
      if (!isFull(code) || this.#space.isDiskFull) this.#space.giveUpReserve();
    }
    this.#emptyLog();
    return this.#transact(operations, false);
  }

  #transact(operations: readonly Operation[], acceptsNew = true): BatchDone {
    this.#forgetBatch();
    this.#space.beginBatch(acceptsNew);
    this.#payloads.beginBatch();
    try {
      // IMMEDIATE takes the write lock now. A plain BEGIN would take it at the first write, and fail there if the store
      // changed since its first read.
      this.#db.exec('BEGIN IMMEDIATE');
      const results = this.#performAll(operations);
      this.#db.exec('COMMIT');
      this.#lanes.commit();
      const isLonger = this.#ledger.commit();
      return this.#done(results, isLonger ? this.#ledger.size : null);
    } catch (error) {
      // SQLite has rolled back by itself after some errors, such as a full disk.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#lanes.rollback();
      this.#payloads.rollback();
      this.#ledger.rollback();
      this.#isLogDoubtful ||= isIoError(sqliteCode(error));
      throw error;
    }
  }

  #forgetBatch(): void {
    this.#changed = [];
    this.#ended = [];
  }

  #done(results: BatchDone['results'], ledgerSize: number | null = null): BatchDone {
    const { counts, downCount, rules } = this.#lanes;
    const done = {
      results,
      changed: this.#changed,
      ended: this.#ended,
      totals: {
        ...counts.totals,
        busyLanes: counts.busyCount,
        pausedLanes: downCount,
        rules: rules.counts,
        ledgerEntries: this.#ledger.size ?? 0,
      },
      ledgerSize,
    };
    this.#forgetBatch();
    return done;
  }

  /**
   * Moves what was committed from the write-ahead log into the file, flushes that, and cuts the log to nothing.
   *
   * After an error in writing or flushing this comes before anything else is written: the log's end is in doubt then.
   * The system may have dropped what it could not flush and call it clean from then on, so that a later flush says
   * nothing of it, and a process that starts anew would read from memory what is not on the disk. This connection still
   * knows where the last good commit ends. What is moved is written and flushed once more, and nothing of the rest is
   * left for anybody to read.
   */
  #emptyLog(): void {
    try {
      const { busy } = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as Row;
      if (busy === 0) this.#isLogDoubtful = false;
    } catch (error) {
      // A log that cannot be emptied is as good as before, unless it was in doubt.
      if (this.#isLogDoubtful) throw error;
    }
    if (this.#isLogDoubtful) throw new Error('Writing to the store failed, and its log is in use.');
  }

  close(): void {
    this.#db.close();
    this.#space.close();
  }

  /** One after the other; the rest of them is left for another transaction when this one has erased a good deal. */
  #performAll(operations: readonly Operation[]): Results[Operation['kind']][] {
    const results: Results[Operation['kind']][] = [];
    for (const operation of operations) {
      results.push(this.#perform(operation));
      if (this.#payloads.hasErasedEnough) break;
    }
    return results;
  }

  #perform(operation: Operation): Results[Operation['kind']] {
    switch (operation.kind) {
      case 'insert':
        return this.#insert(operation.jobs, operation.limits);
      case 'claim':
        return this.#claim(operation.lane, operation.request);
      case 'settle':
        return {
          settled: this.#settle(operation.settlement, operation.next.now),
          next: this.#claim(operation.settlement.lane, operation.next),
        };
      case 'extendLeases':
        return this.#extendLeases(operation.leases, operation.expiresAt);
      case 'rescue':
        return this.#rescue(operation.now, operation.limit);
      case 'recover':
        return this.#recover(operation.now, operation.longest);
      case 'expire':
        return this.#expire(operation.now, operation.limit);
      case 'busyLanes':
        return [...this.#lanes.counts.busy()].map((id) => this.#backlog(id, operation.now));
      case 'deleteExpired':
        return this.#deleteExpired(operation.finishedBefore, operation.now, operation.limit);
      case 'deleteHistory':
        return this.#deleteHistory(operation.finishedBefore, operation.limit);
      case 'rules':
        return this.#lanes.rules.rules;
      case 'addRule':
        return this.#addRule(operation.rule, operation.by);
      case 'removeRule':
        return this.#removeRule(operation);
      case 'endBlocked':
        return this.#endBlocked(operation.now, operation.limit);
      case 'cancel':
        return this.#cancel(operation.id, operation.now, operation.by);
      case 'redeliver':
        return this.#redeliver(operation);
      case 'putSecret':
        return this.#putSecret(operation.name, operation.value, operation.record);
      case 'replaceSecret':
        return this.#replaceSecret(operation);
      case 'beginLedger':
        return this.#ledger.begin(operation.beginning);
      case 'ledgerHead':
        return this.#ledger.head(operation.checkpoint);
      case 'countRefused':
        return this.#countRefused(operation.refused, operation.now);
      case 'recordRefusals':
        return this.#ledger.recordRefusals(operation.now, operation.isLast);
      case 'eraseLedger':
        return this.#ledger.erase(operation.before, operation.now, operation.limit);
      case 'unlock':
        return this.#unlock(operation.keys, operation.retention);
      case 'erasePayloads':
        return this.#erasePayloads(operation.finishedBefore, operation.limit);
      case 'purge':
        throw new TypeError('A purge is asked for by itself.');
      case 'ping':
        return undefined;
    }
  }

  // -- taking in ------------------------------------------------------------------------------------------------------

  /** All or none: what is checked for one job takes into account what the jobs before it will add. */
  #insert(jobs: readonly TakenIn[], limits: InsertLimits): InsertResult {
    const lanes = this.#laneNumbers(jobs);
    const rules = jobs.map(({ lane }, index) => this.#lanes.rules.of(lanes[index] as number, () => lane));
    const blocked = rules.findIndex(({ block }) => block !== null);
    if (blocked !== -1) {
      this.#recordBlocked(jobs, rules, limits.now.wall);
      return { kind: 'refused', reason: 'blocked_by_owner', index: blocked };
    }
    const earlier = this.#findRepeats(jobs, lanes, limits.now.steady);
    const mismatch = earlier.indexOf('mismatch');
    if (mismatch !== -1) return { kind: 'refused', reason: 'idempotency_mismatch', index: mismatch };
    const firstNew = limits.acceptsNew ? -1 : earlier.indexOf('new');
    if (firstNew !== -1) return { kind: 'refused', reason: 'too_many_waiting', index: firstNew };
    const overflow = this.#firstOverLimit(lanes, earlier, limits.pendingMax);
    if (overflow !== -1) return { kind: 'refused', reason: 'too_many_pending', index: overflow };
    const overBudget = this.#overBudget(jobs, rules, earlier, limits.now.wall);
    if (overBudget !== null) return overBudget;
    if (!this.#takeSpace(jobs, earlier))
      return { kind: 'refused', reason: 'store_full', index: earlier.indexOf('new') };
    const insertOne = (job: TakenIn, index: number): Inserted =>
      this.#insertOrRepeat(job, lanes[index] as number, rules[index] ?? NO_RULES, limits.now);
    return { kind: 'inserted', jobs: jobs.map(insertOne) };
  }

  #overBudget(
    jobs: readonly NewJob[],
    rules: readonly LaneRules[],
    earlier: readonly string[],
    now: number,
  ): InsertResult | null {
    const check = new BudgetCheck(this.#lanes.rules, now);
    for (const [index, { budgets }] of rules.entries()) {
      if (earlier[index] !== 'new' || budgets.length === 0) continue;
      const job = jobs[index] as NewJob;
      const budget = check.take(budgets, job.data.byteLength);
      if (budget === null) continue;
      this.#recordRefusal(job, 'budget_exhausted', budget, now);
      return { kind: 'refused', reason: 'budget_exhausted', index, retryAt: windowEnd(budget, now) };
    }
    return null;
  }

  #recordBlocked(jobs: readonly NewJob[], rules: readonly LaneRules[], now: number): void {
    for (const [index, job] of jobs.entries()) {
      const block = rules[index]?.block ?? null;
      if (block !== null) this.#recordRefusal(job, 'destination_refused', block, now);
    }
  }

  /** @param code as the app is told */
  #recordRefusal({ lane, data }: NewJob, code: string, rule: Rule, now: number): void {
    const { destination } = lane;
    this.#ledger.refused({ code, rule: rule.id, app: appOf(lane), destination, bytes: data.byteLength }, now);
  }

  #countRefused(refused: readonly RefusedExport[], now: number): undefined {
    for (const { lane, code, bytes } of refused) {
      const { destination } = lane;
      this.#ledger.refused({ code, rule: null, app: appOf(lane), destination, bytes }, now);
    }
  }

  #takeSpace(jobs: readonly NewJob[], earlier: readonly string[]): boolean {
    let count = 0;
    let bytes = 0;
    for (const [index, job] of jobs.entries()) {
      if (earlier[index] !== 'new') continue;
      count += 1;
      bytes += job.data.byteLength;
    }
    return count === 0 || this.#space.take(count, bytes);
  }

  /** The jobs' lanes. One that is not in the store has a negative number here: a refusal leaves no lane behind. */
  #laneNumbers(jobs: readonly NewJob[]): number[] {
    let provisional: Map<string, number> | null = null;
    return jobs.map(({ lane }) => {
      const known = this.#lanes.findId(lane);
      if (known !== null) return known;
      provisional ??= new Map();
      const number = provisional.get(laneKey(lane)) ?? -1 - provisional.size;
      provisional.set(laneKey(lane), number);
      return number;
    });
  }

  /** For each job: whether its idempotency key is new, known for the same export, or known for another. */
  #findRepeats(
    jobs: readonly NewJob[],
    lanes: readonly number[],
    now: number,
  ): ('new' | 'repeat' | 'mismatch')[] {
    const ofThisBatch = new Map<string, Uint8Array>();
    return jobs.map((job, index) => {
      if (job.idempotency === null) return 'new';
      const { key, digest } = job.idempotency;
      const batchKey = `${lanes[index]}:${key}`;
      const known = this.#knownKey(lanes[index] as number, key, now)?.digest ?? ofThisBatch.get(batchKey);
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
      return this.#lanes.counts.pending(lane) + count > pendingMax;
    });
  }

  #insertOrRepeat(job: TakenIn, laneNumber: number, rules: LaneRules, now: Now): Inserted {
    const lane = laneNumber < 0 ? this.#lanes.id(job.lane) : laneNumber;
    const earlier = job.idempotency === null ? null : this.#knownKey(lane, job.idempotency.key, now.steady);
    if (earlier) return { job: earlier.job, isRepeat: true, claimed: null };
    this.#lanes.rules.charge(rules.budgets, job.data.byteLength, now);
    const progress = this.#firstProgress(job, lane, rules, now);
    const id = fromUuid(job.id);
    const payload = this.#payloads.seal(this.#open.vault, job);
    const { lastInsertRowid: seq } = this.#sql.insertJob.run(
      id,
      lane,
      STATE[progress.state],
      job.data.byteLength,
      job.attemptsMax,
      job.acceptedAt,
      job.expiresAt,
      progress.lease,
      progress.leaseExpiresAt,
      progress.claimedAt,
      job.idempotency?.expiresAt ?? null,
      job.peer,
      payload.slot,
      payload.digest,
    );
    this.#recordTakenIn(job, payload, now.wall);
    this.#payloads.put(seq, payload);
    if (job.idempotency !== null) {
      const { key, digest, expiresAt } = job.idempotency;
      this.#sql.putKey.run(lane, key, id, digest, expiresAt);
    }
    this.#lanes.counts.move(lane, null, unfinished(progress.state));
    this.#changed.push(job.id);
    return {
      job: exportJobOf(job, progress),
      isRepeat: false,
      claimed: progress.lease === null ? null : claimedAtInsert(job, progress.lease),
    };
  }

  #recordTakenIn(job: TakenIn, { digest }: StoredPayload, now: number): void {
    const { id, lane, data, peer, redelivery } = job;
    const recorded = { id, lane, dataBytes: data.byteLength, digest };
    const event =
      redelivery === undefined ? acceptedEvent(recorded, peer) : redeliveryEvent(recorded, redelivery);
    this.#ledger.append(event, now);
  }

  /** Accepted, and claimed at once if that was asked for and nothing of its lane comes before it. */
  #firstProgress(job: NewJob, lane: number, { hold }: LaneRules, now: Now): Progress {
    const isFirst = this.#lanes.counts.of(lane).queued === 0 && this.#lanes.health(lane).failures === 0;
    if (job.claimUntil === null || !isFirst || hold !== null) return accept();
    return claim(accept(), { lease: newLease(), leaseExpiresAt: job.claimUntil, claimedAt: now.wall });
  }

  /** What an idempotency key stands for. It is forgotten when its time is over and its job has ended. */
  #knownKey(lane: number, key: string, now: number): { digest: Uint8Array; job: ExportJob } | null {
    const row = this.#sql.findKey.get(lane, key) as Row | undefined;
    if (row === undefined) return null;
    const job = toJob(row, this.#open.texts);
    if (Number(row.key_expires) <= now && isFinal(job.state)) return null;
    return { digest: row.digest as Uint8Array, job };
  }

  // -- sending --------------------------------------------------------------------------------------------------------

  #claim(lane: Lane, { count, now, leaseExpiresAt }: ClaimRequest): Claim {
    const id = this.#lanes.findId(lane);
    if (id === null) return { jobs: [], backlog: { lane, hasDue: false, nextDueAt: null, isPaused: false } };
    const seqs = this.#due(id, this.#lanes.claimable(id, count, now.steady), now.steady);
    const jobs = seqs.flatMap((seq) => this.#claimJob(seq, lane, id, now, leaseExpiresAt) ?? []);
    return { jobs, backlog: this.#lanes.backlog(id, lane, now.steady) };
  }

  /** The jobs whose turn it is, in the order of acceptance. */
  #due(lane: number, count: number, now: number): number[] {
    const { waiting, queued } = this.#lanes.counts.of(lane);
    if (count === 0 || (waiting === 0 && queued === 0)) return [];
    const rows = waiting === 0 ? this.#sql.queued.all(lane, count) : this.#sql.due.all(lane, now, count);
    return rows.map((row) => Number((row as Row).seq));
  }

  /**
   * Null for a job whose age is over, though nobody has come by to end it, or whose data a damaged store has lost or cannot
   * open: it ends, and those behind it go on.
   */
  #claimJob(seq: number, lane: Lane, laneId: number, now: Now, leaseExpiresAt: number): ClaimedJob | null {
    const row = this.#sql.findClaimable.get(seq) as Row;
    const before = toProgress(row);
    const isTooOld = now.steady >= this.#endsAt(row);
    const data = isTooOld ? null : openPayload(this.#open.vault, row, lane);
    if (data === null) {
      this.#save(row, before, isTooOld ? expire(before, now) : expire(before, now, DATA_LOST), now.wall);
      return null;
    }
    const lease = newLease();
    const progress = claim(before, { lease, leaseExpiresAt, claimedAt: now.wall });
    this.#save(row, before, progress, now.wall);
    return {
      id: toUuid(row.id as Uint8Array),
      lane,
      lease,
      data,
      attemptsMax: Number(row.attempts_max),
      attempts: progress.attempts,
      attemptsSpent: progress.attemptsSpent,
      laneFailures: this.#lanes.health(laneId).failures,
    };
  }

  /** Fenced by the lease: who was taken for dead must not overwrite what happened since. */
  #settle(settlement: Settlement, now: Now): boolean {
    const row = this.#sql.findById.get(fromUuid(settlement.id)) as Row | undefined;
    const before = row === undefined ? null : toProgress(row);
    const settled = before === null ? null : settle(before, settlement, now.steady);
    if (row === undefined || before === null || settled === null) return false;
    const after = this.#unlessTooOld(this.#unlessStopped(settled, Number(row.lane), now), row, now);
    if (settlement.attempt !== null) this.#addAttempt(row, settlement.attempt, now.wall);
    this.#save(row, before, after, now.wall, settlement.attempt);
    if (after.result !== before.result) this.#saveAnswer(row, before, after);
    if (settlement.kind !== 'released')
      this.#lanes.report(Number(row.lane), settlement.laneReport, now.steady);
    return true;
  }

  /** What is no longer being sent ends if the owner has stopped it meanwhile. */
  #unlessStopped(job: Progress, lane: number, now: Now): Progress {
    if (isFinal(job.state)) return job;
    if (job.isCancelled) return stop(job, 'cancel', now);
    return this.#lanes.rulesOf(lane).block === null ? job : stop(job, 'block', now);
  }

  /** What would be tried again ends if its age is over by now, unless the owner holds it: nothing held ages. */
  #unlessTooOld(job: Progress, row: Row, now: Now): Progress {
    const isHeld = this.#lanes.rulesOf(Number(row.lane)).hold !== null;
    if (job.state !== 'waiting' || now.steady < this.#endsAt(row) || isHeld) return job;
    return expire(job, now);
  }

  /** When the age of a job is over, in steady time. */
  #endsAt({ lane, expires_at: expiresAt }: Row): number {
    return Math.max(Number(expiresAt), this.#lanes.notExpiredBefore(Number(lane)));
  }

  #saveAnswer(row: Row, before: Progress, { result }: Progress): void {
    const seq = row.seq as SQLOutputValue;
    if (result?.kind === 'answer') {
      const { body, truncated } = result.answer;
      const sealed = this.#open.texts.sealBody(toUuid(row.id as Uint8Array), body);
      this.#sql.putAnswer.run(seq, sealed, truncated ? 1 : 0);
    } else if (before.result?.kind === 'answer') {
      this.#sql.deleteAnswer.run(seq);
    }
  }

  /**
   * Writes where a job is now; the one place where a job's row changes, and where its end is recorded. An error or a
   * result that was carried over is sealed already.
   *
   * @param now wall clock
   * @param attempt the last one, where it is at hand
   */
  #save(row: Row, before: Progress, after: Progress, now: number, attempt: Attempt | null = null): void {
    const { result, lastError } = after;
    const id = toUuid(row.id as Uint8Array);
    const failure = result?.kind === 'failure' ? result.failure : null;
    const detailOf = (detail: string | undefined, isCarriedOver: boolean): string | null => {
      if (detail === undefined) return null;
      return isCarriedOver ? detail : this.#open.texts.sealDetail(id, detail);
    };
    const slot = isFinal(after.state) ? this.#endPayload(row) : (row.payload_key as number | null);
    this.#sql.saveProgress.run(
      STATE[after.state],
      after.lease,
      after.leaseExpiresAt,
      after.claimedAt,
      after.attempts,
      after.attemptsSpent,
      after.nextAttemptAt,
      after.returnsWithLane ? 1 : 0,
      lastError?.code ?? null,
      detailOf(lastError?.detail, lastError === before.lastError),
      after.finishedAt,
      after.keptSince,
      result?.kind === 'answer' ? result.answer.status : null,
      failure?.code ?? null,
      detailOf(failure?.detail, result === before.result),
      after.isCancelled ? 1 : 0,
      slot,
      isFinal(after.state) ? this.#recordEnd(row, after, now, attempt) : null,
      row.seq as SQLOutputValue,
    );
    this.#lanes.counts.move(Number(row.lane), unfinished(before.state), unfinished(after.state));
    this.#changed.push(id);
    if (isFinal(after.state)) this.#ended.push(this.#endedJob(row, id, after.state, after, now));
  }

  #endedJob(
    row: Row,
    id: string,
    state: FinalState,
    { attempts, finishedAt, result }: Progress,
    now: number,
  ): EndedJob {
    return {
      id,
      lane: this.#lanes.find(Number(row.lane)),
      state,
      dataBytes: Number(row.data_bytes),
      attempts,
      acceptedAt: Number(row.accepted_at),
      finishedAt: finishedAt ?? now,
      status: result?.kind === 'answer' ? result.answer.status : null,
      failure: result?.kind === 'failure' ? result.failure.code : null,
    };
  }

  /** The slot of the payload's key after the end: null when the payload is erased. Those from before version 3 never stay. */
  #endPayload(row: Row): number | null {
    const slot = row.payload_key as number | null;
    if (this.#open.keepsPayloads && slot !== null) return slot;
    this.#payloads.erase(row);
    return null;
  }

  /** Where in the ledger it is recorded. */
  #recordEnd(row: Row, progress: Progress, now: number, attempt: Attempt | null): number {
    const { state, result, attempts } = progress;
    const acceptedAt = Number(row.accepted_at);
    const lastAttempt = attempts === 0 ? null : (lastOf(attempt) ?? this.#lastAttempt(row));
    const outcome = { state, result, acceptedAt, attempts, lastAttempt };
    return this.#ledger.append(outcomeEvent(this.#recorded(row), outcome), now);
  }

  #lastAttempt(row: Row): LastAttempt | null {
    const last = this.#sql.lastAttempt.get(row.seq as SQLOutputValue) as Row | undefined;
    if (last === undefined) return null;
    const {
      address,
      tls_fingerprint: tlsFingerprint,
      error_code: errorCode,
    } = last as Record<string, string | null>;
    return { address, tlsFingerprint, errorCode } as LastAttempt;
  }

  /** What the ledger says of the export in a row of `jobs`. */
  #recorded(row: Row): RecordedExport {
    return {
      id: toUuid(row.id as Uint8Array),
      lane: this.#lanes.find(Number(row.lane)),
      dataBytes: Number(row.data_bytes),
      digest: row.payload_digest as Uint8Array | null,
    };
  }

  /** @param now wall clock */
  #addAttempt(row: Row, attempt: Attempt, now: number): void {
    this.#ledger.append(attemptEvent(this.#recorded(row), attempt), now);
    const detail = attempt.error?.detail;
    this.#sql.addAttempt.run(
      row.seq as SQLOutputValue,
      attempt.number,
      attempt.startedAt,
      attempt.endedAt,
      attempt.address,
      attempt.tlsFingerprint,
      attempt.bytes,
      attempt.status,
      attempt.error?.code ?? null,
      detail === undefined ? null : this.#open.texts.sealDetail(toUuid(row.id as Uint8Array), detail),
    );
  }

  // -- upkeep ---------------------------------------------------------------------------------------------------------

  #extendLeases(leases: readonly HeldLease[], expiresAt: number): undefined {
    for (const { id, lease } of leases) this.#sql.extendLease.run(expiresAt, fromUuid(id), lease);
  }

  #rescue(now: Now, limit: number): LaneBacklog[] {
    const rows = this.#sql.sending.all(now.steady, limit) as Row[];
    for (const row of rows) this.#rescueJob(row, now);
    const lanes = new Set(rows.map((row) => Number(row.lane)));
    return [...lanes].map((id) => this.#backlog(id, now.steady));
  }

  #rescueJob(row: Row, now: Now): void {
    const before = toProgress(row);
    const { progress: rescued, error } = rescue(before);
    const progress = this.#unlessStopped(rescued, Number(row.lane), now);
    this.#addAttempt(row, cutOffAttempt(row, progress, error, now.wall), now.wall);
    this.#save(row, before, progress, now.wall);
    if (progress.result !== before.result) this.#saveAnswer(row, before, progress);
  }

  #recover(now: Now, longest: LongestWaits): Recovery {
    const movedMs = this.#times.recover(now, longest);
    const rows = this.#sql.sending.all(FOR_EVER, NO_LIMIT) as Row[];
    for (const row of rows) this.#rescueJob(row, now);
    this.#lanes.reload();
    return { jobs: rows.length, movedMs };
  }

  #expire(now: Now, limit: number): { ended: number; nextAt: number | null } {
    // Comes by every minute.
    this.#times.note(now);
    const rows = this.#sql.tooOld.all(now.steady, limit) as Row[];
    const ended = this.#untilEnough(rows, (row) => {
      const before = toProgress(row);
      this.#save(row, before, expire(before, now), now.wall);
    });
    this.#sql.deleteBudgetUse.run(now.steady - BUDGET_USE_KEPT_MS);
    if (ended < rows.length) return { ended, nextAt: now.steady };
    const next = (this.#sql.nextExpiry.get(now.steady) as Row).at;
    return { ended, nextAt: typeof next === 'number' ? next : null };
  }

  #deleteExpired(finishedBefore: number, now: number, limit: number): number {
    const keys = this.#sql.deleteKeys.all(now, limit) as Row[];
    const rows = this.#sql.expired.all(finishedBefore, now, limit) as Row[];
    for (const { seq } of rows) {
      this.#sql.deleteAnswer.run(seq as SQLOutputValue);
      this.#sql.makeHistory.run(seq as SQLOutputValue);
    }
    this.#deleteUnusedLanes(keys);
    return Math.max(keys.length, rows.length);
  }

  #deleteHistory(finishedBefore: number, limit: number): number {
    const rows = this.#sql.history.all(finishedBefore, limit) as Row[];
    const deleted = this.#untilEnough(rows, (row) => {
      if (row.payload_key !== null) this.#payloads.erase(row);
      this.#sql.deleteAttempts.run(row.seq as SQLOutputValue);
      this.#sql.deleteJob.run(row.seq as SQLOutputValue);
    });
    this.#deleteUnusedLanes(rows);
    return deleted < rows.length ? limit : rows.length;
  }

  /** A lane is made with its first job; it goes with whatever refers to it last. */
  #deleteUnusedLanes(rows: readonly Row[]): void {
    for (const lane of new Set(rows.map((row) => Number(row.lane)))) this.#lanes.deleteIfUnused(lane);
  }

  // -- the owner ------------------------------------------------------------------------------------------------------

  #addRule(rule: Rule, by: string | null): Rule[] | null {
    if (this.#lanes.rules.rules.length >= RULES_MAX) return null;
    this.#lanes.rules.add(rule);
    this.#ledger.append(ruleEvent('added', rule, by), rule.createdAt);
    if (rule.kind === 'hold') this.#markHeld(rule);
    return this.#lanes.rules.rules;
  }

  #markHeld(rule: Rule): void {
    const matcher = matcherOf(rule);
    for (const row of this.#sql.lanes.all() as Row[]) {
      const lane = { client: String(row.client), destination: String(row.destination) };
      if (row.is_held === 0 && matcher.matches(lane)) this.#sql.holdLane.run(Number(row.id));
    }
  }

  #removeRule({ id, now, notExpiredBefore, by }: OperationOf<'removeRule'>): RuleRemoval | null {
    const rule = this.#lanes.rules.rules.find((each) => each.id === id);
    if (rule === undefined) return null;
    this.#lanes.rules.remove(id);
    this.#ledger.append(ruleEvent('removed', rule, by), now.wall);
    if (rule.kind === 'hold') this.#markReleased(notExpiredBefore);
    return { rules: this.#lanes.rules.rules, lanes: this.#freedOf(rule, now.steady) };
  }

  /** What a rule that is gone has kept from sending, and no other rule does. */
  #freedOf(rule: Rule, now: number): LaneBacklog[] {
    if (rule.kind === 'budget') return [];
    const matcher = matcherOf(rule);
    return [...this.#lanes.counts.busy()]
      .filter((lane) => matcher.matches(this.#lanes.find(lane)) && !this.#lanes.isStopped(lane))
      .map((lane) => this.#backlog(lane, now));
  }

  #markReleased(notExpiredBefore: number): void {
    for (const row of this.#sql.lanes.all() as Row[]) {
      const id = Number(row.id);
      if (row.is_held === 1 && this.#lanes.rulesOf(id).hold === null)
        this.#lanes.release(id, notExpiredBefore);
    }
  }

  #endBlocked(now: Now, limit: number): number {
    if (!this.#lanes.rules.rules.some(({ kind }) => kind === 'block')) return 0;
    let ended = 0;
    for (const lane of [...this.#lanes.counts.busy()]) {
      if (ended >= limit) break;
      const { queued, waiting } = this.#lanes.counts.of(lane);
      if (queued + waiting === 0 || this.#lanes.rulesOf(lane).block === null) continue;
      const rows = this.#sql.stoppable.all(lane, limit - ended) as Row[];
      ended += this.#untilEnough(rows, (row) => this.#stop(row, 'block', now));
      if (this.#payloads.hasErasedEnough) break;
    }
    return ended;
  }

  #cancel(id: string, now: Now, by: string | null): CancelResult {
    const row = this.#sql.findById.get(fromUuid(id)) as Row | undefined;
    if (row === undefined) return 'unknown';
    const job = toProgress(row);
    if (isFinal(job.state)) return 'finished';
    const result = job.state === 'sending' ? 'requested' : 'cancelled';
    this.#ledger.append(cancelEvent(this.#recorded(row), result, by), now.wall);
    if (result === 'cancelled') this.#stop(row, 'cancel', now);
    else this.#save(row, job, requestCancel(job), now.wall);
    return result;
  }

  #redeliver({ id, as, limits, by }: OperationOf<'redeliver'>): RedeliverResult {
    const row = this.#sql.findToRedeliver.get(fromUuid(id)) as Row | undefined;
    if (row === undefined) return { kind: 'unknown' };
    const lane = { client: String(row.client), destination: String(row.destination) };
    const data = openPayload(this.#open.vault, row, lane);
    if (data === null) return { kind: 'erased' };
    const attemptsMax = Number(row.attempts_max);
    const redelivery = { of: toUuid(row.id as Uint8Array), by };
    const none = { peer: null, idempotency: null, claimUntil: null };
    const job: TakenIn = { ...as, ...none, lane, data, attemptsMax, redelivery };
    const result = this.#insert([job], limits);
    if (result.kind === 'inserted') this.#sql.markRedelivery.run(row.id as SQLOutputValue, fromUuid(as.id));
    return result;
  }

  #stop(row: Row, how: Stop, now: Now): void {
    const before = toProgress(row);
    const after = stop(before, how, now);
    this.#save(row, before, after, now.wall);
    this.#saveAnswer(row, before, after);
  }

  #erasePayloads(finishedBefore: number, limit: number): boolean {
    const rows = this.#sql.kept.all(finishedBefore, limit) as Row[];
    const erased = this.#untilEnough(rows, (row) => {
      this.#payloads.erase(row);
      this.#sql.forgetPayloadKey.run(row.seq as SQLOutputValue);
    });
    return erased < rows.length || rows.length === limit;
  }

  /** Does something to row after row until enough is erased; the number of rows that it was done to. */
  #untilEnough(rows: readonly Row[], act: (row: Row) => void): number {
    const last = rows.findIndex((row) => {
      act(row);
      return this.#payloads.hasErasedEnough;
    });
    return last === -1 ? rows.length : last + 1;
  }

  /**
   * What was erased may still be in the log, as it was written there, and in pages whose rows SQLite moved elsewhere.
   * False while somebody reads a state of the store that is in the log: what he reads cannot be taken from him.
   */
  #purge(): boolean {
    this.#rewritePayloads();
    waitForReaders(this.#db, PURGE_WAIT_MS);
    try {
      const { busy } = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as Row;
      return busy === 0;
    } finally {
      waitForReaders(this.#db);
    }
  }

  #rewritePayloads(): void {
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const isRewritten = this.#payloads.rewrite();
      this.#db.exec('COMMIT');
      if (isRewritten) this.#payloads.noteRewritten();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      this.#payloads.rollback();
      this.#isLogDoubtful ||= isIoError(sqliteCode(error));
      throw error;
    }
  }

  #unlock(keys: StoreKeys, { keepsPayloads }: PayloadRetention): undefined {
    const vault = new Vault(keys);
    this.#unlocked = { vault, texts: new SealedText(vault), keepsPayloads };
  }

  get #open(): Unlocked {
    if (this.#unlocked === null) throw new TypeError('The store is locked: unlock comes first.');
    return this.#unlocked;
  }

  #putSecret(name: string, value: Uint8Array, record: KeyRecord | null): Uint8Array {
    const { changes } = this.#sql.putSecret.run(name, value);
    if (changes > 0 && record !== null) this.#ledger.keysChanged(record);
    return (this.#sql.findSecret.get(name) as Row).value as Uint8Array;
  }

  #replaceSecret({ name, expected, value, record }: OperationOf<'replaceSecret'>): boolean {
    const { changes } =
      expected === null
        ? this.#sql.putSecret.run(name, value)
        : this.#sql.replaceSecret.run(value, name, expected);
    const isReplaced = Number(changes) === 1;
    if (isReplaced && record !== null) this.#ledger.keysChanged(record);
    return isReplaced;
  }

  #backlog(id: number, now: number): LaneBacklog {
    return this.#lanes.backlog(id, this.#lanes.find(id), now);
  }

  #countLanes(): void {
    for (const state of ['queued', 'sending', 'waiting'] as const) {
      // Each state has its own partial index, which a parameter would not let SQLite use.
      const counts = this.#db.prepare(
        `SELECT lane, count(*) AS n FROM jobs WHERE state = ${STATE[state]} GROUP BY lane`,
      );
      for (const row of counts.all() as Row[]) this.#lanes.counts.add(Number(row.lane), state, Number(row.n));
    }
    this.#lanes.commit();
  }
}

/**
 * On a full disk a store may need a little room to be opened, for its log and the log's index: it is there once the
 * reserve is given up. SQLite tells of that as a failed write, a file that cannot be grown, and more: any I/O error may
 * be it.
 */
function openInLittleRoom(db: DatabaseSync, path: string, limits: StoreLimits): void {
  try {
    openForWriting(db);
  } catch (error) {
    const code = sqliteCode(error);
    if (!limits.reservesDisk || !(isFull(code) || isIoError(code))) throw error;
    diskReserveOf(path).giveUp();
    openForWriting(db);
  }
}

function newLease(): Lease {
  return randomInt(1, LEASE_MAX);
}

/** The state as the lanes count it; null at the end. */
function unfinished(state: JobState) {
  return isFinal(state) ? null : state;
}

function exportJobOf({ id, lane, data, attemptsMax, acceptedAt }: NewJob, progress: Progress): ExportJob {
  const { state, attempts, attemptsSpent, nextAttemptAt, lastError, finishedAt } = progress;
  const counted = { attempts, attemptsSpent, nextAttemptAt, lastError, finishedAt, result: null };
  return { id, lane, state, dataBytes: data.byteLength, attemptsMax, acceptedAt, ...counted };
}

function claimedAtInsert(job: NewJob, lease: Lease): ClaimedJob {
  const { id, lane, data, attemptsMax } = job;
  return { id, lane, lease, data, attemptsMax, attempts: 0, attemptsSpent: 0, laneFailures: 0 };
}

function lastOf(attempt: Attempt | null): LastAttempt | null {
  if (attempt === null) return null;
  const { address, tlsFingerprint, error } = attempt;
  return { address, tlsFingerprint, errorCode: error?.code ?? null };
}

function cutOffAttempt(row: Row, progress: Progress, error: AttemptError, endedAt: number): Attempt {
  return {
    number: progress.attempts,
    startedAt: Number(row.claimed_at),
    endedAt,
    ...UNSEEN,
    status: null,
    error,
  };
}
