import { setTimeout as sleep } from 'node:timers/promises';
import { CheckpointFile, headFileIn } from '../../src/checkpoints/places.ts';
import { readUnverifiedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { findLedgerFile } from '../../src/store/sqlite/ledger-file.ts';

/** A running service signs within a second of a commit. */
const WAIT_MS_MAX = 5_000;
const LOOK_MS = 100;

/**
 * Whether the checkpoint beside the store covers every entry of a copy of it; waits a moment for a service to sign it. A
 * copy with entries that nobody has signed, brought back after others were signed in their places, looks like a
 * falsified store.
 *
 * @param file the copy
 */
export async function isCovered(file: string, dataDir: string): Promise<boolean> {
  const last = lastLogOf(file);
  if (last === null) return true;
  const head = new CheckpointFile(headFileIn(dataDir));
  for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
    const note = await head.read();
    const { origin, size } = note === null ? { origin: '', size: 0 } : readUnverifiedCheckpoint(note);
    if (origin === last.origin && size >= last.size) return true;
    if (note === null || waitedMs >= WAIT_MS_MAX) return false;
    await sleep(LOOK_MS);
  }
}

/** Null for a store that has no ledger yet. */
function lastLogOf(file: string): { readonly origin: string; readonly size: number } | null {
  using reader = findLedgerFile(file);
  return reader?.logs().at(-1) ?? null;
}
