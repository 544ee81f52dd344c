import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ExportError } from '../../export/errors.ts';
import type { Attempt, ExportJob, Lane } from '../../export/job.ts';
import type {
  Claim,
  ClaimRequest,
  CommitObserver,
  EndedJob,
  HeldLease,
  InsertLimits,
  InsertResult,
  JobStore,
  JobViewer,
  LaneBacklog,
  LongestWaits,
  NewJob,
  Now,
  PayloadRetention,
  SecretStore,
  Settlement,
  StoreFigures,
  StoreKeys,
} from '../../export/job-store.ts';
import type { LedgerStore } from '../../export/ledger-store.ts';
import type { OwnerStore } from '../../export/owner-store.ts';
import { Vault } from '../vault/vault.ts';
import { LedgerReader } from './ledger-reader.ts';
import { OwnerReaderClient } from './owner-reader-client.ts';
import { openPayload } from './payloads.ts';
import { fromUuid, type Row, SELECT_JOB, toAttempt, toJob } from './rows.ts';
import { SealedText } from './sealed-text.ts';
import { freeBytes, NO_STORE_LIMITS, type StoreLimits } from './space.ts';
import { refuseLostStore, StoreLock } from './store-lock.ts';
import { WriterClient } from './writer-client.ts';

/**
 * The embedded store: one SQLite file in WAL mode, flushed at every commit.
 *
 * Writing has a thread of its own ({@link WriterClient}). Reading happens here, on a read-only connection: it takes
 * microseconds, WAL lets it run beside the writer, and a read after an answered write sees that write.
 */
export class SqliteJobStore implements JobStore {
  readonly secrets: SecretStore;
  readonly owner: OwnerStore;
  readonly ledger: LedgerStore;
  /** What steady times have been moved by at the starts of processes. */
  #movedMs = 0;
  readonly #lock: StoreLock;
  readonly #reader: Reader;
  readonly #writer: WriterClient;
  readonly #ownerReader: OwnerReaderClient;
  readonly #listeners: Listeners;
  readonly #bytesMax: number | null;

  private constructor(
    lock: StoreLock,
    writer: WriterClient,
    reader: Reader,
    ownerReader: OwnerReaderClient,
    listeners: Listeners,
    { bytesMax }: StoreLimits,
  ) {
    this.#bytesMax = Number.isFinite(bytesMax) ? bytesMax : null;
    this.#lock = lock;
    this.#writer = writer;
    this.#ownerReader = ownerReader;
    this.#reader = reader;
    this.#listeners = listeners;
    this.secrets = {
      get: (name) => this.#read((from) => from.secret(name)),
      putIfAbsent: (name, value, record = null) => writer.perform({ kind: 'putSecret', name, value, record }),
      replace: (name, expected, value, record = null) =>
        writer.perform({ kind: 'replaceSecret', name, expected, value, record }),
    };
    this.owner = {
      rules: () => writer.perform({ kind: 'rules' }),
      addRule: (rule, by = null) => writer.perform({ kind: 'addRule', rule, by }),
      removeRule: (id, now, notExpiredBefore, by = null) =>
        writer.perform({ kind: 'removeRule', id, now, notExpiredBefore, by }),
      endBlocked: (now, limit) => writer.perform({ kind: 'endBlocked', now, limit }),
      cancel: (id, now, by = null) => writer.perform({ kind: 'cancel', id, now, by }),
      redeliver: (id, as, limits, by = null) => writer.perform({ kind: 'redeliver', id, as, limits, by }),
      list: (query) => ownerReader.list(query),
      find: (id) => ownerReader.find(id),
      summary: (since, until) => ownerReader.summary(since, until),
    };
    this.ledger = {
      logs: () => this.#read((from) => from.ledger.logs()),
      rootAt: (origin, size) => this.#read(({ ledger }) => ledger.rootAt(ledger.log(origin).id, size)),
      begin: (beginning) => writer.perform({ kind: 'beginLedger', beginning }),
      onAppended(listener) {
        listeners.appended.add(listener);
        return () => listeners.appended.delete(listener);
      },
      head: (checkpoint) => writer.perform({ kind: 'ledgerHead', checkpoint }),
      entries: (origin, from, limit) => ownerReader.ledgerEntries(origin, from, limit),
      outcome: (exportId) => ownerReader.ledgerOutcome(exportId),
      proof: (place, size) => ownerReader.ledgerProof(place, size),
      refused: (refused, now) => writer.perform({ kind: 'countRefused', refused, now }),
      recordRefusals: (now, isLast) => writer.perform({ kind: 'recordRefusals', now, isLast }),
      erase: (before, now, limit) => writer.perform({ kind: 'eraseLedger', before, now, limit }),
    };
  }

