import { type Checkpoint, readUnverifiedCheckpoint } from '../../src/ledger/checkpoint.ts';
import type { OutsideHead } from '../../src/ledger/continuation.ts';
import type { LedgerEntry } from '../../src/ledger/entry.ts';
import type { EntryRange } from '../../src/ledger/ledger-verifier.ts';
import { equalHashes } from '../../src/ledger/tree-hash.ts';
import { formatCount } from '../terminal.ts';
import type { SourceLog } from './source.ts';

/** Where a log ends and another one goes on, as the other's first entry says. */
export interface LogBreak {
  /** The log that goes on. */
  readonly origin: string;
  readonly reason: string;
  /** The log that it goes on from. */
  readonly previous: string;
  /** How many of its entries were left. */
  readonly kept: number;
  /** The last signed head of it that is named; null when none is. */
  readonly head: Checkpoint | null;
  /** Entries that were signed and are gone, which the log admits; null when it knows of none. */
  readonly lost: EntryRange | null;
}

/**
 * Of the first entry of a log; null when it went on from none.
 *
 * @throws MalformedLedgerError when the head that it names is none
 */
export function breakOf({ origin, reason, previous }: LedgerEntry & { kind: 'log' }): LogBreak | null {
  if (previous === null) return null;
  const { kept, checkpoint } = previous;
  const head = checkpoint === null ? null : readUnverifiedCheckpoint(checkpoint);
  const lost = head !== null && head.size > kept ? { first: kept, last: head.size - 1 } : null;
  return { origin, reason, previous: previous.origin, kept, head, lost };
}

/** A sentence for people: what is missing between two logs, and who says so. */
export function breakLine({ origin, reason, previous, kept, head, lost }: LogBreak): string {
  const knows = head === null ? 'knows of no signed head' : `knows of no signed head beyond ${head.size}`;
  const missing =
    lost === null
      ? `it ${knows}`
      : `entries ${lost.first} to ${lost.last} were signed and are lost, which the log admits`;
  return `${origin} went on from ${previous} (${reason}): ${formatCount(kept)} entries kept; ${missing}.`;
}

export function breakJson(each: LogBreak): object {
  const { origin, previous, reason, kept, head, lost } = each;
  return { log: origin, previous, reason, kept, known: head?.size ?? null, lost, detail: breakLine(each) };
}

/** Logs that later ones speak of and that are not where they should be. Only one of which nothing was left may be missing. */
export function misplacedLogs(logs: readonly SourceLog[], breaks: readonly LogBreak[]): string[] {
  const placeOf = (name: string): number => logs.findIndex(({ origin }) => origin === name);
  return breaks.flatMap(({ origin, previous, kept }, index) => {
    if (breaks.findIndex((other) => other.previous === previous) !== index)
      return [`More than one log says that it went on from ${previous}: ${origin} too.`];
    if (placeOf(previous) > placeOf(origin))
      return [`The log ${previous} comes after ${origin}, which went on from it.`];
    if (placeOf(previous) >= 0 || kept === 0) return [];
    return [
      `The log ${previous} is gone: ${origin}, which went on from it, says that ${kept} of its entries were left.`,
    ];
  });
}

/** What checkpoints that were given say of logs that are not here. */
export function strayCheckpoints(
  logs: readonly SourceLog[],
  checkpoints: readonly OutsideHead[],
  breaks: readonly LogBreak[],
): string[] {
  return checkpoints.flatMap(({ where, note }) => {
    const name = note.slice(0, note.indexOf('\n'));
    if (logs.some(({ origin }) => origin === name)) return [];
    const next = breaks.find(({ previous }) => previous === name);
    if (next === undefined)
      return [`The checkpoint in ${where} is of the log "${name}", and there is none here.`];
    return objectionTo(where, note, next);
  });
}

function objectionTo(where: string, note: string, { origin, previous, kept, head }: LogBreak): string[] {
  const given = readOrNull(note);
  if (given === null) return [`What is kept in ${where} is no checkpoint.`];
  if (given.size > Math.max(kept, head?.size ?? 0))
    return [
      `Entries up to ${given.size - 1} of the log ${previous} were signed and are gone: the head in ${where} is of ` +
        `${given.size}. The log ${origin}, which went on, does not admit that: it knows of ${head?.size ?? 0}.`,
    ];
  if (head === null || head.size !== given.size || equalHashes(head.root, given.root)) return [];
  return [
    `The checkpoint in ${where} and the one that ${origin} names are both of ${given.size} entries, and differ.`,
  ];
}

function readOrNull(note: string): Checkpoint | null {
  try {
    return readUnverifiedCheckpoint(note);
  } catch {
    return null;
  }
}
