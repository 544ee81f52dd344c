import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { LedgerEntryRecord, LedgerLog, LedgerPlace } from '../../export/ledger-store.ts';
import { inclusionProof } from '../../ledger/proof.ts';
import {
  type HashRange,
  type LeafRange,
  type ReadHashes,
  rangesOf,
  rangesOfFrontier,
  StoredHashes,
} from '../../ledger/stored-hashes.ts';
import type { TreeHash } from '../../ledger/tree-hash.ts';
import { fromUuid, type Row } from './rows.ts';

/** Entries of a log lie together: its id times this, and their places. */
export const LOG_ENTRIES_MAX = 2 ** 40;

const SELECT_ENTRIES =
  'SELECT entry, text, leaf_hash FROM ledger_entries WHERE entry >= ? AND entry < ? ORDER BY entry LIMIT ?';

/** A log with its number in the store. */
export interface StoredLog extends LedgerLog {
  readonly id: number;
}

/** Reads the ledger of a store over any connection to it. */
export class LedgerReader {
  readonly #db: DatabaseSync;
  readonly #logs: StatementSync;
  readonly #last: StatementSync;
  readonly #leaves: StatementSync;
  readonly #nodes: StatementSync;
  readonly #entries: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#logs = db.prepare(
      'SELECT id, instance, origin, verifier_key, checkpoint FROM ledger_logs ORDER BY id',
    );
    this.#last = db.prepare('SELECT max(entry) AS entry FROM ledger_entries WHERE entry >= ? AND entry < ?');
    this.#leaves = db.prepare(
      'SELECT leaf_hash AS hash FROM ledger_entries WHERE entry >= ? AND entry < ? ORDER BY entry',
    );
    this.#nodes = db.prepare(
      'SELECT hash FROM ledger_nodes WHERE log = ? AND level = ? AND place >= ? AND place < ? ORDER BY place',
    );
    this.#entries = db.prepare(SELECT_ENTRIES);
  }

  /** In the order in which they began. */
  logs(): StoredLog[] {
    return (this.#logs.all() as Row[]).map((row) => ({
      id: Number(row.id),
      instance: String(row.instance),
      origin: String(row.origin),
      verifierKey: String(row.verifier_key),
      size: this.size(Number(row.id)),
      checkpoint: row.checkpoint === null ? null : String(row.checkpoint),
    }));
  }

  /** @throws Error when there is none with this origin */
  log(origin: string): StoredLog {
    const log = this.logs().find((each) => each.origin === origin);
    if (log === undefined) throw new Error(`The store has no log "${origin}".`);
    return log;
  }

  /** How many entries a log has. */
  size(log: number): number {
    const first = log * LOG_ENTRIES_MAX;
    const { entry } = this.#last.get(first, first + LOG_ENTRIES_MAX) as Row;
    return entry === null ? 0 : Number(entry) - first + 1;
  }

  entries(log: number, from: number, limit: number): LedgerEntryRecord[] {
    const first = log * LOG_ENTRIES_MAX;
    const rows = this.#entries.all(first + from, first + LOG_ENTRIES_MAX, limit) as Row[];
    return rows.map((row) => toEntry(row, first));
  }

  /** The entries of a log from number `from` on, one after the other. */
  *each(log: number, from = 0): Generator<LedgerEntryRecord> {
    const first = log * LOG_ENTRIES_MAX;
    const statement = this.#db.prepare(SELECT_ENTRIES);
    const rows = statement.iterate(first + from, first + LOG_ENTRIES_MAX, -1) as IterableIterator<Row>;
    for (const row of rows) yield toEntry(row, first);
  }

  /** The hash that is kept of a complete subtree; null when there is none. */
  node(log: number, level: number, index: number): TreeHash | null {
    const row = this.#nodes.get(log, level, index, index + 1) as Row | undefined;
    return (row?.hash as TreeHash | undefined) ?? null;
  }

  rootAt(log: number, size: number): TreeHash {
    const all = { start: 0, end: size };
    return this.#stored(log, [all]).hashOf(all);
  }

  /** The peaks of a log of `size` entries: see `Frontier`. */
  peaks(log: number, size: number): TreeHash[] {
    return new StoredHashes(this.#readAll(log, rangesOfFrontier(size))).peaksOf({ start: 0, end: size });
  }

  proof({ origin, index }: LedgerPlace, size: number): LedgerEntryRecord & { readonly proof: TreeHash[] } {
    const { id } = this.log(origin);
    const [entry] = this.entries(id, index, 1);
    if (entry?.index !== index) throw new Error(`Entry ${index} of the log "${origin}" is not there.`);
    const subtrees = inclusionProof(index, size);
    const stored = this.#stored(id, subtrees);
    return { ...entry, proof: subtrees.map((leaves) => stored.hashOf(leaves)) };
  }

  /** Where the end of an export is recorded; null when it is not. */
  outcome(exportId: string): LedgerPlace | null {
    const row = this.#db
      .prepare(
        `SELECT l.origin, j.outcome_entry % ${LOG_ENTRIES_MAX} AS place
        FROM jobs j JOIN ledger_logs l ON l.id = j.outcome_entry / ${LOG_ENTRIES_MAX} WHERE j.id = ?`,
      )
      .get(fromUuid(exportId)) as Row | undefined;
    return row === undefined ? null : { origin: String(row.origin), index: Number(row.place) };
  }

  /** The signed notes that were kept of a log, the smallest first. */
  checkpoints(log: number): string[] {
    const rows = this.#db.prepare('SELECT note FROM ledger_checkpoints WHERE log = ? ORDER BY size').all(log);
    return (rows as Row[]).map(({ note }) => String(note));
  }

  #stored(log: number, subtrees: readonly LeafRange[]): StoredHashes {
    return new StoredHashes(this.#readAll(log, rangesOf(subtrees)));
  }

  #readAll(log: number, ranges: readonly HashRange[]): ReadHashes[] {
    return ranges.map((range) => ({ range, hashes: this.#read(log, range) }));
  }

  #read(log: number, { level, from, count }: HashRange): TreeHash[] {
    const first = log * LOG_ENTRIES_MAX + from;
    const rows =
      level === 0 ? this.#leaves.all(first, first + count) : this.#nodes.all(log, level, from, from + count);
    return (rows as Row[]).map(({ hash }) => hash as TreeHash);
  }
}

function toEntry(row: Row, first: number): LedgerEntryRecord {
  return {
    index: Number(row.entry) - first,
    text: row.text === null ? null : String(row.text),
    leafHash: row.leaf_hash as Uint8Array,
  };
}
