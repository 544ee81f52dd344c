import type { LedgerLog, LedgerStore } from '../export/ledger-store.ts';
import { readUnverifiedCheckpoint } from '../ledger/checkpoint.ts';
import type { OutsideHead, StoredLog } from '../ledger/continuation.ts';
import type { TreeHash } from '../ledger/tree-hash.ts';

/** The logs of one instance, the one that is written to last. */
export async function logsOf(store: LedgerStore, instance: string): Promise<readonly LedgerLog[]> {
  return (await store.logs()).filter((log) => log.instance === instance);
}

/** Logs with the roots that these heads are held against. */
export async function storedLogs(
  store: LedgerStore,
  logs: readonly LedgerLog[],
  outside: readonly OutsideHead[],
): Promise<readonly StoredLog[]> {
  const roots = await readRoots(store, logs, outside);
  return logs.map((log) => ({
    ...log,
    rootAt: (size: number) => roots.get(rootKey(log.origin, size)) as TreeHash,
  }));
}

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

/** Null for what is no checkpoint. */
export function readOrNull(note: string): ReturnType<typeof readUnverifiedCheckpoint> | null {
  try {
    return readUnverifiedCheckpoint(note);
  } catch {
    return null;
  }
}
