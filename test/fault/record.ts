/** The ledger of a store under test: whether it holds, and whether it tells what happened and nothing else. */
import { openStoreSource } from '../../cli/ledger/store-source.ts';
import { verifyLedger } from '../../cli/ledger/verification.ts';
import { type EntryKind, type EventOf, type LedgerEntry, parseEntry } from '../../src/ledger/entry.ts';
import { openLedgerFile } from '../../src/store/sqlite/ledger-file.ts';
import type { LedgerAttempt, LedgerJob } from './ledger.ts';

/** What the ledger says of one export. */
export interface RecordedExport {
  readonly taken: (EventOf<'accepted'> | EventOf<'redelivery'>)[];
  readonly attempts: EventOf<'attempt'>[];
  readonly cancels: EventOf<'cancel'>[];
  readonly outcomes: EventOf<'outcome'>[];
}

export interface Record {
  readonly exports: ReadonlyMap<string, RecordedExport>;
  /** Changes of rules, in their order. */
  readonly rules: readonly EventOf<'rule'>[];
  /** Of every entry, in the order of the log; null for one whose text was erased. */
  readonly kinds: readonly (EntryKind | null)[];
  /** Whether texts were erased as their time was over: then something may be missing. */
  readonly isErased: boolean;
  /** How many logs there are: no kill makes another one. */
  readonly logs: number;
}

/** Of a store that could not be made. */
export const NO_RECORD: Record = { exports: new Map(), rules: [], kinds: [], isErased: true, logs: 0 };

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
  const rules: EventOf<'rule'>[] = [];
  const kinds: (EntryKind | null)[] = [];
  let isErased = false;
  const of = (id: string): RecordedExport => {
    const known = exports.get(id) ?? { taken: [], attempts: [], cancels: [], outcomes: [] };
    exports.set(id, known);
    return known;
  };
  const take = (entry: LedgerEntry): void => {
    if (entry.kind === 'accepted' || entry.kind === 'redelivery') of(entry.export).taken.push(entry);
    if (entry.kind === 'attempt') of(entry.export).attempts.push(entry);
    if (entry.kind === 'cancel') of(entry.export).cancels.push(entry);
    if (entry.kind === 'outcome') of(entry.export).outcomes.push(entry);
    if (entry.kind === 'rule') rules.push(entry);
  };
  const logs = reader.logs();
  for (const { id } of logs) {
    for (const { text } of reader.each(id)) {
      isErased ||= text === null;
      const entry = text === null ? null : parseEntry(text);
      kinds.push(entry?.kind ?? null);
      if (entry !== null) take(entry);
    }
  }
  return { exports, rules, kinds, isErased, logs: logs.length };
}

/** Where the ledger and the store do not say the same of an export that the store knows. */
export function compareRecord(job: LedgerJob, record: Record): string[] {
  const recorded = record.exports.get(job.id);
  if (recorded === undefined) return record.isErased ? [] : [`${job.id}: the ledger knows nothing of it`];
  const { taken, attempts, cancels, outcomes } = recorded;
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
  expect(
    taken.every((entry) => (entry.kind === 'redelivery' ? entry.redelivery_of : null) === job.redeliveryOf),
    `the ledger says otherwise whose payload it is`,
  );
  if (!isCancelled(job)) expect(cancels.length === 0, 'the ledger says that it was cancelled');
  else expect(cancels.length > 0 || record.isErased, 'the ledger says nothing of its cancel');
  expect(
    cancels.every(({ result }) => result === 'requested' || job.state === 'cancelled'),
    `the ledger says that a cancel ended it, and it is ${job.state}`,
  );
  const known = job.ledger.slice(job.ledger.length - attempts.length);
  expect(may(attempts.length, job.ledger.length), `the ledger has ${attempts.length} attempts`);
  expect(
    attempts.every((attempt, index) => isSame(attempt, known[index])),
    `the ledger's attempts are others than those on record`,
  );
  const [outcome] = outcomes;
  if (outcome !== undefined) {
    expect(outcome.state === job.state, `the ledger says that it ended ${outcome.state}`);
    expect(outcome.attempts === job.attempts, `the ledger says that it had ${outcome.attempts} attempts`);
    expect(
      outcome.status === (job.resultCode === null ? job.resultStatus : null),
      'the ledger has another status',
    );
  }
  return wrongs;
}

/**
 * What is wrong with the entries of one life: it begins with its start, but for keys that wait for it and the first entry of
 * a log, and has no other one. Where texts were erased nobody knows.
 *
 * @param kinds of these entries alone
 * @param wasReady whether the life got as far as accepting connections
 */
export function startWrongs(kinds: Record['kinds'], wasReady: boolean): string[] {
  if (kinds.includes(null)) return [];
  const starts = kinds.filter((kind) => kind === 'start').length;
  const first = kinds.find((kind) => kind !== 'key' && kind !== 'log');
  if (starts > 1) return [`the ledger tells of ${starts} starts of one life`];
  if (starts === 0 && (wasReady || first !== undefined)) return ['the ledger tells of no start of a life'];
  return starts === 1 && first !== 'start' ? [`the ledger tells of ${first} before the start`] : [];
}

/** At once, or with a request for it, whatever came of that. */
export function isCancelled({ state, isCancelRequested }: LedgerJob): boolean {
  return state === 'cancelled' || isCancelRequested;
}

function isSame({ number, status, error }: EventOf<'attempt'>, attempt: LedgerAttempt | undefined): boolean {
  return number === attempt?.number && status === attempt.status && error === attempt.error;
}
