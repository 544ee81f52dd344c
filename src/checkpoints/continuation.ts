import type { LedgerLog, LedgerStore, NewLedgerLog } from '../export/ledger-store.ts';
import { readUnverifiedCheckpoint } from '../ledger/checkpoint.ts';
import { type Continuation, decideContinuation, type OutsideHead } from '../ledger/continuation.ts';
import { noteSigner } from '../ledger/note-key.ts';
import type { TreeHash } from '../ledger/tree-hash.ts';
import type { CheckpointPlace } from './places.ts';

export interface StartParts {
  readonly store: LedgerStore;
  /** The most trusted one first. */
  readonly places: readonly CheckpointPlace[];
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
}

/**
 * Compares the store's ledger with what was kept outside of it, and decides whether its log goes on. Nothing is appended
 * yet.
 *
 * @throws Error when they contradict each other, saying what to look at
 */
export async function findStart(parts: StartParts): Promise<StartedLog> {
  const logs = (await parts.store.logs()).filter(({ instance }) => instance === parts.instance);
  const outside = await readHeads(parts.places);
  const roots = await readRoots(parts.store, logs, outside);
  const stored = logs.map((log) => ({
    ...log,
    rootAt: (size: number) => roots.get(rootKey(log.origin, size)) as TreeHash,
  }));
  const decision = decideContinuation({ logs: stored, outside });
  if (decision.kind === 'refuse') throw new Error(decision.why);
  const current = logs.at(-1);
  if (decision.kind === 'continue' && current !== undefined) {
    const last = largestOf(current, outside);
    if (last !== null) await bringUpToDate(parts.places, outside, last);
    return { origin: current.origin, newLog: null, last };
  }
  return startNew(parts, decision as Extract<Continuation, { kind: 'new_log' }>, outside);
}

async function readHeads(places: readonly CheckpointPlace[]): Promise<OutsideHead[]> {
  const heads = await Promise.all(
    places.map(async (place) => ({ where: place.where, note: await place.read() })),
  );
  return heads.filter((head): head is OutsideHead => head.note !== null);
}

/** The roots that the heads are held against. */
async function readRoots(
  store: LedgerStore,
  logs: readonly LedgerLog[],
  outside: readonly OutsideHead[],
): Promise<ReadonlyMap<string, TreeHash>> {
  const roots = new Map<string, TreeHash>();
  for (const { note } of outside) {
    const head = readOrNull(note);
    const log = logs.find(({ origin }) => origin === head?.origin);
    if (head === null || log === undefined || head.size > log.size) continue;
    roots.set(rootKey(head.origin, head.size), await store.rootAt(head.origin, head.size));
  }
  return roots;
}

function rootKey(origin: string, size: number): string {
  return `${size} ${origin}`;
}

function largestOf({ origin, checkpoint }: LedgerLog, outside: readonly OutsideHead[]): string | null {
  const notes = [...outside.map(({ note }) => note), ...(checkpoint === null ? [] : [checkpoint])];
  const own = notes.filter((note) => readOrNull(note)?.origin === origin);
  const bySize = own.toSorted((one, other) => sizeOf(other) - sizeOf(one));
  return bySize[0] ?? null;
}

async function startNew(
  { places, seed, newOrigin }: StartParts,
  { reason, previous }: Extract<Continuation, { kind: 'new_log' }>,
  outside: readonly OutsideHead[],
): Promise<StartedLog> {
  const named = previous?.checkpoint ?? null;
  if (reason === 'store_behind' && named !== null) await bringUpToDate(places, outside, named);
  const origin = newOrigin();
  const { verifierKey } = noteSigner(origin, seed);
  return { origin, newLog: { origin, verifierKey, reason, previous }, last: null };
}

/**
 * A place that is behind, such as a file that was restored together with the store, would mislead a later start that cannot
 * reach the others: before anything is appended, it gets the newest checkpoint.
 */
async function bringUpToDate(
  places: readonly CheckpointPlace[],
  outside: readonly OutsideHead[],
  newest: string,
): Promise<void> {
  const isBehind = ({ where }: CheckpointPlace): boolean => {
    const head = outside.find((each) => each.where === where);
    return head !== undefined && sizeOf(head.note) < sizeOf(newest);
  };
  await Promise.all(places.filter(isBehind).map((place) => place.write(newest)));
}

function sizeOf(note: string): number {
  return readUnverifiedCheckpoint(note).size;
}

function readOrNull(note: string): ReturnType<typeof readUnverifiedCheckpoint> | null {
  try {
    return readUnverifiedCheckpoint(note);
  } catch {
    return null;
  }
}
