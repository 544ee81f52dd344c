import { type Checkpoint, openCheckpoint, readUnverifiedCheckpoint } from './checkpoint.ts';
import type { EventOf, PreviousLog } from './entry.ts';
import { type NoteVerifier, noteVerifier, readVerifierKey } from './note-key.ts';
import { parseNote, printNote } from './signed-note.ts';
import { equalHashes, type TreeHash } from './tree-hash.ts';

/** A log as the store has it. */
export interface StoredLog {
  readonly origin: string;
  /** `NAME+ID+KEY`, as its checkpoints are signed. */
  readonly verifierKey: string;
  /** How many of its entries are in the store. */
  readonly size: number;
  /** The last signed checkpoint that is in the store; null when there is none. */
  readonly checkpoint: string | null;
  /** The root of its first entries. Asked for sizes up to `size` only. */
  rootAt(size: number): TreeHash;
}

/** A head that was signed and kept outside the store. */
export interface OutsideHead {
  /** Where it was found, for messages. */
  readonly where: string;
  /** The signed note. */
  readonly note: string;
}

export interface Heads {
  /** All logs of the store, the one that is written to last. */
  readonly logs: readonly StoredLog[];
  /** The most trusted place first. */
  readonly outside: readonly OutsideHead[];
}

/**
 * - `continue`: the store's log goes on.
 * - `new_log`: it must not, since what it would sign could contradict what was signed; a new log begins, whose first
 *   entry says which one it goes on from.
 * - `refuse`: something is wrong that no rule can settle. `why` says what, and what to do.
 *
 * Before anything is appended, every outside place is brought up to date: with the present head, signed anew, when the log
 * goes on; with the checkpoint that the new log names, when that was found in one of them. A place that was behind, such
 * as a file that was restored together with the store, would otherwise mislead a later start that cannot reach the others.
 */
export type Continuation =
  | { readonly kind: 'continue' }
  | {
      readonly kind: 'new_log';
      readonly reason: EventOf<'log'>['reason'];
      readonly previous: PreviousLog | null;
    }
  | { readonly kind: 'refuse'; readonly why: string };

/**
 * Decides at the start how a store's ledger goes on. A log must never sign two heads of which one is not the beginning
 * of the other. A store that was restored from a copy would: it has forgotten entries that were signed, and writes others
 * in their places. Only a head that was kept elsewhere can tell. So a log goes on only when such a head of its own is
 * found and its entries are all in the store; when there is none, nobody knows, and a new log is safe.
 *
 * A head is written outside before the store hears of it. One that is smaller than the store's own is from a place that
 * has missed some, and who knows how many: it counts as none.
 *
 * @throws MalformedLedgerError when the checkpoint in the store is none
 */
export function decideContinuation({ logs, outside }: Heads): Continuation {
  const findings = outside.map((head) => judgeHead(head, logs));
  const contradiction = findings.find((finding) => finding.kind === 'contradicts');
  if (contradiction !== undefined) return refuse(contradiction.where, contradiction.what);
  const ahead = furthest(findings);
  if (ahead !== undefined) return newLogAfter(ahead);
  const current = logs.at(-1);
  if (current === undefined) return { kind: 'new_log', reason: 'first_log', previous: null };
  if (findings.some((finding) => isLatestOf(current, finding))) return { kind: 'continue' };
  const previous = { origin: current.origin, checkpoint: current.checkpoint, kept: current.size };
  return { kind: 'new_log', reason: 'no_outside_head', previous };
}

/**
 * What one outside head says about the store: its log is there up to that head; it has more entries than the store; or
 * it is none of this store's, or of other entries.
 */
export type Finding = OutsideHead &
  (
    | { readonly kind: 'agrees' | 'is_ahead'; readonly checkpoint: Checkpoint; readonly kept: number }
    | { readonly kind: 'contradicts'; readonly what: string; readonly checkpoint?: undefined }
  );

function isLatestOf({ origin, checkpoint }: StoredLog, finding: Finding): boolean {
  if (finding.kind !== 'agrees' || finding.checkpoint.origin !== origin) return false;
  return checkpoint === null || finding.checkpoint.size >= readUnverifiedCheckpoint(checkpoint).size;
}

/** Holds one head against all logs of the store. */
export function judgeHead(head: OutsideHead, logs: readonly StoredLog[]): Finding {
  const checkpoint = read(head, logs);
  if (checkpoint === null) {
    return { ...head, kind: 'contradicts', what: 'is not a checkpoint that this store has signed' };
  }
  const log = logs.find(({ origin }) => origin === checkpoint.origin);
  if (log === undefined) return { ...head, kind: 'is_ahead', checkpoint, kept: 0 };
  if (checkpoint.size > log.size) {
    // A log that was left already has a successor that says so, and nothing is signed in its name any more.
    const kind = log === logs.at(-1) ? 'is_ahead' : 'agrees';
    return { ...head, kind, checkpoint, kept: log.size };
  }
  if (equalHashes(log.rootAt(checkpoint.size), checkpoint.root)) {
    return { ...head, kind: 'agrees', checkpoint, kept: log.size };
  }
  const what = `was signed for ${checkpoint.size} entries, and those in the store are others`;
  return { ...head, kind: 'contradicts', what };
}

/**
 * A store that has no log yet has a new key too, and can check no signature: the head is named, and who has the old key
 * can check it. Otherwise it must be signed by the key of its log, or, when the store does not know the log, by a key of
 * this store: a head of another box has nothing to say here. Null for every other note.
 */
function read({ note }: OutsideHead, logs: readonly StoredLog[]): Checkpoint | null {
  try {
    const checkpoint = readUnverifiedCheckpoint(note);
    return logs.length === 0 ? checkpoint : openCheckpoint(note, verifiersFor(checkpoint, logs));
  } catch {
    return null;
  }
}

function verifiersFor({ origin }: Checkpoint, logs: readonly StoredLog[]): NoteVerifier[] {
  const known = logs.filter((log) => log.origin === origin);
  const keys = new Set((known.length > 0 ? known : logs).map(({ verifierKey }) => verifierKey));
  return [...keys].map((key) => noteVerifier(origin, readVerifierKey(key).publicKey));
}

type Ahead = Extract<Finding, { kind: 'agrees' | 'is_ahead' }>;

/** The log of the most trusted place, and its largest head. */
function furthest(findings: readonly Finding[]): Ahead | undefined {
  const ahead = findings.filter((finding): finding is Ahead => finding.kind === 'is_ahead');
  const origin = ahead[0]?.checkpoint.origin;
  const ofOneLog = ahead.filter(({ checkpoint }) => checkpoint.origin === origin);
  return ofOneLog.toSorted((one, other) => other.checkpoint.size - one.checkpoint.size)[0];
}

function newLogAfter({ note, checkpoint: { origin }, kept }: Ahead): Continuation {
  const previous = { origin, checkpoint: withoutCosignatures(note, origin), kept };
  return { kind: 'new_log', reason: 'store_behind', previous };
}

/** The log's own signature proves it; those of witnesses may be long. */
function withoutCosignatures(note: string, origin: string): string {
  const { text, signatures } = parseNote(note);
  return printNote({ text, signatures: signatures.filter(({ name }) => name === origin) });
}

function refuse(where: string, what: string): Continuation {
  return {
    kind: 'refuse',
    why:
      `The head of the ledger in ${where} ${what}. Nothing was changed. Look with "ledger verify"; to go on with a new ` +
      'log, keep that file and ledger.head and move both away.',
  };
}
