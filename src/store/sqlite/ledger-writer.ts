import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { KeyRecord } from '../../export/job-store.ts';
import type { LedgerBeginning, LedgerHead, NewLedgerLog } from '../../export/ledger-store.ts';
import { type EventText, eventText, type LedgerEvent } from '../../ledger/entry.ts';
import { recordedErasure } from '../../ledger/erasures.ts';
import { Frontier } from '../../ledger/frontier.ts';
import { LogAppender } from '../../ledger/log-appender.ts';
import { type Refusal, RefusalTally } from '../../ledger/refusal-tally.ts';
import { Salts } from '../../ledger/salts.ts';
import { erasureEvent, keyEvent, logEvent, startEvent } from '../ledger-events.ts';
import { LedgerReader, LOG_ENTRIES_MAX } from './ledger-reader.ts';
import type { Row } from './rows.ts';
import { AWAY_MS_MAX } from './steady-times.ts';

/** What the store is told of a checkpoint that was signed and is on the disk outside. */
export interface SignedCheckpoint {
  readonly note: string;
  readonly size: number;
  readonly isKept: boolean;
}

/** The log that is written to. */
interface OpenLog {
  readonly id: number;
  readonly appender: LogAppender;
}

interface CountedRefusal {
  readonly refusal: Refusal;
  readonly now: number;
}

/**
 * Writes the ledger in the transactions of a store's writer. What is remembered here follows each commit and each
 * rollback of the store.
 */
