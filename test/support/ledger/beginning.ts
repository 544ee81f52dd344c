import type { LedgerBeginning, LedgerStore, NewLedgerLog } from '../../../src/export/ledger-store.ts';
import { noteSigner } from '../../../src/ledger/note-key.ts';

const NOW = Date.UTC(2026, 0, 1);
const SEED = Buffer.alloc(32, 7);

/** A log for a store under test. */
export function newLog(origin: string): NewLedgerLog {
  return { origin, verifierKey: signerOf(origin).verifierKey, reason: 'first_log', previous: null };
}

/** Whoever signs the checkpoints of such a log. */
export function signerOf(origin: string) {
  return noteSigner(origin, SEED);
}

export const FIRST_ORIGIN = 'test.example/export/1';

/** How a service begins to record; without a new log, in the one that is there. */
export function beginning(log: NewLedgerLog | null = newLog(FIRST_ORIGIN), now = NOW): LedgerBeginning {
  return { instance: '', newLog: log, version: '1.2.3', now };
}

/** Begins the first log, or goes on with it. */
export async function beginLedger(ledger: LedgerStore): Promise<void> {
  await ledger.begin(beginning((await ledger.logs()).length === 0 ? undefined : null));
}
