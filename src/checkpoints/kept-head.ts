import type { LedgerStore } from '../export/ledger-store.ts';
import { type Checkpoint, readUnverifiedCheckpoint } from '../ledger/checkpoint.ts';
import { judgeHead, type OutsideHead } from '../ledger/continuation.ts';
import { type PreviousLog, parseEntry } from '../ledger/entry.ts';
import { equalHashes } from '../ledger/tree-hash.ts';
import { logsOf, readOrNull, storedLogs } from './stored-logs.ts';

/** A head that is kept elsewhere must not be replaced: it shows what the store does not, and may be all that does. */
export class KeptHeadError extends Error {
  /** Whether the log that is written to may have been signed otherwise before: then no more of it may be signed. */
  readonly isContradiction: boolean;

  constructor(message: string, isContradiction: boolean) {
    super(message);
    this.name = 'KeptHeadError';
    this.isContradiction = isContradiction;
  }
}

/** Why the head that is at a place must not be replaced by one of the log that is written to; null when it may. */
export async function objectionTo(
  head: OutsideHead,
  store: LedgerStore,
  instance: string,
): Promise<KeptHeadError | null> {
  const logs = await logsOf(store, instance);
  const finding = judgeHead(head, await storedLogs(store, logs, [head]));
  if (finding.kind === 'contradicts') return contradiction(`${head.where} ${finding.what}`);
  const { origin, size } = finding.checkpoint;
  if (finding.kind === 'is_ahead')
    return contradiction(
      `${head.where} holds a head of ${size} entries of the log ${origin}, of which this store has ${finding.kept}`,
    );
  if (!(await isUnadmitted(head, store, instance))) return null;
  return new KeptHeadError(
    `${head.where} holds a head of ${size} entries of the log ${origin}, which this store has left with ` +
      `${finding.kept}, and no log of it admits that the others were signed. It is not replaced. Keep that file and ` +
      'move it away: "ledger verify --checkpoint" with it shows what is missing.',
    false,
  );
}

function contradiction(what: string): KeptHeadError {
  return new KeptHeadError(
    `${what}. It is not replaced, and no more is signed. Exports go on and are recorded. Look with "ledger verify ` +
      '--checkpoint" and a copy of it; the next start decides by it how the ledger goes on.',
    true,
  );
}

/** Whether a head shows that more was signed of a log that was left than the store has, or than later logs admit. */
export async function isUnadmitted(
  head: OutsideHead,
  store: LedgerStore,
  instance: string,
): Promise<boolean> {
  const logs = await logsOf(store, instance);
  const checkpoint = readOrNull(head.note);
  const place = logs.findIndex(({ origin }) => origin === checkpoint?.origin);
  const log = logs[place];
  if (checkpoint === null || log === undefined || place === logs.length - 1) return false;
  if (checkpoint.size <= log.size) return false;
  for (const { origin } of logs.slice(place + 1)) {
    const previous = await previousOf(store, origin);
    if (previous?.origin === log.origin && admits(previous, checkpoint)) return false;
  }
  return true;
}

async function previousOf(store: LedgerStore, origin: string): Promise<PreviousLog | null> {
  const [first] = await store.entries(origin, 0, 1);
  const entry = first?.text == null ? null : parseEntry(first.text);
  return entry?.kind === 'log' ? entry.previous : null;
}

function admits({ checkpoint }: PreviousLog, { size, root }: Checkpoint): boolean {
  if (checkpoint === null) return false;
  const known = readUnverifiedCheckpoint(checkpoint);
  return known.size > size || (known.size === size && equalHashes(known.root, root));
}
