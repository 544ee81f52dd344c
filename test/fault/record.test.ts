/** What the crash matrix makes of the ledger: each case is one wrong in an otherwise sound one. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { CheckpointSigner } from '../../src/ledger/checkpoint.ts';
import type { EventOf } from '../../src/ledger/entry.ts';
import { FIRST_ORIGIN, signerOf } from '../support/ledger/beginning.ts';
import { SAMPLES } from '../support/ledger/sample-events.ts';
import { WriterBench } from '../support/writer-bench.ts';
import { type LedgerJob, readLedger } from './ledger.ts';
import { compareRecord, flawsOf, type RecordedExport, readRecord, startWrongs } from './record.ts';

const ID = '019ab3f2-7c00-7000-8000-000000000001';
const OTHER = '019ab3f2-7c00-7000-8000-000000000002';
const { accepted, attempt, outcome, cancel, redelivery } = SAMPLES;

const DELIVERED: LedgerJob = {
  id: ID,
  lane: 'steady',
  seq: 1,
  state: 'delivered',
  isFinished: true,
  isCancelRequested: false,
  redeliveryOf: null,
  isHistory: false,
  attempts: 1,
  attemptsSpent: 1,
  attemptsMax: 9,
  resultStatus: 200,
  resultCode: null,
  ledger: [{ number: 1, startedAt: 1, status: 200, error: null }],
};
const RECORDED: RecordedExport = { taken: [accepted], attempts: [attempt], cancels: [], outcomes: [outcome] };

function wrongsOf(
  recorded: Partial<RecordedExport> | null,
  job: Partial<LedgerJob> = {},
  isErased = false,
): string[] {
  const exports = new Map(recorded === null ? [] : [[ID, { ...RECORDED, ...recorded }]]);
  return compareRecord({ ...DELIVERED, ...job }, { exports, rules: [], kinds: [], isErased, logs: 1 });
}

describe('the ledger and the store', () => {
  it('say the same of an export that was delivered', () => {
    assert.deepEqual(wrongsOf({}), []);
  });

  const requested: EventOf<'cancel'> = { ...cancel, result: 'requested' };
  const atOnce: EventOf<'cancel'> = { ...cancel, result: 'cancelled' };
  const cancelled = { state: 'cancelled', resultStatus: null, resultCode: 'cancelled' } as const;
  const endedSo: EventOf<'outcome'> = { ...outcome, state: 'cancelled', status: null, error: 'cancelled' };
  for (const [what, recorded, job, wrong] of [
    ['nothing of it', null, {}, /knows nothing of it/],
    ['not that it was taken in', { taken: [] }, {}, /says 0 times that it was taken in/],
    ['twice that it was taken in', { taken: [accepted, accepted] }, {}, /says 2 times that it was taken in/],
    ['that it is a redelivery', { taken: [redelivery] }, {}, /otherwise whose payload it is/],
    ['that an app handed it over', {}, { redeliveryOf: OTHER }, /otherwise whose payload it is/],
    ['not that it ended', { outcomes: [] }, {}, /says 0 times that it ended/],
    ['twice that it ended', { outcomes: [outcome, outcome] }, {}, /says 2 times that it ended/],
    ['another end', { outcomes: [{ ...outcome, state: 'blocked' }] }, {}, /that it ended blocked/],
    ['another status', { outcomes: [{ ...outcome, status: 201 }] }, {}, /has another status/],
    ['another number of attempts', { outcomes: [{ ...outcome, attempts: 2 }] }, {}, /it had 2 attempts/],
    ['no attempt', { attempts: [] }, {}, /has 0 attempts/],
    ['another attempt', { attempts: [{ ...attempt, status: 500 }] }, {}, /others than those on record/],
    ['that it was cancelled', { cancels: [requested] }, {}, /that it was cancelled/],
    ['nothing of its cancel', {}, { isCancelRequested: true }, /nothing of its cancel/],
    ['nothing of the cancel that ended it', { outcomes: [endedSo] }, cancelled, /nothing of its cancel/],
    [
      'that a cancel ended it',
      { cancels: [atOnce] },
      { isCancelRequested: true },
      /a cancel ended it, and it is delivered/,
    ],
  ] as const satisfies readonly [string, Partial<RecordedExport> | null, Partial<LedgerJob>, RegExp][]) {
    it(`do not, when the ledger says ${what}`, () => {
      const wrongs = wrongsOf(recorded, job);
      assert.equal(wrongs.length, 1, wrongs.join('\n'));
      assert.match(wrongs[0] ?? '', wrong);
    });
  }

  it('say the same of what the owner took back or had sent once more', () => {
    assert.deepEqual(wrongsOf({ cancels: [atOnce], outcomes: [endedSo] }, cancelled), []);
    assert.deepEqual(wrongsOf({ cancels: [requested, requested] }, { isCancelRequested: true }), []);
    assert.deepEqual(wrongsOf({ taken: [redelivery] }, { redeliveryOf: redelivery.redelivery_of }), []);
  });

  it('may differ by what was erased, and by nothing else', () => {
    assert.deepEqual(wrongsOf(null, {}, true), []);
    assert.deepEqual(wrongsOf({ taken: [], attempts: [] }, {}, true), []);
    assert.equal(wrongsOf({ taken: [accepted, accepted] }, {}, true).length, 1);
    assert.equal(wrongsOf({ attempts: [{ ...attempt, status: 500 }] }, {}, true).length, 1);
  });
});

describe('the entries of a life', () => {
  it('begin with its one start, if it got so far', () => {
    for (const kinds of [
      ['start'],
      ['log', 'key', 'start', 'key', 'accepted'],
      ['key', 'start', 'outcome'],
    ] as const)
      assert.deepEqual(startWrongs(kinds, true), [], kinds.join());
    assert.deepEqual(startWrongs([], false), []);
    assert.deepEqual(startWrongs(['key', null], true), []);
  });

  it('are wrong without a start, with another one, or with something before it', () => {
    for (const [kinds, wasReady, wrong] of [
      [[], true, /no start/],
      [['accepted'], false, /no start/],
      [['start', 'accepted', 'start'], true, /2 starts/],
      [['key', 'attempt', 'start'], true, /attempt before the start/],
    ] as const)
      assert.match(startWrongs(kinds, wasReady).join(), wrong);
  });
});

describe('a store that a service has left', () => {
  /** One export delivered, and another one that waits; and a checkpoint of it all beside the store. */
  function left(): WriterBench & { readonly dataDir: string } {
    const bench = new WriterBench();
    bench.insert(bench.newJob(10), bench.newJob(10));
    for (const job of bench.claim(1)) bench.settle(job, 'thanks');
    const { size, root } = bench.run({ kind: 'ledgerHead', checkpoint: null });
    const dataDir = bench.directory.path;
    const note = new CheckpointSigner(signerOf(FIRST_ORIGIN), null).sign({ size, root });
    writeFileSync(bench.directory.file('ledger.head'), note);
    return Object.assign(bench, { dataDir });
  }

  it('has no flaw, and the store and its ledger say the same', async () => {
    using bench = left();
    assert.deepEqual(await flawsOf(bench.dataDir, bench.path), []);
    const record = readRecord(bench.path);
    const jobs = [...readLedger(bench.path).jobs.values()];
    assert.deepEqual([jobs.length, record.logs], [2, 1]);
    assert.deepEqual(record.kinds, ['log', 'start', 'accepted', 'accepted', 'attempt', 'outcome']);
    assert.deepEqual(
      jobs.flatMap((job) => compareRecord(job, record)),
      [],
    );
  });

  for (const [what, sql, flaw] of [
    [
      'changed',
      `UPDATE ledger_entries SET text = replace(text, '200', '201') WHERE text LIKE '%"outcome"%'`,
      /text of entry 5/,
    ],
    ['taken out', `DELETE FROM ledger_entries WHERE text LIKE '%"attempt"%'`, /Entry 4 is missing/],
    ['cut off', `DELETE FROM ledger_entries WHERE text LIKE '%"outcome"%'`, /ends after 5 entries/],
    ['erased', `UPDATE ledger_entries SET text = NULL WHERE text LIKE '%"attempt"%'`, /a text is gone/],
    ['removed with the log', 'DELETE FROM ledger_entries; DELETE FROM ledger_logs', /There is no log/],
  ] as const) {
    it(`has a flaw when an entry was ${what}`, async () => {
      using bench = left();
      const path = bench.directory.file('tampered.db');
      copyFileSync(bench.path, path);
      copyFileSync(`${bench.path}-wal`, `${path}-wal`);
      {
        using db = new DatabaseSync(path);
        db.exec(sql);
      }
      const flaws = await flawsOf(bench.dataDir, path);
      assert.ok(
        flaws.some((each) => flaw.test(each)),
        flaws.join('\n') || 'none was found',
      );
    });
  }
});
