import { type Checkpoint, openCheckpoint } from '../../src/ledger/checkpoint.ts';
import type { OutsideHead } from '../../src/ledger/continuation.ts';
import { type LedgerEntry, type PreviousLog, parseEntry } from '../../src/ledger/entry.ts';
import { recordedErasure } from '../../src/ledger/erasures.ts';
import { type KnownHead, LedgerVerifier, type Verification } from '../../src/ledger/ledger-verifier.ts';
import { noteVerifier, readVerifierKey } from '../../src/ledger/note-key.ts';
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
  readonly isSound: boolean;
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
  readonly previous: Map<string, PreviousLog>;
  readonly erasedBefore: Map<string, number>;
}

/**
 * Recomputes every log from its entries, and holds it against every checkpoint there is. The newest log comes first: it
 * says of the others what of them it knew, and what was erased since.
 */
export async function verifyLedger(source: LedgerSource, trusted: Trusted): Promise<LedgerReport> {
  const logs = await source.logs();
  const said: Said = { previous: new Map(), erasedBefore: new Map() };
  const reports: LogReport[] = [];
  for (const log of logs.toReversed()) reports.unshift(await verifyLog(source, log, trusted, said));
  const problems = strayCheckpoints(logs, trusted, said);
  if (logs.length === 0) problems.push('There is no log.');
  const isSound = problems.length === 0 && reports.every(isSoundLog);
  return { logs: reports, problems, isSound };
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
  const kept = said.previous.get(origin)?.kept;
  const { storedNode } = source;
  const verifier = new LedgerVerifier({
    heads,
    ...(storedNode && { storedNode: (level, index) => storedNode(origin, level, index) }),
    ...(kept !== undefined && { kept }),
    erasedBefore: said.erasedBefore.get(origin) ?? 0,
  });
  for await (const entry of source.entries(origin, 0)) {
    verifier.add(entry);
    if (entry.text !== null) listen(entry.text, entry.index, log, said, problems);
  }
  return { origin, verifierKey, verification: verifier.finish(), heads, problems };
}

/** Every checkpoint that may be of this log. */
async function candidates(
  source: LedgerSource,
  { origin }: SourceLog,
  trusted: Trusted,
  said: Said,
): Promise<OutsideHead[]> {
  const named = said.previous.get(origin)?.checkpoint ?? null;
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

/** Takes in what an entry says of other logs, and of its own name. */
function listen(text: string, index: number, log: SourceLog, said: Said, problems: string[]): void {
  const erasure = recordedErasure(text);
  if (erasure?.log != null)
    said.erasedBefore.set(erasure.log, Math.max(said.erasedBefore.get(erasure.log) ?? 0, erasure.before));
  if (index > 0) return;
  const first = readOrNull(text);
  if (first?.kind !== 'log' || first.origin !== log.origin)
    problems.push('Its first entry is not the one that says its name.');
  else if (first.previous !== null) said.previous.set(first.previous.origin, first.previous);
}

function readOrNull(text: string): LedgerEntry | null {
  try {
    return parseEntry(text);
  } catch {
    return null;
  }
}

/** Checkpoints that were given and are of no log here, unless a log went on from theirs after it had been forgotten. */
function strayCheckpoints(logs: readonly SourceLog[], { checkpoints }: Trusted, said: Said): string[] {
  return checkpoints.flatMap(({ where, note }) => {
    const origin = note.slice(0, note.indexOf('\n'));
    if (logs.some((log) => log.origin === origin) || said.previous.has(origin)) return [];
    return [`The checkpoint in ${where} is of the log "${origin}", and there is none here.`];
  });
}
