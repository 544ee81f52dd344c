import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WriterBench } from '../../../test/support/writer-bench.ts';

/** The keys of a store: how many slots there are, and how many of them are in use. */
function slotsOf(bench: WriterBench): { all: number; used: number } {
  const all = bench.number('SELECT count(*) FROM payload_keys');
  return { all, used: bench.number('SELECT count(*) FROM payload_keys WHERE wrapped <> zeroblob(73)') };
}

function insert(bench: WriterBench, count: number): void {
  bench.insert(...Array.from({ length: count }, () => bench.newJob(10)));
}

function end(bench: WriterBench, count: number): void {
  bench.settleAll(bench.claim(count));
}

describe('slots of keys', () => {
  it('are used again, and no more are made than exports wait at once', () => {
    using bench = new WriterBench();
    for (let round = 0; round < 5; round += 1) {
      insert(bench, 30);
      assert.deepEqual(slotsOf(bench), { all: 30, used: 30 });
      end(bench, 30);
      assert.deepEqual(slotsOf(bench), { all: 30, used: 0 });
    }
  });

  it('are found again after the store is opened again, however many there are', () => {
    using bench = new WriterBench();
    insert(bench, 2_500);
    end(bench, 2_400);
    bench.reopen();
    insert(bench, 2_400);
    assert.deepEqual(slotsOf(bench), { all: 2_500, used: 2_500 });
    assert.equal(bench.number('SELECT count(DISTINCT payload_key) FROM jobs'), 2_500);
  });

  it('of a transaction that was taken back are neither taken nor free', () => {
    using bench = new WriterBench();
    insert(bench, 10);
    end(bench, 5);
    const twice = bench.newJob(10);
    assert.throws(() => bench.insert(bench.newJob(10), bench.newJob(10), twice, twice));
    assert.deepEqual(slotsOf(bench), { all: 10, used: 5 });
    insert(bench, 7);
    assert.deepEqual(slotsOf(bench), { all: 12, used: 12 });
    const claimed = bench.claim(20);
    assert.equal(claimed.length, 12);
    assert.ok(claimed.every(({ data }) => data.length === 10));
  });
});
