import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PayloadRetention } from '../../src/export/job-store.ts';
import { NO_STORE_LIMITS, type StoreLimits } from '../../src/store/sqlite/space.ts';
import { SqliteJobStore } from '../../src/store/sqlite/sqlite-job-store.ts';
import { beginLedger } from './ledger/beginning.ts';
import { NOT_KEPT, STORE_KEYS } from './store-keys.ts';

/** A directory that is gone when the test is over. */
export class TemporaryDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'export-service-'));

  file(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A store that can be used, its keys known and its ledger begun. */
export async function openStore(
  path: string,
  retention: PayloadRetention = NOT_KEPT,
  limits: StoreLimits = NO_STORE_LIMITS,
): Promise<SqliteJobStore> {
  const store = await SqliteJobStore.open(path, undefined, limits);
  await store.unlock(STORE_KEYS, retention);
  await beginLedger(store.ledger);
  return store;
}

/** A real store in a directory of its own. */
export async function openTemporaryStore(
  retention: PayloadRetention = NOT_KEPT,
): Promise<AsyncDisposable & { store: SqliteJobStore }> {
  const directory = new TemporaryDirectory();
  const store = await openStore(directory.file('exports.db'), retention);
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
}