  /**
   * Opens the store at `givenPath`, creating or migrating it.
   *
   * @param onDeath hears when the writer thread ends unasked; every later write is then refused
   * @param limits how large it may be
   * @param observer hears of every commit
   * @throws Error when another process uses it, it is not ours, of a newer version, or damaged
   */
  static async open(
    givenPath: string,
    onDeath: (error: Error) => void = () => {},
    limits: StoreLimits = NO_STORE_LIMITS,
    observer: CommitObserver = { committed: () => {}, commitFailed: () => {} },
  ): Promise<SqliteJobStore> {
    using cleanup = new DisposableStack();
    const lock = cleanup.use(new StoreLock(givenPath));
    const path = lock.storePath;
    refuseLostStore(path);
    const listeners: Listeners = { changed: new Set(), ended: new Set(), appended: new Set() };
    const writer = await WriterClient.start(path, limits, {
      onChange: (ids) => {
        for (const listener of listeners.changed) listener(ids);
      },
      onEnded: (ended) => {
        for (const listener of listeners.ended) listener(ended);
      },
      committed: (operations, ms) => observer.committed(operations, ms),
      commitFailed: () => observer.commitFailed(),
      onAppended: (size) => {
        for (const listener of listeners.appended) listener(size);
      },
      onDeath,
    });
    try {
      const store = new SqliteJobStore(
        lock,
        writer,
        new Reader(path),
        new OwnerReaderClient(path),
        listeners,
        limits,
      );
      cleanup.move();
      return store;
    } catch (error) {
      // The thread would keep the process from ending.
      await writer.close();
      throw error;
    }
  }

  async unlock(keys: StoreKeys, retention: PayloadRetention): Promise<void> {
    await this.#writer.perform({ kind: 'unlock', keys, retention });
    this.#reader.unlock(keys);
    this.#ownerReader.unlock(keys);
  }

  insert(jobs: readonly NewJob[], limits: InsertLimits): Promise<InsertResult> {
    return this.#writer.perform({ kind: 'insert', jobs, limits });
  }

  get(ids: readonly string[], viewer?: JobViewer): Promise<(ExportJob | null)[]> {
    return this.#read((from) => ids.map((id) => (viewer ? from.jobFor(id, viewer) : from.job(id))));
  }

  claim(lane: Lane, request: ClaimRequest): Promise<Claim> {
    return this.#writer.perform({ kind: 'claim', lane, request });
  }

  settle(settlement: Settlement, next: ClaimRequest): Promise<{ settled: boolean; next: Claim }> {
    return this.#writer.perform({ kind: 'settle', settlement, next });
  }

  extendLeases(leases: readonly HeldLease[], expiresAt: number): Promise<void> {
    return this.#writer.perform({ kind: 'extendLeases', leases, expiresAt });
  }

  rescue(now: Now, limit: number): Promise<LaneBacklog[]> {
    return this.#writer.perform({ kind: 'rescue', now, limit });
  }

  async recover(now: Now, longest: LongestWaits): Promise<number> {
    const { jobs, movedMs } = await this.#writer.perform({ kind: 'recover', now, longest });
    this.#movedMs = movedMs;
    return jobs;
  }

  storeTime(steady: number): number {
    return steady - this.#movedMs;
  }

  expire(now: Now, limit: number): Promise<{ ended: number; nextAt: number | null }> {
    return this.#writer.perform({ kind: 'expire', now, limit });
  }

  busyLanes(now: number): Promise<LaneBacklog[]> {
    return this.#writer.perform({ kind: 'busyLanes', now });
  }

  deleteExpired(finishedBefore: number, now: number, limit: number): Promise<number> {
    return this.#writer.perform({ kind: 'deleteExpired', finishedBefore, now, limit });
  }

  deleteHistory(finishedBefore: number, limit: number): Promise<number> {
    return this.#writer.perform({ kind: 'deleteHistory', finishedBefore, limit });
  }

  payload(id: string): Promise<Uint8Array | null> {
    return this.#read((from) => from.payload(id));
  }

  erasePayloads(finishedBefore: number, limit: number): Promise<boolean> {
    return this.#writer.perform({ kind: 'erasePayloads', finishedBefore, limit });
  }

  purge(): Promise<boolean> {
    return this.#writer.perform({ kind: 'purge' });
  }

  attempts(id: string): Promise<Attempt[]> {
    return this.#read((from) => from.attempts(id));
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    this.#listeners.changed.add(listener);
    return () => this.#listeners.changed.delete(listener);
  }

  onEnded(listener: (ended: readonly EndedJob[]) => void): () => void {
    this.#listeners.ended.add(listener);
    return () => this.#listeners.ended.delete(listener);
  }

  figures(): Promise<StoreFigures> {
    return this.#read((from) => ({
      ...this.#writer.totals,
      ...from.figures(),
      bytesMax: this.#bytesMax,
      diskFreeBytes: freeBytes(this.#lock.storePath),
      commitUnderWayMs: this.#writer.commitUnderWayMs,
    }));
  }

  ping(): Promise<void> {
    return this.#writer.perform({ kind: 'ping' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The readers first: only the last connection to close can empty the write-ahead log.
    this.#reader[Symbol.dispose]();
    await this.#ownerReader[Symbol.asyncDispose]();
    await this.#writer.close();
    this.#lock[Symbol.dispose]();
  }

  /** Reads are synchronous underneath; what they throw becomes a rejection with a code. */
  async #read<T>(read: (from: Reader) => T): Promise<T> {
    try {
      return read(this.#reader);
    } catch (cause) {
      throw new ExportError('store_unavailable', 'The store could not be read. Try again in a moment.', {
        retryAfterSeconds: 5,
        cause,
      });
    }
  }
}

