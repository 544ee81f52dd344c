import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { checkStore, openForReading, type StoreReport } from './check.ts';
import { identify, openForWriting, SCHEMA_VERSION } from './schema.ts';
import { damagedStoreError, isDamage, sqliteCode } from './sqlite-errors.ts';
import { StoreLock } from './store-lock.ts';

/** All pages in one step: between steps a service could write, and SQLite would begin anew each time. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Brings a store to this release's schema, as a start of the service does.
 *
 * @throws Error when there is no store, a service uses it, it is not ours, newer, or damaged
 */
export function migrateStore(path: string): { from: number; to: number } {
  openForReading(path).close();
  using _lock = new StoreLock(path);
  using db = new DatabaseSync(path);
  try {
    return { from: openForWriting(db), to: SCHEMA_VERSION };
  } catch (error) {
    if (isDamage(sqliteCode(error))) throw damagedStoreError(path, (error as Error).message);
    throw error;
  }
}

/**
 * Copies a store as it is at one moment, beside a service that may be using it, and checks the copy. Only our own user
 * may read it.
 *
 * @throws Error when there is no store, the file is there already, or the copy is not sound; no copy is left then
 */
export async function backupStore(path: string, file: string): Promise<StoreReport> {
  using db = openForReading(path);
  identify(db);
  makeEmpty(file);
  try {
    await backup(db, file, { rate: ALL_PAGES });
    intoOneFile(file);
    const report = checkStore(file);
    const [problem] = report.problems;
    if (problem)
      throw new Error(`The copy is not sound. ${problem.detail} "store check" tells about the store itself.`);
    flush(file);
    flush(dirname(file));
    return report;
  } catch (error) {
    for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
    throw error;
  }
}

/** Fails when the file is there: a backup never replaces one. */
function makeEmpty(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new Error(`${file} is there already: a backup replaces nothing.`, { cause });
  }
}

/** A copy says of itself that it has a log, and would be given one by whoever reads it. The service's start does it again. */
function intoOneFile(file: string): void {
  using db = new DatabaseSync(file);
  db.exec('PRAGMA journal_mode = DELETE');
}

function flush(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
