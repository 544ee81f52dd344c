/** The ledger of a store under test: whether it holds, and whether it tells what happened and nothing else. */
import { openStoreSource } from '../../cli/ledger/store-source.ts';
import { verifyLedger } from '../../cli/ledger/verification.ts';
import { type EventOf, parseEntry } from '../../src/ledger/entry.ts';
import { openLedgerFile } from '../../src/store/sqlite/ledger-file.ts';
import type { LedgerAttempt, LedgerJob } from './ledger.ts';

/** What the ledger says of one export. */
export interface RecordedExport {
  readonly taken: EventOf<'accepted'>[];
  readonly attempts: EventOf<'attempt'>[];
  readonly outcomes: EventOf<'outcome'>[];
}

export interface Record {
  readonly exports: ReadonlyMap<string, RecordedExport>;
  /** Whether texts were erased as their time was over: then something may be missing. */
  readonly isErased: boolean;
  /** How many logs there are: no kill makes another one. */
  readonly logs: number;
}

/** Of a store that could not be made. */
export const NO_RECORD: Record = { exports: new Map(), isErased: true, logs: 0 };

/** What does not hold of the ledger as a death has left it, by the checkpoint that was kept beside the store. */
export async function flawsOf(dataDir: string, path: string): Promise<string[]> {
  await using source = await openStoreSource({ dataDir, store: { kind: 'sqlite', path } });
  const report = await verifyLedger(source, { checkpoints: [], key: null });
  return [
    ...report.problems,
    ...report.logs.flatMap(({ origin, verification, problems }) => [
      ...problems.map((problem) => `the log ${origin}: ${problem}`),
      ...(verification.flaw === null ? [] : [`the log ${origin}: ${verification.flaw.detail}`]),
      ...(verification.unexplainedErasure === null ? [] : [`the log ${origin}: a text is gone`]),
    ]),
  ];
}

/** Reads the entries of a store that no service uses. */
export function readRecord(path: string): Record {
  using reader = openLedgerFile(path);
  const exports = new Map<string, RecordedExport>();
  let isErased = false;
  const of = (id: string): RecordedExport => {
    const known = exports.get(id) ?? { taken: [], attempts: [], outcomes: [] };
    exports.set(id, known);
    return known;
  };
  const logs = reader.logs();
  for (const { id } of logs) {
    for (const { text } of reader.each(id)) {
      isErased ||= text === null;
      const entry = text === null ? null : parseEntry(text);
      if (entry?.kind === 'accepted') of(entry.export).taken.push(entry);
      if (entry?.kind === 'attempt') of(entry.export).attempts.push(entry);
      if (entry?.kind === 'outcome') of(entry.export).outcomes.push(entry);
    }
  }
  return { exports, isErased, logs: logs.length };
}

/** Where the ledger and the store do not say the same of an export that the store knows. */
export function compareRecord(job: LedgerJob, record: Record): string[] {
  const recorded = record.exports.get(job.id);
  if (recorded === undefined) return record.isErased ? [] : [`${job.id}: the ledger knows nothing of it`];
  const { taken, attempts, outcomes } = recorded;
  const wrongs: string[] = [];
  const expect = (isRight: boolean, wrong: string): void => {
    if (!isRight) wrongs.push(`${job.id}: ${wrong}`);
  };
  const may = (count: number, expected: number): boolean =>
    count === expected || (record.isErased && count < expected);
  expect(may(taken.length, 1), `the ledger says ${taken.length} times that it was taken in`);
  expect(
    may(outcomes.length, job.isFinished ? 1 : 0),
    `the ledger says ${outcomes.length} times that it ended`,
  );
  const known = job.ledger.slice(job.ledger.length - attempts.length);
  expect(may(attempts.length, job.ledger.length), `the ledger has ${attempts.length} attempts`);
  expect(
    attempts.every((attempt, index) => isSame(attempt, known[index])),
    `the ledger's attempts are others than those on record`,
  );
  const [outcome] = outcomes;
  if (outcome !== undefined) {
    expect(outcome.attempts === job.attempts, `the ledger says that it had ${outcome.attempts} attempts`);
    expect(
      outcome.status === (job.resultCode === null ? job.resultStatus : null),
      'the ledger has another status',
    );
  }
  return wrongs;
}

function isSame({ number, status, error }: EventOf<'attempt'>, attempt: LedgerAttempt | undefined): boolean {
  return number === attempt?.number && status === attempt.status && error === attempt.error;
}
