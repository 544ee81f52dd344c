import { type Checkpoint, openCheckpoint } from '../../src/ledger/checkpoint.ts';
import type { OutsideHead } from '../../src/ledger/continuation.ts';
import { type LedgerEntry, parseEntry } from '../../src/ledger/entry.ts';
import { recordedErasure } from '../../src/ledger/erasures.ts';
import { type KnownHead, LedgerVerifier, type Verification } from '../../src/ledger/ledger-verifier.ts';
import { noteVerifier, readVerifierKey } from '../../src/ledger/note-key.ts';
import { breakOf, type LogBreak, misplacedLogs, strayCheckpoints } from './breaks.ts';
import type { LedgerSource, SourceLog } from './source.ts';

/** How a log came out. */
export interface LogReport {
  readonly origin: string;
  readonly verifierKey: string;
  readonly verification: Verification;
  /** Checkpoints that it was held against. */
  readonly heads: readonly KnownHead[];
  /** What is wrong besides its entries, in words. */
  readonly problems: readonly string[];
}

export interface LedgerReport {
  /** In the order in which the logs began. */
  readonly logs: readonly LogReport[];
  /** What is wrong with no log in particular. */
  readonly problems: readonly string[];
  /** Where a log ends and another one goes on, in the order of the logs. */
  readonly breaks: readonly LogBreak[];
  /** What is there holds, and what is missing is admitted by the log that went on. */
  readonly isSound: boolean;
  /** It is sound, and nothing that was signed is known to be missing. */
  readonly isWhole: boolean;
}

/** What is known from elsewhere. */
export interface Trusted {
  /** Signed notes that were kept where nobody of the box can write. */
  readonly checkpoints: readonly OutsideHead[];
  /** A verifier key, `NAME+ID+KEY`, that was kept there; null takes what the ledger says of itself. */
  readonly key: string | null;
}

/** What later logs say of an earlier one. */
interface Said {
  readonly breaks: { readonly of: LogBreak; readonly checkpoint: string | null }[];
  readonly erasedBefore: Map<string, number>;
}

/**
 * Recomputes every log from its entries, and holds it against every checkpoint there is. The newest log comes first: it
 * says of the others what of them it knew, and what was erased since.
 */
export async function verifyLedger(source: LedgerSource, trusted: Trusted): Promise<LedgerReport> {
  const logs = await source.logs();
  const said: Said = { breaks: [], erasedBefore: new Map() };
  const reports: LogReport[] = [];
  for (const log of logs.toReversed()) reports.unshift(await verifyLog(source, log, trusted, said));
  const breaks = said.breaks.map((each) => each.of).toReversed();
  const problems = [...misplacedLogs(logs, breaks), ...strayCheckpoints(logs, trusted.checkpoints, breaks)];
  if (logs.length === 0) problems.push('There is no log.');
  const isSound = problems.length === 0 && reports.every(isSoundLog);
  const isWhole = isSound && breaks.every(({ lost }) => lost === null);
  return { logs: reports, problems, breaks, isSound, isWhole };
}

function isSoundLog({ verification, problems }: LogReport): boolean {
  return verification.flaw === null && verification.unexplainedErasure === null && problems.length === 0;
}

async function verifyLog(
  source: LedgerSource,
  log: SourceLog,
  trusted: Trusted,
  said: Said,
): Promise<LogReport> {
  const { origin, verifierKey } = log;
  const problems: string[] = [];
  const heads = readHeads(log, await candidates(source, log, trusted, said), trusted.key, problems);
  const successor = successorOf(origin, said)?.of;
  const { storedNode } = source;
  const verifier = new LedgerVerifier({
    heads,
    ...(storedNode && { storedNode: (level, index) => storedNode(origin, level, index) }),
    ...(successor && { successor: { ...successor, known: successor.head?.size ?? 0 } }),
    erasedBefore: said.erasedBefore.get(origin) ?? 0,
  });
  for await (const entry of source.entries(origin, 0)) {
    verifier.add(entry);
    listen(entry.text, entry.index, log, said, problems);
  }
  const verification = verifier.finish();
  if (verification.head.size === 0 && verification.flaw === null)
    problems.push('It has no entry; each log has one that says its name.');
  return { origin, verifierKey, verification, heads, problems };
}

/** Every checkpoint that may be of this log. */
async function candidates(
  source: LedgerSource,
  { origin }: SourceLog,
  trusted: Trusted,
  said: Said,
): Promise<OutsideHead[]> {
  const named = successorOf(origin, said)?.checkpoint ?? null;
  return [
    ...(await source.checkpoints(origin)),
    ...(named === null ? [] : [{ where: 'the first entry of the log that went on from it', note: named }]),
    ...trusted.checkpoints.filter(({ note }) => note.startsWith(`${origin}\n`)),
  ];
}

/** Those that the log's key has signed; the others are problems. */
function readHeads(
  { origin, verifierKey }: SourceLog,
  notes: readonly OutsideHead[],
  trustedKey: string | null,
  problems: string[],
): KnownHead[] {
  // Each log has another name for its key, and all have one key.
  const own = readVerifierKey(verifierKey).publicKey;
  const { publicKey } = trustedKey === null ? { publicKey: own } : readVerifierKey(trustedKey);
  if (Buffer.compare(publicKey, own) !== 0)
    problems.push(`Its key ${verifierKey} is not the one that was given.`);
  const verifiers = [noteVerifier(origin, publicKey)];
  return notes.flatMap(({ where, note }) => {
    try {
      const { size, root }: Checkpoint = openCheckpoint(note, verifiers);
      return [{ size, root, where }];
    } catch (error) {
      problems.push(`What is kept in ${where} is no checkpoint of it: ${(error as Error).message}`);
      return [];
    }
  });
}

function successorOf(origin: string, { breaks }: Said): Said['breaks'][number] | undefined {
  return breaks.find((each) => each.of.previous === origin);
}

/** Takes in what an entry says of other logs, and of its own name. */
function listen(text: string | null, index: number, log: SourceLog, said: Said, problems: string[]): void {
  const erasure = text === null ? null : recordedErasure(text);
  if (erasure?.log != null)
    said.erasedBefore.set(erasure.log, Math.max(said.erasedBefore.get(erasure.log) ?? 0, erasure.before));
  if (index > 0) return;
  // Its text is never erased: without it nobody would know what was there before.
  const first = text === null ? null : readOrNull(text);
  if (first?.kind !== 'log' || first.origin !== log.origin) {
    problems.push('Its first entry is not the one that says its name.');
    return;
  }
  try {
    const found = breakOf(first);
    if (found !== null) said.breaks.push({ of: found, checkpoint: first.previous?.checkpoint ?? null });
  } catch (error) {
    problems.push(`Its first entry names a checkpoint that is none: ${(error as Error).message}`);
  }
}

function readOrNull(text: string): LedgerEntry | null {
  try {
    return parseEntry(text);
  } catch {
    return null;
  }
}
