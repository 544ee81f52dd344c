import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { NOT_KEPT } from '../../../test/support/store-keys.ts';
import { openStore, TemporaryDirectory } from '../../../test/support/temporary-store.ts';
import { LANE, LIMITS, NOW, settleWith, WriterBench } from '../../../test/support/writer-bench.ts';
import type { ClaimedJob } from '../../export/job-store.ts';
import { finish, newJob } from '../job-store.contract.ts';
import { checkStore } from './check.ts';
import { DiskReserve } from './disk-reserve.ts';
import { LOG_BYTES } from './schema.ts';
import { RESERVE_BYTES, type StoreLimits } from './space.ts';

const MIB = 1_024 ** 2;
/** Of which new jobs have 4 MiB. */
const SMALL: StoreLimits = { bytesMax: RESERVE_BYTES + 4 * MIB, reservesDisk: false };
/** SQLite's code for a full disk, and for a reached ceiling. */
const FULL = { errcode: 13 };

class Bench extends WriterBench {
  /** Inserts until the store is full; the number of jobs that it took. */
  fill(bytes: number): number {
    for (let count = 0; ; count += 1) {
      const result = this.insert(this.newJob(bytes));
      if (result.kind === 'inserted') continue;
      assert.deepEqual(result, { kind: 'refused', reason: 'store_full', index: 0 });
      return count;
    }
  }
}

