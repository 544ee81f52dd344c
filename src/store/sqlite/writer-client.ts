import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ExportError } from '../../export/errors.ts';
import type { CommitObserver, EndedJob } from '../../export/job-store.ts';
import type { Operation, ResultOf, WriterTotals } from './operations.ts';
import { type PackedDone, pack, payloadBytes, unpackDone } from './packing.ts';
import type { StoreLimits } from './space.ts';
import { damagedStoreError, isDamage, isFull, isOutOfRoom, isRolledBackForSure } from './sqlite-errors.ts';
import type { FromWriter, ToWriter, WriterData } from './writer-thread.ts';

/** Operations that share a commit at most; the rest goes into the next one. */
const BATCH_OPERATIONS_MAX = 1_024;
const RETRY_AFTER_SECONDS = 5;
/** Payload bytes that share a commit at most, unless one operation has more: they all pass through the log. */
const BATCH_BYTES_MAX = 8 * 1_024 ** 2;

/** What a writer tells unasked. */
export interface WriterEvents extends CommitObserver {
  /** After each commit: which jobs changed. */
  onChange(ids: readonly string[]): void;
  /** After each commit: which jobs it ended. */
  onEnded(ended: readonly EndedJob[]): void;
  /** After each commit that made the ledger longer: how many entries it has. */
  onAppended(size: number): void;
  /** The thread ended unasked; every later operation is refused. */
  onDeath(error: Error): void;
}

const NO_TOTALS: WriterTotals = {
  queued: 0,
  sending: 0,
  waiting: 0,
  busyLanes: 0,
  pausedLanes: 0,
  rules: { block: 0, hold: 0, budget: 0 },
  ledgerEntries: 0,
};

interface Waiting {
  readonly operation: Operation;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  /** It gets a commit of its own: it was in a batch that failed because of one of its operations, or is no step of one. */
  isAlone: boolean;
}

/**
 * The main thread's side of the writer: group commit. One batch is under way; what arrives meanwhile is the next. So a
 * lone operation waits for nobody, and under load one flush of the disk serves hundreds.
 */
export class WriterClient {
  readonly #worker: Worker;
  readonly #events: WriterEvents;
  #waiting: Waiting[] = [];
  #underWay: Waiting[] = [];
  #isScheduled = false;
  /** When what is under way was begun; null when nothing is. */
  #begunAt: number | null = null;
  #totals: WriterTotals = NO_TOTALS;
  #death: Error | null = null;
  /** There once closing has begun. */
  #exit: Promise<unknown> | null = null;

