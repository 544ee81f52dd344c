import type { Lane } from '../../export/job.ts';
import type { NewJob } from '../../export/job-store.ts';
import type { SealedPayload, Vault } from '../vault/vault.ts';
import { KeySlots } from './key-slots.ts';
import { type Row, toUuid } from './rows.ts';
import type { Statements } from './statements.ts';

/** Payloads that are written anew at most, and their bytes: so few that no export waits for it. */
const REWRITTEN_MAX = 1_000;
const REWRITTEN_BYTES_MAX = 4 * 1_024 ** 2;

/** Payload bytes that a transaction erases, more or less: zeros are written over them, through the log. */
export const ERASED_BYTES_MAX = 8 * 1_024 ** 2;

/** A sealed payload, its key put away. */
export interface StoredPayload {
  readonly slot: number;
  readonly data: Uint8Array;
  /** Of the payload, keyed: see `PayloadKey.digest`. */
  readonly digest: Uint8Array;
}

/** The payloads of a store: each sealed under a key of its own, opened for sending, and erased together with its key. */
export class Payloads {
  readonly #sql: Statements;
  readonly #slots: KeySlots;
  /** Whether something was erased since the table was written anew. A store that was just opened may hold remnants. */
  #hasErased = true;
  #erasedBytes = 0;

  constructor(sql: Statements) {
    this.#sql = sql;
    this.#slots = new KeySlots(sql);
  }

  /** Seals the payload of a new job, and puts its key away. */
  seal(vault: Vault, job: NewJob): StoredPayload {
    const { key, wrappedKey, data } = vault.sealPayload(job, job.data);
    return { slot: this.#slots.put(wrappedKey), data, digest: key.digest(job.data) };
  }

  put(seq: number | bigint, { data }: StoredPayload): void {
    this.#sql.insertPayload.run(seq, data);
  }

  /** Erases the payload of a row of `jobs`. */
  erase({ seq, payload_key: slot, data_bytes: bytes }: Row): void {
    this.#sql.deletePayload.run(seq as number);
    if (slot !== null) this.#slots.erase(Number(slot));
    this.#hasErased = true;
    this.#erasedBytes += Number(bytes);
  }

  beginBatch(): void {
    this.#erasedBytes = 0;
  }

  /** Whether the present transaction has erased as much as one should. */
  get hasErasedEnough(): boolean {
    return this.#erasedBytes >= ERASED_BYTES_MAX;
  }

  rollback(): void {
    this.#slots.rollback();
  }

  /**
   * Takes the table's pages apart and puts what is left into new ones, if that is little: so nothing is left of what was
   * erased, not even where SQLite had moved it from. To be run in a transaction, and noted after its commit.
   *
   * @returns whether it was done
   */
  rewrite(): boolean {
    if (!this.#hasErased) return false;
    const size = this.#sql.sizeOfPayloads.get(REWRITTEN_MAX + 1) as Row;
    if (Number(size.n) > REWRITTEN_MAX || Number(size.bytes) > REWRITTEN_BYTES_MAX) return false;
    const rows = this.#sql.allPayloads.all() as { job: number; data: Uint8Array }[];
    this.#sql.clearPayloads.run();
    for (const { job, data } of rows) this.#sql.insertPayload.run(job, data);
    if (rows.length === 0) this.#slots.clear();
    return true;
  }

  /** A rewriting was committed: one that was rolled back is to be done again. */
  noteRewritten(): void {
    this.#hasErased = false;
  }
}

/**
 * The payload of a row that has the export's `id`, its `data`, and of its key the slot (`payload_key`) and what is in it
 * (`wrapped`); null when it is lost or does not open. Without a slot it is one from before schema version 3, and not encrypted.
 */
export function openPayload(vault: Vault, row: Row, lane: Lane): Uint8Array | null {
  const { data, payload_key: slot, wrapped } = row;
  if (!(data instanceof Uint8Array)) return null;
  if (slot === null) return data;
  if (!(wrapped instanceof Uint8Array)) return null;
  const sealed: SealedPayload = { wrappedKey: wrapped, data };
  try {
    return vault.openPayload({ id: toUuid(row.id as Uint8Array), lane }, sealed);
  } catch {
    return null;
  }
}