describe('the ceiling of a store', () => {
  it('refuses new jobs when only the reserve is left; what was accepted can still be sent and settled', () => {
    using bench = new Bench(SMALL);
    const accepted = bench.fill(MIB / 4);
    assert.ok(accepted >= 10 && accepted <= 16, `4 MiB take ${accepted} times 256 KiB`);
    assert.ok(bench.number('PRAGMA page_count') * 16_384 <= 4 * MIB);
    for (let n = 0; n < accepted; n += 1) {
      const [job] = bench.claim(1);
      assert.ok(job && bench.settle(job, 'thanks'));
    }
  });

  it('takes new jobs again when room has become free, without growing', () => {
    using bench = new Bench(SMALL);
    const accepted = bench.fill(MIB / 4);
    const pages = bench.pagesBesideLedger();
    for (const job of bench.claim(accepted)) bench.settle(job);
    assert.equal(bench.fill(MIB / 4), accepted);
    assert.equal(bench.pagesBesideLedger(), pages);
  });

  it('takes all jobs of a batch or none', () => {
    using bench = new Bench(SMALL);
    const small = Array.from({ length: 20 }, () => bench.newJob(MIB / 4));
    assert.equal(bench.insert(...small).kind, 'refused');
    assert.equal(bench.number('SELECT count(*) FROM jobs'), 0);
    assert.equal(bench.insert(...small.slice(0, 10)).kind, 'inserted');
  });

  it('names the first new job of a batch, and still answers repeats', () => {
    using bench = new Bench(SMALL);
    const first = bench.newJob(10, { key: 'k' });
    bench.insert(first);
    bench.fill(MIB / 4);
    const repeat = bench.newJob(10, { key: 'k' });
    assert.deepEqual(bench.insert(repeat, bench.newJob(MIB / 4)), {
      kind: 'refused',
      reason: 'store_full',
      index: 1,
    });
    const answered = bench.insert(repeat);
    assert.equal(answered.kind === 'inserted' && answered.jobs[0]?.job.id, first.id);
  });

  it('is hard for everything else: what goes beyond it fails whole, and is possible again when room is free', () => {
    using bench = new Bench(SMALL);
    bench.insert(bench.newJob(10), bench.newJob(10), bench.newJob(10));
    const [one, two, three] = bench.claim(3) as [ClaimedJob, ClaimedJob, ClaimedJob];
    assert.ok(bench.settle(one, 'x'.repeat(15 * MIB)), 'the reserve is there for it');
    assert.throws(() => bench.settle(two, 'x'.repeat(15 * MIB)), FULL);
    assert.ok(bench.settle(three, 'small'), 'nothing is stuck');
    bench.forgetFinished();
    assert.ok(bench.settle(two, 'x'.repeat(15 * MIB)));
  });

  it('that a batch would go beyond costs its new jobs only: what else is in it happens', () => {
    using bench = new Bench(SMALL);
    bench.insert(bench.newJob(10));
    const [job] = bench.claim(1) as [ClaimedJob];
    const added = bench.newJob(3 * MIB);
    const { results, changed } = bench.writer.run([
      { kind: 'insert', jobs: [added], limits: LIMITS },
      settleWith(job, 'x'.repeat(17 * MIB)),
    ]);
    assert.deepEqual(results[0], { kind: 'refused', reason: 'store_full', index: 0 });
    assert.equal((results[1] as { settled: boolean }).settled, true);
    assert.deepEqual(changed, [job.id]);
    assert.deepEqual(checkStore(bench.path).problems, []);
  });

  it('that is reached gives up no reserve on the disk: there is room on it', () => {
    using bench = new Bench({ ...SMALL, reservesDisk: true });
    bench.insert(bench.newJob(10), bench.newJob(10));
    const [one, two] = bench.claim(2) as [ClaimedJob, ClaimedJob];
    bench.settle(one, 'x'.repeat(15 * MIB));
    assert.throws(() => bench.settle(two, 'x'.repeat(15 * MIB)), FULL);
    assert.ok(existsSync(`${bench.path}.reserve`));
  });

  it('fails only what goes beyond it, and not what shares its commit, above all not what makes room', async () => {
    using directory = new TemporaryDirectory();
    await using store = await openStore(directory.file('exports.db'), NOT_KEPT, SMALL);
    const none = { count: 0, now: LIMITS.now, leaseExpiresAt: NOW };
    const jobs = [1, 2, 3, 4].map((n) => newJob({ id: `00000000-0000-7000-8000-00000000000${n}` }));
    await store.insert(jobs, LIMITS);
    const { jobs: claimed } = await store.claim(jobs[0]?.lane ?? LANE, { ...none, count: 4 });
    const settle = (index: number, bytes: number) => {
      const answer = { status: 200, body: 'x'.repeat(bytes), truncated: false };
      return store.settle({ ...finish(claimed[index]), result: { kind: 'answer', answer } }, none);
    };
    await settle(0, 15 * MIB);
    const settled = await Promise.allSettled([
      settle(1, 10),
      settle(2, 15 * MIB),
      store.deleteExpired(NOW + 1, NOW, 1),
      settle(3, 15 * MIB),
    ]);
    assert.deepEqual(
      settled.map((each) => (each.status === 'fulfilled' ? 'done' : each.reason.code)),
      ['done', 'store_full', 'done', 'done'],
    );
  });

  it('that is lowered below what the store holds keeps everything and takes nothing new', () => {
    using bench = new Bench();
    bench.insert(...Array.from({ length: 40 }, () => bench.newJob(MIB)));
    bench.reopen(SMALL);
    assert.deepEqual(bench.insert(bench.newJob(1)), { kind: 'refused', reason: 'store_full', index: 0 });
    const jobs = bench.claim(40);
    assert.equal(jobs.filter((job) => bench.settle(job)).length, 40);
    assert.equal(bench.insert(bench.newJob(1)).kind, 'inserted', 'what they took up is free');
  });
});

