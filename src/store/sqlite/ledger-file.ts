import { openForReading } from './check.ts';
import { LedgerReader } from './ledger-reader.ts';
import type { Row } from './rows.ts';
import { identify } from './schema.ts';

/**
 * The ledger of a store as it is at one moment, read beside a service that may be using it; null when it has none yet.
 *
 * @throws Error when there is no store at `path`, or it is not ours or newer than we are
 */
export function findLedgerFile(path: string): (LedgerReader & Disposable) | null {
  const db = openForReading(path);
  try {
    identify(db);
    const sql = "SELECT 1 FROM sqlite_schema WHERE name = 'ledger_entries'";
    if ((db.prepare(sql).get() as Row | undefined) === undefined) {
      db.close();
      return null;
    }
    db.exec('BEGIN');
    return Object.assign(new LedgerReader(db), { [Symbol.dispose]: () => db.close() });
  } catch (error) {
    if (db.isOpen) db.close();
    throw error;
  }
}

/**
 * The same for whoever needs it to have one.
 *
 * @throws Error also when it has none
 */
export function openLedgerFile(path: string): LedgerReader & Disposable {
  const ledger = findLedgerFile(path);
  if (ledger !== null) return ledger;
  throw new Error(`The store ${path} has no ledger yet: a start of this release begins one.`);
}
