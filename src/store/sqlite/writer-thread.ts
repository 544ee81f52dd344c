import { parentPort, workerData } from 'node:worker_threads';
import { type PackedBatch, type PackedDone, packDone, unpack } from './packing.ts';
import type { StoreLimits } from './space.ts';
import { sqliteCode } from './sqlite-errors.ts';
import { SqliteWriter } from './writer.ts';

/** What the thread is started with. */
export interface WriterData {
  readonly path: string;
  readonly limits: StoreLimits;
}

/** What the main thread sends: a batch for one transaction, or the request to close. */
export type ToWriter = { readonly kind: 'batch'; readonly batch: PackedBatch } | { readonly kind: 'close' };

/** What the writer answers, once for each message and once when it is ready. */
export type FromWriter =
  | { readonly kind: 'ready' }
  /** `ms`: how long the commit took, with all that it did. */
  | { readonly kind: 'done'; readonly done: PackedDone; readonly ms: number }
  | { readonly kind: 'failed'; readonly message: string; readonly sqliteCode: number | null };

const port = parentPort;
if (port === null) throw new Error('writer-thread is to be started as a worker thread.');

const answer = (message: FromWriter, transfer: ArrayBuffer[] = []): void =>
  port.postMessage(message, transfer);

function failure(error: unknown): FromWriter {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', message, sqliteCode: sqliteCode(error) };
}

function open({ path, limits }: WriterData): void {
  const writer = new SqliteWriter(path, limits);
  port?.on('message', (message: ToWriter) => {
    if (message.kind === 'close') {
      writer.close();
      port.close();
      return;
    }
    try {
      const operations = unpack(message.batch);
      const begunAt = performance.now();
      const batch = writer.run(operations);
      const ms = performance.now() - begunAt;
      const done = packDone(batch, operations);
      answer({ kind: 'done', done, ms }, [done.packedResults.bytes]);
    } catch (error) {
      answer(failure(error));
    }
  });
  answer({ kind: 'ready' });
}

try {
  open(workerData as WriterData);
} catch (error) {
  answer(failure(error));
  port.close();
}
