import { type LedgerEntry, parseEntry } from '../../../src/ledger/entry.ts';
import { openLedgerFile } from '../../../src/store/sqlite/ledger-file.ts';

/** All entries of the store at `path`, whether or not a service uses it; of none is the text erased. */
export function entriesIn(path: string): LedgerEntry[] {
  using reader = openLedgerFile(path);
  return reader.logs().flatMap(({ id }) => [...reader.each(id)].map(({ text }) => parseEntry(text ?? '')));
}
