import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isBusy, sqliteCode } from './sqlite-errors.ts';

/**
 * Keeps a second process off a store. The lock is SQLite's own, on a small database beside the store: the system lets
 * go of it when the process is gone, however it went, so there is never a stale lock to remove by hand.
 */
export class StoreLock implements Disposable {
  readonly #db: DatabaseSync;

  /** @throws Error when another process holds it */
  constructor(storePath: string) {
    this.#db = new DatabaseSync(`${storePath}.lock`);
    try {
      // A journal on the disk would need room there, and be one more file.
      this.#db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (cause) {
      this.#db.close();
      if (!isBusy(sqliteCode(cause)))
        throw new Error(`The store ${storePath} cannot be locked: ${(cause as Error).message}.`, { cause });
      throw new Error(`Another process uses the store ${storePath}: only one service at a time can.`, {
        cause,
      });
    }
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

/**
 * A write-ahead log without its database: somebody took the file away. SQLite would delete the log and begin anew.
 *
 * @throws Error that says what to do
 */
export function refuseLostStore(path: string): void {
  const log = `${path}-wal`;
  if (sizeOf(path) > 0 || sizeOf(log) === 0) return;
  throw new Error(
    `The store ${path} is gone, but its log ${log} is still there. Bring the store back from where it was moved to; ` +
      'to begin with an empty one, move the log away too. Nothing was changed.',
  );
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
