/** The audit of the crash matrix finds what must not be: each case is one wrong in an otherwise sound run. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { audit } from './audit.ts';
import type { LedgerAttempt, LedgerJob } from './ledger.ts';
import type { OwnerAct } from './owner.ts';
import { NO_RECORD, type Record, type RecordedExport } from './record.ts';
import type { Arrival } from './recording-destination.ts';
import type { Submission } from './submissions.ts';

const ID = '00000000-0000-7000-8000-000000000001';
const SUBMISSION: Submission = {
  key: 'k',
  lane: 'parallel',
  json: '1',
  isKeyed: true,
  fate: 'accepted',
  id: ID,
  result: null,
};
const TIMED_OUT: LedgerAttempt = { number: 1, startedAt: 1, status: null, error: 'timeout' };
const UNDELIVERABLE: LedgerJob = {
  id: ID,
  lane: 'parallel',
  seq: 1,
  state: 'undeliverable',
  isFinished: true,
  isCancelRequested: false,
  redeliveryOf: null,
  isHistory: true,
  attempts: 1,
  attemptsSpent: 1,
  attemptsMax: 1,
  resultStatus: null,
  resultCode: 'timeout',
  ledger: [TIMED_OUT],
};

/** What the audit says of one export, its result no longer there, and how it counts it. */
function auditOf(
  job: Partial<LedgerJob> | null,
  arrivals: readonly Arrival[] = [],
  record: Record = NO_RECORD,
  acts: readonly OwnerAct[] = [],
) {
  const jobs = new Map(job === null ? [] : [[ID, { ...UNDELIVERABLE, ...job }]]);
  const submissions = [{ ...SUBMISSION, isKeyed: false }];
  const ledger = { jobs, rules: new Set<string>(), wrongs: [] };
  return audit({ submissions, arrivals, ledger, record, acts, hasDeleted: true });
}

it('an export that ended with a reason and never arrived is counted, and no wrong', () => {
  const { figures, wrongs } = auditOf({});
  assert.deepEqual(wrongs, []);
  assert.deepEqual([figures.endedWithoutArrival, figures.lost], [1, 0]);
  const expired = { ledger: [], attempts: 0, attemptsSpent: 0, resultCode: 'expired' };
  assert.deepEqual(auditOf(expired).wrongs, []);
});

it('one that never arrived and has no reason is lost', () => {
  for (const job of [null, { resultCode: null }, { resultCode: null, resultStatus: 200 }]) {
    const { figures, wrongs } = auditOf(job);
    assert.equal(figures.lost, 1);
    assert.ok(wrongs.some((wrong) => /is lost/.test(wrong)));
  }
});

it('one whose reason no attempt bears out is a wrong', () => {
  for (const job of [
    { resultCode: 'dns_failed' },
    { resultCode: 'expired' },
    { resultCode: 'timeout', ledger: [], attempts: 0, attemptsSpent: 0 },
  ]) {
    assert.ok(
      auditOf(job).wrongs.some((wrong) => /for no such reason/.test(wrong)),
      JSON.stringify(job),
    );
  }
});

it('one that ended with neither an answer nor a reason is a wrong, though it arrived', () => {
  const arrival = { id: ID, key: 'k', lane: 'parallel', body: '1', behaviour: 'stays silent' } as Arrival;
  const { wrongs } = auditOf({ resultCode: null }, [arrival]);
  assert.ok(wrongs.some((wrong) => /neither an answer nor a reason/.test(wrong)));
});

it('what the service’s own ledger says and did not happen is a wrong, and so is what it leaves out', () => {
  const taken = { kind: 'accepted', export: ID } as RecordedExport['taken'][number];
  const outcome = { kind: 'outcome', export: ID, state: 'delivered', status: null, attempts: 1 };
  const ended = outcome as RecordedExport['outcomes'][number];
  const record = (exports: [string, RecordedExport][]) => ({
    exports: new Map(exports),
    rules: [],
    kinds: [],
    isErased: false,
    logs: 1,
  });
  const delivered = record([[ID, { taken: [taken], attempts: [], cancels: [], outcomes: [ended] }]]);
  const wrongsOf = (of: Record) => auditOf({}, [], of).wrongs.join('\n');
  assert.match(wrongsOf(delivered), /was delivered, says the ledger, and never arrived/);
  assert.match(wrongsOf(delivered), /the ledger has 0 attempts/);
  assert.match(wrongsOf(record([])), /the ledger knows nothing of it/);
});

it('one that the owner took back was told so, whatever its last attempt said, and no other is', () => {
  const cancelled = { state: 'cancelled', resultCode: 'cancelled' } as const;
  assert.deepEqual(auditOf(cancelled).wrongs, []);
  for (const job of [{ resultCode: 'cancelled' }, { state: 'cancelled' } as const])
    assert.ok(
      auditOf(job).wrongs.some((wrong) => /for no such reason/.test(wrong)),
      JSON.stringify(job),
    );
});

it('what the owner had sent once more arrives under an id of its own, and nothing else does', () => {
  const other = '00000000-0000-7000-8000-000000000002';
  const arrival = { key: 'k', lane: 'parallel', body: '1', behaviour: 'stays silent' } as const;
  const arrivals = [
    { ...arrival, id: ID },
    { ...arrival, id: other },
  ];
  const act: OwnerAct = { kind: 'redeliver', target: ID, rule: null, fate: 'done', made: other };
  const wrongsOf = (acts: OwnerAct[]): string => auditOf({}, arrivals, NO_RECORD, acts).wrongs.join('\n');
  assert.doesNotMatch(wrongsOf([act]), /queued twice/);
  assert.match(wrongsOf([]), /queued twice/);
  assert.match(wrongsOf([{ ...act, fate: 'refused', made: null }]), /queued twice/);
});

it('one that still waits is not lost', () => {
  const { figures } = auditOf({ isFinished: false, resultCode: null });
  assert.deepEqual([figures.lost, figures.endedWithoutArrival], [0, 0]);
});
