import { parentPort, workerData } from 'node:worker_threads';
import type { StoreKeys } from '../../export/job-store.ts';
import type { LedgerPlace } from '../../export/ledger-store.ts';
import type { ExportQuery } from '../../export/owner-store.ts';
import { OwnerReader } from './owner-reader.ts';

/** What the thread is started with. */
export interface ReaderData {
  readonly path: string;
  readonly keys: StoreKeys;
}

/** What the main thread asks; `number` comes back with the answer. */
export type ToReader = { readonly number: number } & ReaderQuestion;

export type ReaderQuestion =
  | { readonly kind: 'list'; readonly query: ExportQuery }
  | { readonly kind: 'find'; readonly id: string }
  | { readonly kind: 'summary'; readonly since: number; readonly until: number }
  | {
      readonly kind: 'ledgerEntries';
      readonly origin: string;
      readonly from: number;
      readonly limit: number;
    }
  | { readonly kind: 'ledgerOutcome'; readonly id: string }
  | { readonly kind: 'ledgerProof'; readonly place: LedgerPlace; readonly size: number }
  | { readonly kind: 'close' };

export interface FromReader {
  readonly number: number;
  readonly result?: unknown;
  /** There when it failed. */
  readonly error?: string;
}

const port = parentPort;
if (port === null) throw new Error('owner-reader-thread is to be started as a worker thread.');

const { path, keys } = workerData as ReaderData;
const reader = new OwnerReader(path, keys);

function answer(question: ReaderQuestion): unknown {
  switch (question.kind) {
    case 'list':
      return reader.list(question.query);
    case 'find':
      return reader.find(question.id);
    case 'summary':
      return reader.summary(question.since, question.until);
    case 'ledgerEntries':
      return reader.ledger.entries(reader.ledger.log(question.origin).id, question.from, question.limit);
    case 'ledgerOutcome':
      return reader.ledger.outcome(question.id);
    case 'ledgerProof':
      return reader.ledger.proof(question.place, question.size);
    case 'close':
      reader[Symbol.dispose]();
      return port?.close();
  }
}

port.on('message', ({ number, ...question }: ToReader) => {
  try {
    port.postMessage({ number, result: answer(question) } satisfies FromReader);
  } catch (error) {
    port.postMessage({ number, error: String(error) } satisfies FromReader);
  }
});
