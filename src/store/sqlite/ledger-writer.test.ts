/** Method: the writer on a real file, and transactions that fail: at COMMIT, or at a step that shares them. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { entriesIn } from '../../../test/support/ledger/entries.ts';
import { LANE, LIMITS, NOW, WriterBench } from '../../../test/support/writer-bench.ts';
import type { Rule } from '../../export/rules.ts';
import { LedgerVerifier } from '../../ledger/ledger-verifier.ts';
import { LedgerReader } from './ledger-reader.ts';
import type { Operation } from './operations.ts';

const MINUTE = 60_000;
const RULE_ID = '00000000-0000-7000-8000-00000000000a';

/** Everything is written but the COMMIT, which fails as that of a full disk does. */
function failingCommits(): Disposable {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    if (sql === 'COMMIT') throw Object.assign(new Error('the disk is gone'), { errcode: 1 });
    exec.call(this, sql);
  };
  return {
    [Symbol.dispose]() {
      DatabaseSync.prototype.exec = exec;
    },
  };
}

/** One to the lane that is blocked, so many milliseconds after the first minute began. */
function refusedInsert(bench: WriterBench, ms = 0): Operation {
  const wall = NOW - (NOW % MINUTE) + ms;
  const limits = { ...LIMITS, now: { wall, steady: wall } };
  return { kind: 'insert', jobs: [bench.newJob(10)], limits };
}

/** A step that fails, and with it the transaction. */
function failing(bench: WriterBench): Operation {
  const job = bench.newJob(10, { lane: { ...LANE, destination: 'https://b.example/in' } });
  return { kind: 'insert', jobs: [job, job], limits: LIMITS };
}

/** A bench whose owner has blocked {@link LANE}. */
function blockedBench(): WriterBench {
  const bench = new WriterBench();
  const { destination } = LANE;
  const rule: Rule = { id: RULE_ID, kind: 'block', app: null, destination, note: null, createdAt: NOW };
  bench.run({ kind: 'addRule', rule, by: null });
  return bench;
}

/** How often each minute of the ledger's refusals was refused, recorded by so many milliseconds after the first began. */
function refusals(bench: WriterBench, ms: number): number[] {
  bench.run({ kind: 'recordRefusals', now: NOW - (NOW % MINUTE) + ms, isLast: false });
  return entriesIn(bench.path).flatMap((entry) => (entry.kind === 'refused' ? [entry.count] : []));
}

describe('a transaction that is rolled back', () => {
  it('at its COMMIT leaves the head where it was, and the log goes on from there', () => {
    using bench = new WriterBench();
    bench.insert(bench.newJob(10));
    const head = () => bench.run({ kind: 'ledgerHead', checkpoint: null });
    const before = head();
    {
      using _ = failingCommits();
      assert.throws(() => bench.insert(...Array.from({ length: 20 }, () => bench.newJob(10))), /is gone/);
    }
    assert.deepEqual(head(), before, 'what is not durable must not be signed');
    bench.insert(bench.newJob(10));
    const after = head();
    assert.equal(after.size, before.size + 1);

    using db = new DatabaseSync(bench.path, { readOnly: true });
    const verifier = new LedgerVerifier({
      heads: [before, after].map((each) => ({ ...each, where: 'here' })),
    });
    for (const entry of new LedgerReader(db).each(1)) verifier.add(entry);
    const { flaw, covered } = verifier.finish();
    assert.deepEqual([flaw, covered], [null, after.size]);
  });

  it('counts no refusal of its own: its steps are tried again one by one', () => {
    using bench = blockedBench();
    const refused = refusedInsert(bench);
    assert.throws(() => bench.writer.run([refused, failing(bench)]), /UNIQUE/);
    bench.run(refused);
    assert.deepEqual(refusals(bench, MINUTE), [1]);
  });

  it('leaves refusals of a minute that is over to be recorded by the next, once', () => {
    using bench = blockedBench();
    bench.run(refusedInsert(bench));
    bench.run(refusedInsert(bench));
    bench.run(refusedInsert(bench, MINUTE));
    assert.throws(
      () => bench.writer.run([refusedInsert(bench, MINUTE), failing(bench)]),
      /UNIQUE/,
      'it would have recorded them',
    );
    const record: Operation = { kind: 'recordRefusals', now: NOW + 2 * MINUTE, isLast: false };
    assert.throws(() => bench.writer.run([record, failing(bench)]), /UNIQUE/, 'and this one both minutes');
    assert.deepEqual(refusals(bench, 2 * MINUTE), [2, 1]);
    assert.deepEqual(refusals(bench, 3 * MINUTE), [2, 1]);
  });
});
