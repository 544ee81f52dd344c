import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { AppendedEntry } from '../src/ledger/log-appender.ts';
import type { HashRange, ReadHashes } from '../src/ledger/stored-hashes.ts';

/** The tables that docs/ledger.md proposes, for one log, and one with the texts alone to compare them with. */
const SCHEMA = `
  CREATE TABLE ledger_entries (entry INTEGER PRIMARY KEY, text TEXT, leaf_hash BLOB NOT NULL) STRICT;
  CREATE TABLE ledger_nodes (
    level INTEGER NOT NULL, place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, place)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE texts (entry INTEGER PRIMARY KEY, text TEXT) STRICT;
`;

/** A ledger in a SQLite file, set up as the store's writer sets up its own. */
export class LedgerTables implements Disposable {
  readonly db: DatabaseSync;
  /** Ranges and rows that proofs have read. */
  readonly reads = { ranges: 0, rows: 0 };
  readonly #addEntry: StatementSync;
  readonly #addNode: StatementSync;
  readonly #addText: StatementSync;
  readonly #leaves: StatementSync;
  readonly #nodes: StatementSync;

  constructor(path: string, synchronous: 'FULL' | 'OFF') {
    this.db = new DatabaseSync(path);
    this.db.exec(`
      PRAGMA page_size = 16384;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${synchronous};
      PRAGMA cache_size = -65536;
      ${SCHEMA}
    `);
    this.#addEntry = this.db.prepare('INSERT INTO ledger_entries (entry, text, leaf_hash) VALUES (?, ?, ?)');
    this.#addNode = this.db.prepare('INSERT INTO ledger_nodes (level, place, hash) VALUES (?, ?, ?)');
    this.#addText = this.db.prepare('INSERT INTO texts (entry, text) VALUES (?, ?)');
    this.#leaves = this.db.prepare(
      'SELECT leaf_hash AS hash FROM ledger_entries WHERE entry >= ? AND entry < ? ORDER BY entry',
    );
    this.#nodes = this.db.prepare(
      'SELECT hash FROM ledger_nodes WHERE level = ? AND place >= ? AND place < ? ORDER BY place',
    );
  }

  transact(work: () => void): void {
    this.db.exec('BEGIN IMMEDIATE');
    work();
    this.db.exec('COMMIT');
  }

  add({ index, text, leafHash, nodes }: AppendedEntry): void {
    this.#addEntry.run(index, text, leafHash);
    for (const node of nodes) this.#addNode.run(node.level, node.index, node.hash);
  }

  addText({ index, text }: AppendedEntry): void {
    this.#addText.run(index, text);
  }

  read(range: HashRange): ReadHashes {
    const { level, from, count } = range;
    const rows =
      level === 0 ? this.#leaves.all(from, from + count) : this.#nodes.all(level, from, from + count);
    this.reads.ranges += 1;
    this.reads.rows += rows.length;
    return { range, hashes: rows.map(({ hash }) => hash as Uint8Array) };
  }

  node(level: number, index: number): Uint8Array | null {
    return (this.#nodes.get(level, index, index + 1)?.hash as Uint8Array | undefined) ?? null;
  }

  entries() {
    return this.db
      .prepare('SELECT entry AS "index", text, leaf_hash AS leafHash FROM ledger_entries ORDER BY entry')
      .iterate();
  }

  /** Bytes of a table and its indexes. */
  bytesOf(table: string): number {
    const row = this.db.prepare('SELECT sum(pgsize) AS bytes FROM dbstat WHERE name = ?').get(table);
    return Number(row?.bytes);
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}