interface Listeners {
  readonly changed: Set<(ids: readonly string[]) => void>;
  readonly ended: Set<(ended: readonly EndedJob[]) => void>;
  readonly appended: Set<(size: number) => void>;
}

/** A read-only connection with its statements. */
class Reader implements Disposable {
  readonly #db: DatabaseSync;
  readonly #job: StatementSync;
  readonly #jobFor: StatementSync;
  readonly #attempts: StatementSync;
  readonly #secret: StatementSync;
  readonly #payload: StatementSync;
  readonly #oldest: StatementSync;
  readonly #pages: StatementSync;
  #ledger: LedgerReader | null = null;
  #vault: Vault | null = null;
  #texts: SealedText | null = null;

  constructor(path: string) {
    this.#db = new DatabaseSync(path, { readOnly: true });
    this.#job = this.#db.prepare(`${SELECT_JOB} WHERE j.id = ? AND j.is_history = 0`);
    // The lane is looked at before the answer, so that what is somebody else's costs no more than what is not there.
    this.#jobFor = this.#db.prepare(
      `${SELECT_JOB} WHERE j.id = ?1 AND j.is_history = 0
       AND l.client = ?2 AND (?3 IS NULL OR l.destination = ?3)`,
    );
    this.#attempts = this.#db.prepare(
      'SELECT a.*, j.id FROM attempts a JOIN jobs j ON j.seq = a.job WHERE j.id = ? AND j.is_history = 0 ORDER BY a.number',
    );
    // By the index of what ages, in whose order exports are accepted, unless --age-max was changed since.
    this.#oldest = this.#db.prepare(
      'SELECT accepted_at FROM jobs INDEXED BY jobs_unfinished WHERE finished_at IS NULL ORDER BY expires_at LIMIT 1',
    );
    this.#pages = this.#db.prepare(`
      SELECT (page_count - freelist_count) * page_size AS bytes
      FROM pragma_page_count, pragma_freelist_count, pragma_page_size`);
    this.#secret = this.#db.prepare('SELECT value FROM secrets WHERE name = ?');
    this.#payload = this.#db.prepare(`
      SELECT j.id, j.payload_key, l.client, l.destination, p.data, k.wrapped
      FROM jobs j JOIN lanes l ON l.id = j.lane JOIN payloads p ON p.job = j.seq
        LEFT JOIN payload_keys k ON k.slot = j.payload_key
      WHERE j.id = ?`);
  }

  unlock(keys: StoreKeys): void {
    this.#vault = new Vault(keys);
    this.#texts = new SealedText(this.#vault);
  }

  figures(): Pick<StoreFigures, 'oldestAcceptedAt' | 'usedBytes'> {
    const acceptedAt = this.#oldest.get()?.accepted_at;
    return {
      oldestAcceptedAt: acceptedAt === undefined ? null : Number(acceptedAt),
      usedBytes: Number(this.#pages.get()?.bytes),
    };
  }

  /** Made when it is asked for: a store that a service has yet to migrate has none. */
  get ledger(): LedgerReader {
    this.#ledger ??= new LedgerReader(this.#db);
    return this.#ledger;
  }

  job(id: string): ExportJob | null {
    const row = this.#job.get(fromUuid(id)) as Row | undefined;
    return row === undefined ? null : toJob(row, unlocked(this.#texts));
  }

  jobFor(id: string, { client, destination }: JobViewer): ExportJob | null {
    const row = this.#jobFor.get(fromUuid(id), client, destination) as Row | undefined;
    return row === undefined ? null : toJob(row, unlocked(this.#texts));
  }

  attempts(id: string): Attempt[] {
    const texts = unlocked(this.#texts);
    return (this.#attempts.all(fromUuid(id)) as Row[]).map((row) => toAttempt(row, texts));
  }

  payload(id: string): Uint8Array | null {
    const row = this.#payload.get(fromUuid(id)) as Row | undefined;
    if (row === undefined) return null;
    const lane = { client: String(row.client), destination: String(row.destination) };
    return openPayload(unlocked(this.#vault), row, lane);
  }

  secret(name: string): Uint8Array | null {
    return (this.#secret.get(name)?.value as Uint8Array | undefined) ?? null;
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

function unlocked<T>(part: T | null): T {
  if (part === null) throw new TypeError('The store is locked: unlock comes first.');
  return part;
}

/**
 * The secrets of a store, read beside a service that uses it.
 *
 * @throws Error when there is no store at `path`
 */
export function readSecrets(path: string): Pick<SecretStore, 'get'> & Disposable {
  const reader = new Reader(path);
  return {
    get: async (name) => reader.secret(name),
    [Symbol.dispose]: () => reader[Symbol.dispose](),
  };
}
