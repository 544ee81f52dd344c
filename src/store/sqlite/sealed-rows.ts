import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { PayloadOwner } from '../vault/vault.ts';
import { type Row, toUuid } from './rows.ts';
import { markSealed, sealedBytes } from './sealed-text.ts';

/** A payload and its key as they lie in the store. */
export interface SealedPayloadRow {
  readonly owner: PayloadOwner;
  readonly slot: number;
  /** `id`, `data`, `payload_key` and `wrapped`. */
  readonly row: Row;
}

/** Something that a destination said, as it lies in the store. */
export interface SealedTextRow {
  readonly what: 'answer' | 'detail';
  readonly id: string;
  readonly sealed: Uint8Array;
  /** Puts something of the same length in its place, also while the next ones are read. */
  replace(sealed: Uint8Array): void;
}

interface Place {
  /** Rows with the export's `id`, the `text`, and what tells the row: `key`, and `part` if that is not enough. */
  readonly read: string;
  readonly write: string;
}

const ANSWERS: Place = {
  read: 'SELECT j.id, a.body AS text, a.job AS key, NULL AS part FROM answers a JOIN jobs j ON j.seq = a.job',
  write: 'UPDATE answers SET body = ?1 WHERE job = ?2 AND ?3 IS NULL',
};

const DETAILS: readonly Place[] = [
  ...['last_error_detail', 'result_detail'].map((column) => ({
    read: `SELECT id, ${column} AS text, seq AS key, NULL AS part FROM jobs WHERE ${column} IS NOT NULL`,
    write: `UPDATE jobs SET ${column} = ?1 WHERE seq = ?2 AND ?3 IS NULL`,
  })),
  {
    read: `
      SELECT j.id, a.error_detail AS text, a.job AS key, a.number AS part
      FROM attempts a JOIN jobs j ON j.seq = a.job WHERE a.error_detail IS NOT NULL`,
    write: 'UPDATE attempts SET error_detail = ?1 WHERE job = ?2 AND number = ?3',
  },
];

/** Every payload that has a key. The keys may be replaced while the next ones are read. */
export function* sealedPayloads(db: DatabaseSync): Generator<SealedPayloadRow> {
  const rows = db.prepare(`
    SELECT j.id, j.payload_key, l.client, l.destination, p.data, k.wrapped
    FROM jobs j JOIN lanes l ON l.id = j.lane JOIN payloads p ON p.job = j.seq
      JOIN payload_keys k ON k.slot = j.payload_key`);
  for (const row of rows.iterate() as IterableIterator<Row>) {
    const lane = { client: String(row.client), destination: String(row.destination) };
    yield { owner: { id: toUuid(row.id as Uint8Array), lane }, slot: Number(row.payload_key), row };
  }
}

/** Every text that is sealed. */
export function* sealedTexts(db: DatabaseSync): Generator<SealedTextRow> {
  for (const { id, text, put } of rowsOf(db, ANSWERS)) {
    if (text instanceof Uint8Array) yield { what: 'answer', id, sealed: text, replace: put };
  }
  for (const place of DETAILS) yield* detailsOf(db, place);
}

function* detailsOf(db: DatabaseSync, place: Place): Generator<SealedTextRow> {
  for (const { id, text, put } of rowsOf(db, place)) {
    const sealed = sealedBytes(String(text));
    if (sealed === null) continue;
    yield { what: 'detail', id, sealed, replace: (bytes) => put(markSealed(bytes)) };
  }
}

function* rowsOf(db: DatabaseSync, { read, write }: Place) {
  const statement = db.prepare(write);
  for (const { id, text, key, part } of db.prepare(read).iterate() as IterableIterator<Row>) {
    const put = (value: SQLInputValue): void => {
      statement.run(value, key as SQLInputValue, part as SQLInputValue);
    };
    yield { id: toUuid(id as Uint8Array), text, put };
  }
}
