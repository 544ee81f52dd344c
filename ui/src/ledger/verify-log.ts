/** Recomputes a log and holds it against signed checkpoints: the work of "Check the record". */
import { type Flaw, type KnownHead, LedgerVerifier } from '../../../src/ledger/ledger-verifier.ts';
import type { LedgerItem, Page } from '../wire.ts';
import { openCheckpoint } from './open-checkpoint.ts';

export interface VerifyInput {
  /** `NAME+ID+KEY` */
  readonly verifierKey: string;
  /** The log's newest checkpoint, as the service gives it. */
  readonly checkpoint: string;
  /** One that the owner kept; null when there is none. */
  readonly kept: string | null;
}

export interface Verdict {
  readonly flaw: Flaw | null;
  /** Entries that were recomputed. */
  readonly entries: number;
  /** Of these so many are covered by a signed checkpoint. */
  readonly covered: number;
  /** Entries of which only the hash is left. */
  readonly erased: number;
  /** The first entry whose text is missing although nothing on record says why; null when there is none. */
  readonly unexplainedErasure: number | null;
  /** Entries that the checkpoint which the owner kept is about; null without one. */
  readonly keptSize: number | null;
}

/** Reads entries from this place on. */
export type ReadEntries = (from: number) => Promise<Page<LedgerItem>>;

/**
 * @param onProgress called with the entries recomputed so far, and how many there are
 * @throws MalformedLedgerError, UntrustedNoteError, NoSignaturesError; what `read` throws
 */
export async function verifyLog(
  { verifierKey, checkpoint, kept }: VerifyInput,
  read: ReadEntries,
  onProgress: (done: number, all: number) => void,
): Promise<Verdict> {
  const newest = await openCheckpoint(checkpoint, verifierKey);
  const heads: KnownHead[] = [{ ...newest, where: 'the checkpoint of the service' }];
  const older = kept === null ? null : await openCheckpoint(kept, verifierKey);
  if (older !== null) heads.push({ ...older, where: 'the checkpoint that you kept' });
  const verifier = new LedgerVerifier({ heads });
  let done = 0;
  for (let from: number | null = 0; from !== null; ) {
    const page: Page<LedgerItem> = await read(from);
    for (const { index, entry, leaf_hash: hash } of page.items)
      verifier.add({ index, text: entry, leafHash: hashOf(hash) });
    done += page.items.length;
    onProgress(done, Math.max(done, newest.size));
    from = page.next === null ? null : Number(page.next);
  }
  const { flaw, covered, erased, unexplainedErasure } = verifier.finish();
  return { flaw, entries: done, covered, erased, unexplainedErasure, keptSize: older?.size ?? null };
}

/** What is no hash is one that does not fit. */
function hashOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