describe('the file of a store', () => {
  it('that has processed many times what it holds is as large as after the first time', () => {
    using bench = new Bench();
    const round = (): number => {
      bench.insert(...Array.from({ length: 100 }, () => bench.newJob(20_000)));
      for (const job of bench.claim(100)) bench.settle(job, 'a'.repeat(2_000));
      assert.equal(bench.forgetFinished(), 100);
      return bench.pagesBesideLedger();
    };
    round();
    const pages = round();
    const later = Array.from({ length: 10 }, round);
    assert.ok(Math.max(...later) <= pages * 1.05, `${pages} pages became ${Math.max(...later)}`);
  });

  it('has a log that is cut to its usual size after a large batch', () => {
    using bench = new Bench();
    const logBytes = () => statSync(`${bench.path}-wal`).size;
    bench.insert(...Array.from({ length: 40 }, () => bench.newJob(MIB)));
    assert.ok(logBytes() > 40 * MIB);
    bench.insert(bench.newJob(1));
    assert.ok(logBytes() <= LOG_BYTES, `${logBytes()} bytes`);
  });
});

describe('lanes', () => {
  const lanes = (bench: Bench): number => bench.number('SELECT count(*) FROM lanes');

  it('are not made by an insert that is refused, nor by a claim', () => {
    using bench = new Bench();
    const jobs = [bench.newJob(1), bench.newJob(1)];
    bench.run({ kind: 'insert', jobs, limits: { ...LIMITS, pendingMax: 1 } });
    assert.deepEqual(bench.claim(1), []);
    assert.equal(lanes(bench), 0);
  });

  it('go with the last job that was theirs', () => {
    using bench = new Bench();
    for (let n = 0; n < 3; n += 1) {
      const lane = { client: `app ${n}`, destination: LANE.destination };
      bench.insert(bench.newJob(1, { lane }), bench.newJob(1, { lane }));
      const [first] = bench.claim(1, lane);
      assert.ok(first && bench.settle(first));
    }
    assert.equal(bench.forgetFinished(), 3);
    assert.equal(lanes(bench), 3, 'each has another job');
    for (let n = 0; n < 3; n += 1) {
      for (const job of bench.claim(1, { client: `app ${n}`, destination: LANE.destination }))
        bench.settle(job);
    }
    bench.forgetFinished();
    assert.equal(lanes(bench), 0);
    assert.deepEqual(checkStore(bench.path).problems, []);
  });

  it('stay for an idempotency key, and take new jobs after they were gone', () => {
    using bench = new Bench();
    const finish = (key: string): void => {
      bench.insert(bench.newJob(1, { key }));
      for (const job of bench.claim(1)) assert.ok(bench.settle(job));
    };
    finish('k');
    bench.run({ kind: 'deleteExpired', finishedBefore: NOW + 100, now: NOW, limit: 10 });
    assert.equal(lanes(bench), 1);
    bench.forgetFinished();
    assert.equal(lanes(bench), 0);
    finish('k');
    assert.equal(lanes(bench), 1);
    assert.deepEqual(checkStore(bench.path).problems, []);
  });
});

describe('DiskReserve', () => {
  it('is a file that only its owner can read, found again by the next process, and gone when given up', () => {
    using directory = new TemporaryDirectory();
    const path = directory.file('exports.db');
    const reserve = new DiskReserve(path, 3 * MIB);
    assert.equal(reserve.isHeld, false);
    assert.ok(reserve.hold());
    const { size, mode, blocks } = statSync(`${path}.reserve`);
    assert.deepEqual([size, mode & 0o777], [3 * MIB, 0o600]);
    assert.ok(blocks * 512 >= 3 * MIB || blocks === 0, 'it takes up its room');
    assert.equal(new DiskReserve(path, 3 * MIB).isHeld, true);
    assert.equal(new DiskReserve(path, 4 * MIB).isHeld, false, 'a part of one is none');
    reserve.giveUp();
    reserve.giveUp();
    assert.equal(statSync(`${path}.reserve`, { throwIfNoEntry: false }), undefined);
  });

  it('that cannot be made leaves nothing behind', () => {
    const reserve = new DiskReserve('/nowhere/exports.db', MIB);
    assert.equal(reserve.hold(), false);
    assert.equal(reserve.isHeld, false);
  });
});