export class LedgerWriter {
  readonly #db: DatabaseSync;
  readonly #reader: LedgerReader;
  readonly #addEntry: StatementSync;
  readonly #addNode: StatementSync;
  readonly #salts = new Salts();
  readonly #tally = new RefusalTally();
  #open: OpenLog | null = null;
  /** One that the present transaction has begun. */
  #begun: OpenLog | null = null;
  /** Refusals of the present transaction: counted once it is committed. */
  #refused: CountedRefusal[] = [];
  /** Refusals of minutes that are over, to be recorded with what comes next. */
  #owed: LedgerEvent[] = [];
  /** By how much the clock seems to have been wrong at this start; at most 0. */
  #clockMs = 0;
  /** How many of these the present transaction has recorded. */
  #paid = 0;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#reader = new LedgerReader(db);
    this.#addEntry = db.prepare('INSERT INTO ledger_entries (entry, text, leaf_hash) VALUES (?, ?, ?)');
    this.#addNode = db.prepare('INSERT INTO ledger_nodes (log, level, place, hash) VALUES (?, ?, ?, ?)');
  }

  /** How many entries the open log has, as of the last commit; null before a log is open. */
  get size(): number | null {
    return this.#open === null ? null : this.#open.appender.size;
  }

  /**
   * Goes on with the newest log, or begins another one.
   *
   * @throws Error when there is none to go on with, or the hashes that it goes on from are not there
   */
  begin({ instance, newLog, version, now }: LedgerBeginning): undefined {
    this.#clockMs = Math.min(0, this.#newestTime() + AWAY_MS_MAX - now);
    this.#begun = newLog === null ? this.#continue(instance) : this.#beginLog(newLog, instance);
    if (newLog !== null) this.append(logEvent(newLog), now);
    for (const event of this.#takePending()) this.#write(event, now);
    this.append(startEvent(version), now);
  }

  /** Records changes of keys; before a log is open, they are left to be recorded when one is. */
  keysChanged({ changes, now }: KeyRecord): void {
    for (const event of changes.map(keyEvent)) {
      if (this.#open === null && this.#begun === null) leaveForRecord(this.#db, event);
      else this.append(event, now);
    }
  }

  /** @returns where the entry is, as a row of `ledger_entries` */
  append(event: LedgerEvent, now: number): number {
    return this.#write(eventText(event), now);
  }

  /** Counts a new export that a rule or a setting refused. */
  refused(refusal: Refusal, now: number): void {
    this.#payOwed(now);
    this.#refused.push({ refusal, now });
  }

  /** Records the refusals of minutes that are over; of the present one too when it `isLast`. */
  recordRefusals(now: number, isLast: boolean): undefined {
    this.#owe(isLast ? this.#tally.takeAll() : this.#tally.take(now));
    this.#payOwed(now);
  }

  /** Keeps a checkpoint, and tells the head of what is durable: of the last commit, not of the present transaction. */
  head(checkpoint: SignedCheckpoint | null): LedgerHead {
    const { id, appender } = this.#log;
    if (checkpoint !== null) {
      this.#db.prepare('UPDATE ledger_logs SET checkpoint = ? WHERE id = ?').run(checkpoint.note, id);
      if (checkpoint.isKept)
        this.#db
          .prepare('INSERT OR REPLACE INTO ledger_checkpoints (log, size, note) VALUES (?, ?, ?)')
          .run(id, checkpoint.size, checkpoint.note);
    }
    const { size, root } = appender.head;
    // A copy: the hash lies in a pool that other small buffers share, and all of it would change threads.
    return { size, root: Uint8Array.from(root) };
  }

  /** Erases texts of at most `limit` entries of one log that were written before `before`; whether there may be more. */
  erase(before: number, now: number, limit: number): boolean {
    const logs = this.#db.prepare('SELECT id, origin, erased FROM ledger_logs ORDER BY id').all() as Row[];
    for (const { id, origin, erased } of logs) {
      const log = Number(id);
      const end = this.#endOfOld(log, Number(erased), before + this.#clockMs, limit);
      if (end === null) continue;
      const first = log * LOG_ENTRIES_MAX;
      this.#eraseTexts(first + Number(erased), first + end);
      this.#db.prepare('UPDATE ledger_logs SET erased = ? WHERE id = ?').run(end, log);
      this.append(erasureEvent(log === this.#log.id ? null : String(origin), end), now);
      return true;
    }
    return false;
  }

  /**
   * Leaves the hashes of a range of rows. They are deleted and written anew: what an UPDATE makes smaller stays on its
   * page, and pages into which nothing is ever inserted would stay as good as empty.
   */
  #eraseTexts(from: number, to: number): void {
    const rows = this.#db
      .prepare('DELETE FROM ledger_entries WHERE entry >= ? AND entry < ? RETURNING entry, leaf_hash')
      .all(from, to) as Row[];
    for (const { entry, leaf_hash } of rows) this.#addEntry.run(Number(entry), null, leaf_hash as Uint8Array);
  }

  /** @returns whether the log has become longer */
  commit(): boolean {
    const isLonger = this.#begun !== null || (this.#open?.appender.isAhead ?? false);
    this.#open = this.#begun ?? this.#open;
    this.#begun = null;
    this.#open?.appender.commit();
    this.#owed.splice(0, this.#paid);
    this.#paid = 0;
    for (const { refusal, now } of this.#refused.splice(0)) this.#owe(this.#tally.add(refusal, now));
    return isLonger;
  }

  rollback(): void {
    this.#begun = null;
    this.#open?.appender.rollback();
    this.#paid = 0;
    this.#refused = [];
  }

  #write(event: EventText, now: number): number {
    const { id, appender } = this.#log;
    const { index, text, leafHash, nodes } = appender.append(event, now);
    const entry = id * LOG_ENTRIES_MAX + index;
    this.#addEntry.run(entry, text, leafHash);
    for (const node of nodes) this.#addNode.run(id, node.level, node.index, node.hash);
    return entry;
  }

  /** When the last entry of the store was written; the end of time when nothing tells. */
  #newestTime(): number {
    const row = this.#db.prepare('SELECT text FROM ledger_entries ORDER BY entry DESC LIMIT 1').get() as
      | Row
      | undefined;
    return typeof row?.text === 'string' ? Date.parse(timeOf(row.text)) : Number.POSITIVE_INFINITY;
  }

  get #log(): OpenLog {
    const log = this.#begun ?? this.#open;
    if (log === null) throw new TypeError('The ledger is not open: begin comes first.');
    return log;
  }

  #continue(instance: string): OpenLog {
    const log = this.#reader.logs().findLast((each) => each.instance === instance);
    if (log === undefined) throw new Error('The store has no log to go on with.');
    const frontier = new Frontier(log.size, this.#reader.peaks(log.id, log.size));
    return { id: log.id, appender: new LogAppender(frontier, this.#salts) };
  }

  #beginLog({ origin, verifierKey }: NewLedgerLog, instance: string): OpenLog {
    const { lastInsertRowid: id } = this.#db
      .prepare('INSERT INTO ledger_logs (instance, origin, verifier_key) VALUES (?, ?, ?)')
      .run(instance, origin, verifierKey);
    return { id: Number(id), appender: new LogAppender(new Frontier(), this.#salts) };
  }

  #takePending(): EventText[] {
    const rows = this.#db.prepare('SELECT event FROM ledger_pending ORDER BY id').all() as Row[];
    this.#db.exec('DELETE FROM ledger_pending');
    return rows.map(({ event }) => String(event) as EventText);
  }

  #owe(events: readonly LedgerEvent[]): void {
    this.#owed.push(...events);
  }

  #payOwed(now: number): void {
    for (const event of this.#owed.slice(this.#paid)) this.append(event, now);
    this.#paid = this.#owed.length;
  }

  /**
   * Up to where entries from `from` on are old: at most `limit` of them. Null when none is, or when all that is old are
   * records of earlier erasures: to erase these would make another one, for ever.
   */
  #endOfOld(log: number, from: number, before: number, limit: number): number | null {
    let end = from;
    let isWorthIt = false;
    for (const { index, text } of this.#reader.entries(log, from, limit)) {
      if (text !== null && Date.parse(timeOf(text)) >= before) break;
      isWorthIt ||= text !== null && recordedErasure(text) === null;
      end = index + 1;
    }
    return isWorthIt || (end - from === limit && this.#isOldTextFrom(end, log, before)) ? end : null;
  }

  /** Whether there is something old from entry `from` on that says more than what was erased. */
  #isOldTextFrom(from: number, log: number, before: number): boolean {
    for (const { text } of this.#reader.each(log, from)) {
      if (text === null) continue;
      if (Date.parse(timeOf(text)) >= before) return false;
      if (recordedErasure(text) === null) return true;
    }
    return false;
  }
}

/** When an entry was written: its text begins with its place and its time. */
function timeOf(text: string): string {
  return /^\{"n":\d+,"time":"([^"]+)"/.exec(text)?.[1] ?? '';
}

/** Leaves something to be recorded by the next start, in the present transaction. */
export function leaveForRecord(db: DatabaseSync, event: LedgerEvent): void {
  db.prepare('INSERT INTO ledger_pending (event) VALUES (?)').run(eventText(event));
}
