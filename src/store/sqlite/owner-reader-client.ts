import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ExportError } from '../../export/errors.ts';
import type { StoreKeys } from '../../export/job-store.ts';
import type { LedgerEntryRecord, LedgerPlace, LedgerStore } from '../../export/ledger-store.ts';
import type { ExportPage, ExportQuery, LaneSummary, OwnedExport } from '../../export/owner-store.ts';
import type { FromReader, ReaderData, ReaderQuestion, ToReader } from './owner-reader-thread.ts';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The main thread's side of the owner's reader. Its thread is started by the first question: a box whose owner asks
 * nothing does without it.
 */
export class OwnerReaderClient implements AsyncDisposable {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #keys: StoreKeys | null = null;
  #worker: Worker | null = null;
  #count = 0;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
  }

  unlock(keys: StoreKeys): void {
    this.#keys = keys;
  }

  list(query: ExportQuery): Promise<ExportPage> {
    return this.#ask({ kind: 'list', query });
  }

  find(id: string): Promise<OwnedExport | null> {
    return this.#ask({ kind: 'find', id });
  }

  summary(since: number, until: number): Promise<LaneSummary[]> {
    return this.#ask({ kind: 'summary', since, until });
  }

  ledgerEntries(origin: string, from: number, limit: number): Promise<LedgerEntryRecord[]> {
    return this.#ask({ kind: 'ledgerEntries', origin, from, limit });
  }

  ledgerOutcome(id: string): Promise<LedgerPlace | null> {
    return this.#ask({ kind: 'ledgerOutcome', id });
  }

  ledgerProof(place: LedgerPlace, size: number): ReturnType<LedgerStore['proof']> {
    return this.#ask({ kind: 'ledgerProof', place, size });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    if (worker === null) return;
    const exited = once(worker, 'exit');
    worker.postMessage({ kind: 'close', number: 0 } satisfies ToReader);
    await exited;
  }

  #ask<T>(question: ReaderQuestion): Promise<T> {
    if (this.#isClosed) return Promise.reject(unreadable(new Error('The store is closed.')));
    const keys = this.#keys;
    if (keys === null) throw new TypeError('The store is locked: unlock comes first.');
    const number = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve: resolve as Waiting['resolve'], reject });
      this.#started(keys).postMessage({ ...question, number } satisfies ToReader);
    });
  }

  #started(keys: StoreKeys): Worker {
    if (this.#worker !== null) return this.#worker;
    // The compiled package has .js files; a checkout runs the .ts ones.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./owner-reader-thread.${extension}`, import.meta.url), {
      workerData: { path: this.#path, keys } satisfies ReaderData,
    });
    worker.on('message', (message: FromReader) => this.#receive(message));
    // The next question starts another one.
    worker.on('error', (error: Error) => this.#lose(error));
    worker.on('exit', () => this.#lose(new Error("The owner's reader ended.")));
    this.#worker = worker;
    return worker;
  }

  #receive({ number, result, error }: FromReader): void {
    const waiting = this.#waiting.get(number);
    this.#waiting.delete(number);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(unreadable(new Error(error)));
  }

  #lose(error: Error): void {
    this.#worker = null;
    const lost = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of lost) reject(unreadable(error));
  }
}

function unreadable(cause: Error): ExportError {
  return new ExportError('store_unavailable', 'The store could not be read. Try again in a moment.', {
    retryAfterSeconds: 5,
    cause,
  });
}
