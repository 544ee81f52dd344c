import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { APPLICATION_ID, MIGRATIONS } from '../../../src/store/sqlite/schema.ts';

/** A new and empty store of an older schema version, as the release that had it made one. */
export function makeOldStore(path: string, version: number): DatabaseSync {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA page_size = 16384; PRAGMA journal_mode = WAL');
  for (const migration of MIGRATIONS.slice(0, version)) db.exec(migration);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${version}`);
  return db;
}

const VERSION_1 = new URL('./version-1.sql', import.meta.url);
const MASTER_KEY = '0123456789abcdef0123456789abcdef';

/**
 * A store with exports in every state, of version 1 or brought to a later one by the migrations of that time, and its
 * key; `destination` is where everything of it goes.
 *
 * @returns its path
 */
export function makeFilledStore(dataDir: string, destination: string, version = 1): string {
  const path = join(dataDir, 'exports.db');
  using db = new DatabaseSync(path);
  db.exec(readFileSync(VERSION_1, 'utf8'));
  for (const migration of MIGRATIONS.slice(1, version)) db.exec(migration);
  db.exec(`PRAGMA user_version = ${version}`);
  db.prepare('UPDATE lanes SET destination = ? WHERE id = 1').run(destination);
  db.prepare('UPDATE lanes SET destination = ? WHERE id = 2').run(`${destination}?two`);
  writeFileSync(join(dataDir, 'store.key'), MASTER_KEY);
  return path;
}
