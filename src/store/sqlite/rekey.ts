import { DatabaseSync } from 'node:sqlite';
import type { SecretStore, StoreKeys } from '../../export/job-store.ts';
import { keyEvent } from '../ledger-events.ts';
import { Vault } from '../vault/vault.ts';
import { openForReading } from './check.ts';
import { leaveForRecord } from './ledger-writer.ts';
import type { Row } from './rows.ts';
import { openForWriting } from './schema.ts';
import { sealedPayloads, sealedTexts } from './sealed-rows.ts';
import { damagedStoreError, isDamage, sqliteCode } from './sqlite-errors.ts';
import { StoreLock } from './store-lock.ts';

const NEW_MASTER_KEY = { purpose: 'master', change: 'rotated', publicKey: null, by: null } as const;

/** What goes over to other keys. */
export interface NewKeys {
  readonly from: StoreKeys;
  readonly to: StoreKeys;
  /** The named secrets as they are to be; these go over whole, or nothing does. */
  reseal(secrets: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array>;
}

export interface Rekeyed {
  /** Payloads whose keys were wrapped anew. */
  readonly payloads: number;
  /** Answers and errors that were sealed anew. */
  readonly answers: number;
  readonly secrets: number;
  /** What did not open under the old keys either, and was left as it is: `store check` says what. */
  readonly unopened: number;
}

/** A store that no service uses, and none can as long as this is open. */
export class OfflineStore implements Disposable {
  readonly #lock: StoreLock;
  readonly #db: DatabaseSync;

  /**
   * Opens a store, and brings it to this release's schema.
   *
   * @throws Error when there is none, a service uses it, it is not ours, newer, or damaged
   */
  constructor(path: string) {
    openForReading(path).close();
    using cleanup = new DisposableStack();
    this.#lock = cleanup.use(new StoreLock(path));
    this.#db = cleanup.use(new DatabaseSync(path));
    try {
      openForWriting(this.#db);
    } catch (error) {
      if (isDamage(sqliteCode(error))) throw damagedStoreError(path, (error as Error).message);
      throw error;
    }
    cleanup.move();
  }

  /** The named secrets, to be read. */
  get secrets(): Pick<SecretStore, 'get'> {
    return {
      get: async (name) => {
        const row = this.#db.prepare('SELECT value FROM secrets WHERE name = ?').get(name) as Row | undefined;
        return (row?.value as Uint8Array | undefined) ?? null;
      },
    };
  }

  /**
   * Puts everything that is encrypted under other keys, in one transaction. What it replaces has the same length and is
   * overwritten where it stands, so nothing of it stays behind in the file; the log is emptied afterwards.
   *
   * @throws Error when a secret does not open, or the disk is full; nothing has changed then
   */
  rekey({ from, to, reseal }: NewKeys): Rekeyed {
    const vaults = { from: new Vault(from), to: new Vault(to) };
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const secrets = this.#resealSecrets(reseal);
      const payloads = this.#wrapKeys(vaults);
      const answers = this.#sealTexts(vaults);
      // The log must not grow before a start has looked at what was signed of it.
      leaveForRecord(this.#db, keyEvent(NEW_MASTER_KEY));
      this.#db.exec('COMMIT');
      const unopened = payloads.unopened + answers.unopened;
      return { payloads: payloads.done, answers: answers.done, secrets, unopened };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Closing empties the log too: nobody else has the store open. */
  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
    this.#lock[Symbol.dispose]();
  }

  #resealSecrets(reseal: NewKeys['reseal']): number {
    const rows = this.#db.prepare('SELECT name, value FROM secrets').all() as Row[];
    const sealed = reseal(new Map(rows.map(({ name, value }) => [String(name), value as Uint8Array])));
    const put = this.#db.prepare(`
      INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`);
    for (const [name, value] of sealed) put.run(name, value);
    return sealed.size;
  }

  #wrapKeys(vaults: Vaults): Count {
    const put = this.#db.prepare('UPDATE payload_keys SET wrapped = ? WHERE slot = ?');
    const count = { done: 0, unopened: 0 };
    for (const { owner, slot, row } of sealedPayloads(this.#db)) {
      const key = attempt(() => vaults.from.unwrap(owner, row.wrapped as Uint8Array));
      if (key !== null) put.run(vaults.to.wrap(owner, key), slot);
      count[key === null ? 'unopened' : 'done'] += 1;
    }
    return count;
  }

  #sealTexts(vaults: Vaults): Count {
    const count = { done: 0, unopened: 0 };
    for (const { what, id, sealed, replace } of sealedTexts(this.#db)) {
      const text = attempt(() => vaults.from.openText(what, id, sealed));
      if (text !== null) replace(vaults.to.sealText(what, id, text));
      count[text === null ? 'unopened' : 'done'] += 1;
    }
    return count;
  }
}

interface Vaults {
  readonly from: Vault;
  readonly to: Vault;
}

interface Count {
  readonly done: number;
  readonly unopened: number;
}

function attempt<T>(open: () => T): T | null {
  try {
    return open();
  } catch {
    return null;
  }
}
