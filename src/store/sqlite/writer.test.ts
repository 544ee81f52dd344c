import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from '../../../test/support/temporary-store.ts';
import { LIMITS, NOW, settleWith, WriterBench } from '../../../test/support/writer-bench.ts';
import { checkStore } from './check.ts';
import { BUDGET_USE_KEPT_MS, SqliteWriter } from './writer.ts';

describe('SqliteWriter', () => {
  it('a job whose data a damaged store has lost ends, and those behind it leave', () => {
    using bench = new WriterBench();
    const [lost, next] = [bench.newJob(10), bench.newJob(10)];
    bench.insert(lost, next);
    change(bench.path, 'DELETE FROM payloads WHERE job = 1');
    assert.deepEqual(bench.claim(1), []);
    assert.deepEqual(
      bench.claim(1).map(({ id }) => id),
      [next.id],
    );
    assert.equal(bench.number("SELECT count(*) FROM jobs WHERE result_code = 'expired'"), 1);
    assert.deepEqual(checkStore(bench.path).problems, []);
  });

  it('a payload goes with the end of its job, and every trace of the job once its time is over', () => {
    using bench = new WriterBench();
    bench.insert(bench.newJob(10, { key: 'k' }), bench.newJob(10));
    const rows = (...tables: string[]): number[] =>
      tables.map((table) => bench.number(`SELECT count(*) FROM ${table}`));
    for (const job of bench.claim(2)) bench.settle(job, 'thanks');
    assert.deepEqual(
      rows('payloads', 'jobs', 'answers', 'attempts', 'idempotency_keys', 'lanes'),
      [0, 2, 2, 2, 1, 1],
    );
    bench.deleteFinished();
    assert.deepEqual(rows('jobs', 'answers', 'attempts', 'idempotency_keys', 'lanes'), [2, 0, 2, 0, 1]);
    assert.deepEqual(checkStore(bench.path).problems, []);
    assert.equal(bench.run({ kind: 'deleteHistory', finishedBefore: NOW + 100, limit: 10 }), 2);
    assert.deepEqual(rows('jobs', 'answers', 'attempts', 'idempotency_keys', 'lanes'), [0, 0, 0, 0, 0]);
  });

  it('erases so much in a transaction, and leaves what else was asked for to the next', () => {
    using bench = new WriterBench();
    bench.insert(...Array.from({ length: 12 }, () => bench.newJob(1_024 ** 2)));
    const settles = bench.claim(12).map((job) => settleWith(job, 'thanks'));
    const { results, changed } = bench.writer.run(settles);
    assert.ok(results.length >= 8 && results.length < 12, `${results.length} of 12`);
    assert.equal(changed.length, results.length);
    assert.equal(bench.number('SELECT count(*) FROM payloads'), 12 - results.length);
    const rest = bench.writer.run(settles.slice(results.length));
    assert.deepEqual(
      rest.results.map((result) => (result as { settled: boolean }).settled),
      Array(rest.results.length).fill(true),
    );
    assert.equal(bench.number('SELECT count(*) FROM payloads'), 0);
  });

  it('what was used of a budget is kept for days that have really passed since, and no longer', () => {
    using bench = new WriterBench();
    const what = { app: null, destination: null, note: null } as const;
    const budget = { ...what, kind: 'budget', limit: 9, unit: 'exports', per: 'hour' } as const;
    bench.run({
      kind: 'addRule',
      rule: { ...budget, id: '019ab3f2-7c00-7000-8000-000000000001', createdAt: NOW },
      by: null,
    });
    bench.insert(bench.newJob(10));
    const usedAfter = (passedMs: number, wall: number): number => {
      bench.run({ kind: 'expire', now: { wall, steady: NOW + passedMs }, limit: 10 });
      return bench.number('SELECT count(*) FROM budget_use');
    };
    assert.equal(usedAfter(BUDGET_USE_KEPT_MS, NOW + 2 * BUDGET_USE_KEPT_MS), 1, 'the clock is set');
    assert.equal(usedAfter(BUDGET_USE_KEPT_MS + 1, NOW), 0);
  });

  it('takes nothing in, and gives nothing out, before it knows the keys', () => {
    using directory = new TemporaryDirectory();
    const writer = new SqliteWriter(directory.file('exports.db'));
    const secret = { kind: 'putSecret', name: 'a', value: Buffer.from('1'), record: null } as const;
    assert.deepEqual(
      writer.run([secret]).results,
      [Buffer.from('1')].map((bytes) => Uint8Array.from(bytes)),
    );
    using bench = new WriterBench();
    assert.throws(() => writer.run([{ kind: 'insert', jobs: [bench.newJob(1)], limits: LIMITS }]), /locked/);
    writer.close();
  });
});

function change(path: string, sql: string): void {
  using db = new DatabaseSync(path);
  db.exec(sql);
}
