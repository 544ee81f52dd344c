import { openForReading } from './check.ts';
import { LedgerReader } from './ledger-reader.ts';
import type { Row } from './rows.ts';
import { identify } from './schema.ts';

/**
 * The ledger of a store as it is at one moment, read beside a service that may be using it.
 *
 * @throws Error when there is no store at `path`, it is not ours or newer than we are, or it has no ledger yet
 */
export function openLedgerFile(path: string): LedgerReader & Disposable {
  const db = openForReading(path);
  try {
    identify(db);
    const table = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'ledger_entries'").get() as
      | Row
      | undefined;
    if (table === undefined)
      throw new Error(`The store ${path} has no ledger yet: a start of this release begins one.`);
    db.exec('BEGIN');
    return Object.assign(new LedgerReader(db), { [Symbol.dispose]: () => db.close() });
  } catch (error) {
    db.close();
    throw error;
  }
}
