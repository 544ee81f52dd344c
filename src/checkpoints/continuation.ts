import type { LedgerLog, LedgerStore, NewLedgerLog } from '../export/ledger-store.ts';
import { readUnverifiedCheckpoint } from '../ledger/checkpoint.ts';
import { type Continuation, decideContinuation, type OutsideHead } from '../ledger/continuation.ts';
import { noteSigner } from '../ledger/note-key.ts';
import { isUnadmitted } from './kept-head.ts';
import type { CheckpointPlace } from './places.ts';
import { logsOf, readOrNull, storedLogs } from './stored-logs.ts';

export interface StartParts {
  readonly store: LedgerStore;
  /** The file beside the store: the most trusted place. */
  readonly headFile: CheckpointPlace;
  readonly mirrors: readonly CheckpointPlace[];
  readonly instance: string;
  /** Of the key that signs. */
  readonly seed: Uint8Array;
  readonly newOrigin: () => string;
}

/** How a log goes on. */
export interface StartedLog {
  readonly origin: string;
  /** Null when the store's newest log goes on. */
  readonly newLog: NewLedgerLog | null;
  /** The largest checkpoint of it that is known; null for a new log, or when none was signed. */
  readonly last: string | null;
  /** Places that could be read and held nothing, although a head was signed before: files that were gone, or are new. */
  readonly empty: readonly string[];
}

/**
 * Compares the store's ledger with what was kept outside of it, and decides whether its log goes on. Nothing is appended
 * yet.
 *
 * @throws Error when they contradict each other, saying what to look at
 */
export async function findStart(parts: StartParts): Promise<StartedLog> {
  const logs = await logsOf(parts.store, parts.instance);
  const outside = await readHeads([parts.headFile, ...parts.mirrors]);
  const empty = emptyPlaces(parts.mirrors, logs, outside);
  const stored = await storedLogs(parts.store, logs, outside);
  const decision = decideContinuation({ logs: stored, outside });
  if (decision.kind === 'refuse') throw new Error(decision.why);
  const current = logs.at(-1);
  if (decision.kind === 'continue' && current !== undefined) {
    const last = largestOf(current, outside);
    if (last !== null) await bringUpToDate(parts, outside, last);
    return { origin: current.origin, newLog: null, last, empty };
  }
  return {
    ...(await startNew(parts, decision as Extract<Continuation, { kind: 'new_log' }>, outside)),
    empty,
  };
}

function emptyPlaces(
  mirrors: readonly CheckpointPlace[],
  logs: readonly LedgerLog[],
  outside: readonly OutsideHead[],
): string[] {
  if (logs.every(({ checkpoint }) => checkpoint === null)) return [];
  const held = new Set(outside.map(({ where }) => where));
  return mirrors.filter(({ canBeRead, where }) => canBeRead && !held.has(where)).map(({ where }) => where);
}

async function readHeads(places: readonly CheckpointPlace[]): Promise<OutsideHead[]> {
  const heads = await Promise.all(
    places.map(async (place) => ({ where: place.where, note: await place.read() })),
  );
  return heads.filter((head): head is OutsideHead => head.note !== null);
}

function largestOf({ origin, checkpoint }: LedgerLog, outside: readonly OutsideHead[]): string | null {
  const notes = [...outside.map(({ note }) => note), ...(checkpoint === null ? [] : [checkpoint])];
  const own = notes.filter((note) => readOrNull(note)?.origin === origin);
  const bySize = own.toSorted((one, other) => sizeOf(other) - sizeOf(one));
  return bySize[0] ?? null;
}

async function startNew(
  parts: StartParts,
  { reason, previous }: Extract<Continuation, { kind: 'new_log' }>,
  outside: readonly OutsideHead[],
): Promise<Omit<StartedLog, 'empty'>> {
  const { seed, newOrigin } = parts;
  const named = previous?.checkpoint ?? null;
  if (reason === 'store_behind' && named !== null) await bringUpToDate(parts, outside, named);
  const origin = newOrigin();
  const { verifierKey } = noteSigner(origin, seed);
  return { origin, newLog: { origin, verifierKey, reason, previous }, last: null };
}

/**
 * A place that is behind, such as a file that was restored together with the store, would mislead a later start that cannot
 * reach the others: before anything is appended, it gets the newest checkpoint. A mirror that shows what was signed and is
 * admitted nowhere is left: it is the only witness.
 */
async function bringUpToDate(
  { headFile, mirrors, store, instance }: StartParts,
  outside: readonly OutsideHead[],
  newest: string,
): Promise<void> {
  const update = async (place: CheckpointPlace): Promise<void> => {
    const head = outside.find((each) => each.where === place.where);
    if (head === undefined || sizeOf(head.note) >= sizeOf(newest)) return;
    if (place !== headFile && (await isUnadmitted(head, store, instance))) return;
    await place.write(newest);
  };
  await Promise.all([headFile, ...mirrors].map(update));
}

function sizeOf(note: string): number {
  return readUnverifiedCheckpoint(note).size;
}
