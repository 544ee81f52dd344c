/**
 * Preloaded into a process (`node --import`, which its threads inherit): takes the ledger and parts of the encryption at rest
 * away, so that what they cost can be measured against the same service without them. Which parts, BENCH_WITHOUT says, separated
 * by commas.
 */
import { DatabaseSync } from 'node:sqlite';
import type { LedgerEvent } from '../src/ledger/entry.ts';
import { KeySlots } from '../src/store/sqlite/key-slots.ts';
import { LedgerWriter } from '../src/store/sqlite/ledger-writer.ts';
import { SealedText } from '../src/store/sqlite/sealed-text.ts';
import { PayloadKey, Vault, WRAPPED_KEY_BYTES } from '../src/store/vault/vault.ts';

export const WITHOUT_VARIABLE = 'BENCH_WITHOUT';

/** Parts that can be taken away. */
export const PARTS = {
  /** What the ledger says of exports: nothing of them is recorded, and no payload digested. */
  ledger() {
    const { append } = LedgerWriter.prototype;
    const digest = new Uint8Array(32);
    Object.assign(PayloadKey.prototype, { digest: () => digest });
    Object.assign(LedgerWriter.prototype, {
      append(this: LedgerWriter, event: LedgerEvent, now: number) {
        return 'export' in event ? 0 : append.call(this, event, now);
      },
    });
  },
  /** Encryption itself: payloads, keys and answers are stored as they are. */
  vault() {
    const wrappedKey = Buffer.alloc(WRAPPED_KEY_BYTES, 1);
    const key = new PayloadKey(Buffer.alloc(32, 1));
    Object.assign(Vault.prototype, {
      sealPayload: (_owner: unknown, data: Uint8Array) => ({ data, wrappedKey, key }),
      openPayload: (_owner: unknown, { data }: { data: Uint8Array }) => data,
    });
    Object.assign(SealedText.prototype, {
      sealBody: (_id: string, body: string) => body,
      sealDetail: (_id: string, detail: string) => detail,
    });
  },
  /** A slot for each key: all share one. */
  slots() {
    const { put } = KeySlots.prototype;
    let slot: number | null = null;
    Object.assign(KeySlots.prototype, {
      put(this: KeySlots, wrappedKey: Uint8Array) {
        slot ??= put.call(this, wrappedKey);
        return slot;
      },
      erase() {},
    });
  },
  /** Zeros over what is deleted. */
  secure_delete() {
    const { exec } = DatabaseSync.prototype;
    DatabaseSync.prototype.exec = function (sql) {
      exec.call(this, sql.replace('secure_delete = ON', 'secure_delete = OFF'));
    };
  },
} as const satisfies Record<string, () => void>;

export type BenchPart = keyof typeof PARTS;

for (const part of process.env[WITHOUT_VARIABLE]?.split(',') ?? []) PARTS[part as BenchPart]();
