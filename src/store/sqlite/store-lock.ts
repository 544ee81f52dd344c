import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isBusy, sqliteCode } from './sqlite-errors.ts';

/**
 * Keeps a second process off a store. The lock is SQLite's own, on a small database beside the store: the system lets
 * go of it when the process is gone, however it went, so there is never a stale lock to remove by hand.
 */
export class StoreLock implements Disposable {
  /** The store's one name: absolute, and without symbolic links. Its log and its reserve lie beside it. */
  readonly storePath: string;
  readonly #db: DatabaseSync;

  /** @throws Error when another process holds it, and when there can be no lock, with the reason */
  constructor(storePath: string) {
    this.storePath = oneNameOf(storePath);
    refuseHardLinks(this.storePath);
    this.#db = lock(this.storePath);
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

function lock(storePath: string): DatabaseSync {
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(`${storePath}.lock`);
    // A journal on the disk would need room there, and be one more file.
    db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return db;
  } catch (cause) {
    db?.close();
    if (isBusy(sqliteCode(cause))) {
      const words = `Another process uses the store ${storePath}: only one service at a time can.`;
      throw new Error(words, { cause });
    }
    throw new Error(`The lock ${storePath}.lock cannot be taken: ${(cause as Error).message}.`, { cause });
  }
}

/** Links may be followed so often before they are taken for a circle, as Linux does. */
const LINKS_MAX = 40;

/** Two spellings of a path, and symbolic links, are one store; also of one that is yet to be made. */
function oneNameOf(path: string, linksMax = LINKS_MAX): string {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path);
  // No file: a link that leads to where one will be, or nothing at all.
  if (linksMax > 0 && lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
    return oneNameOf(resolve(dirname(path), readlinkSync(path)), linksMax - 1);
  return join(realpathSync(dirname(path)), basename(path));
}

/** SQLite finds a log by the name of its database: under another name it would write without what is in the log. */
function refuseHardLinks(path: string): void {
  const names = statSync(path, { throwIfNoEntry: false })?.nlink ?? 1;
  if (names <= 1) return;
  throw new Error(
    `The store ${path} has ${names} names (hard links), and under each it would be another store with one file. ` +
      'Remove the others, or copy the store with "export-service store backup". Nothing was changed.',
  );
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