  private constructor(worker: Worker, events: WriterEvents) {
    this.#worker = worker;
    this.#events = events;
    worker.on('message', (message: FromWriter) => this.#receive(message));
    worker.on('error', (error: Error) => this.#die(error));
    worker.on('exit', () => this.#die(new Error('The writer thread ended.')));
  }

  /**
   * Starts the writer thread on the store at `path`, which it creates or migrates.
   *
   * @throws Error when the store cannot be opened
   */
  static async start(path: string, limits: StoreLimits, events: WriterEvents): Promise<WriterClient> {
    // The compiled package has .js files; a checkout runs the .ts ones.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./writer-thread.${extension}`, import.meta.url), {
      workerData: { path, limits } satisfies WriterData,
    });
    const [first] = (await once(worker, 'message')) as [FromWriter];
    if (first.kind === 'ready') return new WriterClient(worker, events);
    await worker.terminate();
    throw first.kind === 'failed' ? openError(path, first) : new Error('The writer thread began oddly.');
  }

  perform<O extends Operation>(operation: O): Promise<ResultOf<O>> {
    if (this.#death !== null || this.#exit !== null) {
      return Promise.reject(unavailable(this.#death ?? new Error('The store is closed.')));
    }
    return new Promise<ResultOf<O>>((resolve, reject) => {
      this.#waiting.push({
        operation,
        resolve: resolve as (result: unknown) => void,
        reject,
        isAlone: operation.kind === 'purge',
      });
      this.#schedule();
    });
  }

  /** As they were after the last commit. */
  get totals(): WriterTotals {
    return this.#totals;
  }

  /** For how long the commit under way has been so, in milliseconds; 0 when none is. */
  get commitUnderWayMs(): number {
    return this.#begunAt === null ? 0 : performance.now() - this.#begunAt;
  }

  /** Finishes what was asked for, then closes the store. */
  async close(): Promise<void> {
    if (this.#exit === null) {
      this.#exit = this.#death === null ? once(this.#worker, 'exit') : Promise.resolve();
      this.#schedule();
    }
    await this.#exit;
  }

  /** Sends at the end of this turn of the event loop, so that what one turn asks for shares a commit. */
  #schedule(): void {
    if (this.#isScheduled || this.#underWay.length > 0) return;
    this.#isScheduled = true;
    setImmediate(() => this.#send());
  }

  #send(): void {
    this.#isScheduled = false;
    if (this.#death !== null) return;
    if (this.#waiting.length === 0) {
      if (this.#exit !== null) this.#post({ kind: 'close' }, []);
      return;
    }
    this.#underWay = this.#waiting.splice(0, batchLength(this.#waiting));
    const batch = pack(this.#underWay.map(({ operation }) => operation));
    this.#begunAt = performance.now();
    this.#post({ kind: 'batch', batch }, [batch.bytes]);
  }

  #receive(message: FromWriter): void {
    this.#begunAt = null;
    if (message.kind === 'done') this.#resolve(message.done, message.ms);
    else if (message.kind === 'failed') this.#fail(message);
    if (this.#waiting.length > 0 || this.#exit !== null) this.#schedule();
  }

  #resolve(packed: PackedDone, ms: number): void {
    const batch = this.#takeUnderWay();
    const operations = batch.map(({ operation }) => operation);
    const done = unpackDone(packed, operations);
    // What the writer left for another transaction comes next.
    this.#waiting.unshift(...batch.splice(done.results.length));
    this.#totals = done.totals;
    this.#events.committed(batch.length, ms);
    if (done.ended.length > 0) this.#events.onEnded(done.ended);
    for (const [index, { resolve }] of batch.entries()) resolve(done.results[index]);
    if (done.changed.length > 0) this.#events.onChange(done.changed);
    if (done.ledgerSize !== null) this.#events.onAppended(done.ledgerSize);
  }

  /**
   * Nothing of the batch happened. When that may be the fault of one, each gets its own try: where room is short, what
   * fits goes through, and what makes room too.
   */
  #fail(failed: Extract<FromWriter, { kind: 'failed' }>): void {
    const batch = this.#takeUnderWay();
    this.#events.commitFailed();
    if (batch.length > 1 && (isRolledBackForSure(failed.sqliteCode) || isOutOfRoom(failed.sqliteCode))) {
      for (const each of batch) each.isAlone = true;
      this.#waiting.unshift(...batch);
    } else for (const { reject } of batch) reject(toExportError(failed));
  }

  #takeUnderWay(): Waiting[] {
    const batch = this.#underWay;
    this.#underWay = [];
    return batch;
  }

  #post(message: ToWriter, transfer: ArrayBuffer[]): void {
    this.#worker.postMessage(message, transfer);
  }

  #die(error: Error): void {
    if (this.#death !== null) return;
    this.#death = error;
    const lost = [...this.#underWay, ...this.#waiting];
    this.#underWay = [];
    this.#waiting = [];
    for (const { reject } of lost) reject(unavailable(error));
    if (this.#exit === null) this.#events.onDeath(error);
  }
}

/** How many operations, from the first, share the next commit. */
function batchLength(waiting: readonly Waiting[]): number {
  if (waiting[0]?.isAlone) return 1;
  let bytes = 0;
  const tooMuch = waiting.findIndex(({ operation, isAlone }, index) => {
    bytes += payloadBytes(operation);
    return index > 0 && (isAlone || bytes > BATCH_BYTES_MAX);
  });
  return Math.min(tooMuch === -1 ? waiting.length : tooMuch, BATCH_OPERATIONS_MAX);
}

function openError(path: string, failed: Extract<FromWriter, { kind: 'failed' }>): Error {
  if (isDamage(failed.sqliteCode)) return damagedStoreError(path, failed.message);
  // What is not SQLite's is ours, and says all there is to say.
  if (failed.sqliteCode === null) return new Error(failed.message);
  return new Error(`The store ${path} cannot be opened: ${failed.message}. Is its disk full, or read-only?`);
}

function toExportError(failed: Extract<FromWriter, { kind: 'failed' }>): ExportError {
  const cause = new Error(failed.message);
  if (isFull(failed.sqliteCode)) {
    return new ExportError('store_full', 'The disk or the store is full. Nothing was queued.', { cause });
  }
  return unavailable(cause);
}

function unavailable(cause: Error): ExportError {
  return new ExportError(
    'store_unavailable',
    'The store could not be written. Whether the export was queued is not certain: repeat it with the same Idempotency-Key.',
    { retryAfterSeconds: RETRY_AFTER_SECONDS, cause },
  );
}
