import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteJobStore } from '../../src/store/sqlite/sqlite-job-store.ts';

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

/** A real store in a directory of its own. */
export async function openTemporaryStore(): Promise<AsyncDisposable & { store: SqliteJobStore }> {
  const directory = new TemporaryDirectory();
  const store = await SqliteJobStore.open(directory.file('exports.db'));
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
}
