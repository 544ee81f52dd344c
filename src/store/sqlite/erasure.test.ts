/** Whether what was erased is gone: from the file, its log and whatever else lies beside it. */

import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { Random } from '../../../test/fault/random.ts';
import { STORE_KEYS } from '../../../test/support/store-keys.ts';
import { searchStore } from '../../../test/support/store-search.ts';
import { openTemporaryStore } from '../../../test/support/temporary-store.ts';
import { LANE, NOW, settleWith, WriterBench } from '../../../test/support/writer-bench.ts';
import { UNSEEN } from '../../export/job.ts';
import type { ClaimedJob, NewJob, Settlement } from '../../export/job-store.ts';
import { NO_REPORT } from '../../export/lane-health.ts';
import { Vault } from '../vault/vault.ts';
import { checkStore } from './check.ts';
import type { Operation } from './operations.ts';
import { openPayload } from './payloads.ts';
import { fromUuid, type Row } from './rows.ts';
import { NO_STORE_LIMITS } from './space.ts';

const MIB = 1_024 ** 2;

/** What lies in the store of a payload. */
interface Stored {
  readonly data: Uint8Array;
  readonly wrapped: Uint8Array;
}

class Bench extends WriterBench {
  purge(): boolean {
    return this.run({ kind: 'purge' });
  }

  /** What lies in the store of these jobs; that it is that, the master key shows. */
  stored(jobs: readonly NewJob[]): Stored[] {
    using db = new DatabaseSync(this.path, { readOnly: true });
    const statement = db.prepare(`
      SELECT j.id, j.payload_key, p.data, k.wrapped FROM jobs j JOIN payloads p ON p.job = j.seq
        JOIN payload_keys k ON k.slot = j.payload_key WHERE j.id = ?`);
    return jobs.map((job) => {
      const row = statement.get(fromUuid(job.id)) as Row;
      assert.deepEqual(openPayload(new Vault(STORE_KEYS), row, job.lane)?.length, job.data.length);
      return { data: row.data as Uint8Array, wrapped: row.wrapped as Uint8Array };
    });
  }

  found(stored: readonly Stored[]): { data: Record<string, number>; keys: Record<string, number> } {
    return {
      data: searchStore(
        this.path,
        stored.map(({ data }) => data),
      ),
      keys: searchStore(
        this.path,
        stored.map(({ wrapped }) => wrapped),
      ),
    };
  }
}

const NOTHING = { data: {}, keys: {} };

describe('a finished export', () => {
  for (const [size, bytes] of Object.entries({ small: 100, 'of a page': 16_300, large: MIB })) {
    it(`a ${size} payload and its key are in the log after the end, and nowhere after a purge`, () => {
      using bench = new Bench();
      const job = bench.newJob(bytes);
      bench.insert(job);
      const stored = bench.stored([job]);
      assert.deepEqual(bench.found(stored), { data: { 'exports.db-wal': 1 }, keys: { 'exports.db-wal': 1 } });
      bench.purge();
      assert.deepEqual(bench.found(stored), { data: { 'exports.db': 1 }, keys: { 'exports.db': 1 } });
      for (const claimed of bench.claim(1)) bench.settle(claimed, 'thanks');
      assert.notDeepEqual(bench.found(stored), NOTHING, 'the log and the file hold earlier states');
      assert.equal(bench.purge(), true);
      assert.deepEqual(bench.found(stored), NOTHING);
      assert.equal(statSync(`${bench.path}-wal`).size, 0);
    });
  }

  /** Exports of all sizes come and end in any order; resolves to what had been stored of those that ended. */
  function live(bench: Bench, rounds: number, endShare: number): Stored[] {
    const random = new Random('erasure', rounds);
    const lanes = Array.from({ length: 10 }, (_, n) => ({
      client: '',
      destination: `https://${n}.example/`,
    }));
    const stored = new Map<string, Stored>();
    const ended: Stored[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const jobs = Array.from({ length: 20 }, () =>
        bench.newJob(random.int(50, random.pick([100, 300, 2_000, 9_000, 40_000])), {
          lane: random.pick(lanes),
        }),
      );
      bench.insert(...jobs);
      for (const [index, each] of bench.stored(jobs).entries()) stored.set(jobs[index]?.id ?? '', each);
      const claimed = bench.claimAll(
        Array.from({ length: 20 * endShare }, () => ({ lane: random.pick(lanes), count: random.int(0, 2) })),
      );
      bench.settleAll(claimed);
      ended.push(...claimed.map(({ id }) => stored.get(id) as Stored));
    }
    return ended;
  }

  it('of exports of all sizes that ended in any order nothing is left, and the others can be sent', () => {
    using bench = new Bench();
    const ended = live(bench, 100, 1);
    assert.ok(ended.length > 1_000, String(ended.length));
    assert.equal(bench.purge(), true);
    assert.deepEqual(bench.found(ended), NOTHING);
    const left = bench.number('SELECT count(*) FROM jobs WHERE finished_at IS NULL');
    const sent = Array.from({ length: 10 }, (_, n) =>
      bench.claim(1_000, { client: '', destination: `https://${n}.example/` }),
    );
    assert.equal(sent.flat().length, left);
    assert.ok(sent.flat().every(({ data }) => Buffer.from(data).every((byte) => byte === 0x78)));
    assert.deepEqual(checkStore(bench.path, () => STORE_KEYS).problems, []);
  });

  it('with many others waiting, no key is left of those that ended', () => {
    using bench = new Bench();
    const ended = live(bench, 120, 0.5);
    assert.ok(ended.length > 1_000, String(ended.length));
    assert.ok(bench.number('SELECT count(*) FROM payloads') > 1_000, 'too many to be written anew');
    assert.equal(bench.purge(), true);
    assert.deepEqual(bench.found(ended).keys, {});
  });

  it('when all have ended, the room of their keys is given up', () => {
    using bench = new Bench();
    bench.insert(...Array.from({ length: 1_000 }, () => bench.newJob(10)));
    bench.settleAll(bench.claim(1_000));
    assert.equal(bench.number('SELECT count(*) FROM payload_keys'), 1_000);
    bench.purge();
    assert.equal(bench.number('SELECT count(*) FROM payload_keys'), 0);
    bench.insert(bench.newJob(10));
    assert.equal(bench.claim(1)[0]?.data.length, 10);
  });

  it('a payload that stays is there after a purge, and nowhere once it was erased and purged', () => {
    using bench = new Bench(NO_STORE_LIMITS, { keepsPayloads: true });
    const job = bench.newJob(2_000);
    bench.insert(job);
    const stored = bench.stored([job]);
    for (const claimed of bench.claim(1)) bench.settle(claimed);
    bench.purge();
    assert.deepEqual(bench.found(stored), { data: { 'exports.db': 1 }, keys: { 'exports.db': 1 } });
    bench.run({ kind: 'erasePayloads', finishedBefore: NOW + 1, limit: 10 });
    bench.purge();
    assert.deepEqual(bench.found(stored), NOTHING);
  });
});

describe('what is in the store', () => {
  it('neither payloads nor what destinations said can be read in any of its files', () => {
    using bench = new Bench();
    const jobs = [bench.newJob(3_000), bench.newJob(3_000), bench.newJob(3_000)];
    bench.insert(...jobs);
    const [one, two] = bench.claim(2) as [ClaimedJob, ClaimedJob];
    const said = [
      'the answer of the destination, word for word',
      'an error with bytes of a destination in it',
    ];
    bench.settle(one, said[0]);
    bench.run(failWith(two, said[1] as string));
    const clear = [Buffer.alloc(3_000, 'x'), ...said.map((text) => Buffer.from(text))];
    assert.deepEqual(searchStore(bench.path, clear), {});
    bench.purge();
    assert.deepEqual(searchStore(bench.path, clear), {});
    assert.equal(bench.number("SELECT count(*) FROM attempts WHERE error_detail LIKE 'sealed:%'"), 1);
  });

  it('data that was changed, or given to another export or destination, is not sent: the export ends', () => {
    for (const sql of [
      "UPDATE payloads SET data = CAST(substr(data, 1, 5) || x'00' || substr(data, 7) AS BLOB) WHERE job = 1",
      'UPDATE payload_keys SET wrapped = (SELECT wrapped FROM payload_keys WHERE slot = 2) WHERE slot = 1',
      "UPDATE lanes SET destination = 'https://thief.example/'",
    ]) {
      using bench = new Bench();
      bench.insert(bench.newJob(10), bench.newJob(10));
      {
        using db = new DatabaseSync(bench.path);
        db.exec(sql);
      }
      bench.reopen();
      const destination = bench.text('SELECT destination FROM lanes');
      const sent = [...bench.claim(1, { ...LANE, destination }), ...bench.claim(1, { ...LANE, destination })];
      assert.deepEqual(
        sent.map(({ id }) => id.at(-1)),
        sql.includes('thief') ? [] : ['2'],
        sql,
      );
      assert.equal(bench.text('SELECT result_code FROM jobs WHERE seq = 1'), 'expired');
    }
  });
});

describe('a purge', () => {
  it('is in the way of nobody who reads: it says that it is not done, and is done when they have ended', () => {
    using bench = new Bench();
    const job = bench.newJob(2_000);
    bench.insert(job);
    const stored = bench.stored([job]);
    using reader = new DatabaseSync(bench.path, { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM jobs').get();
    for (const claimed of bench.claim(1)) bench.settle(claimed);
    assert.equal(bench.purge(), false);
    assert.equal(reader.prepare('SELECT count(*) AS n FROM payloads').get()?.n, 1, 'he sees what he saw');
    assert.notDeepEqual(bench.found(stored), NOTHING);
    reader.exec('COMMIT');
    assert.equal(bench.purge(), true);
    assert.deepEqual(bench.found(stored), NOTHING);
  });

  it('is not kept off by readers that come and go', async () => {
    await using temporary = await openTemporaryStore();
    const { store } = temporary;
    let isDone = false;
    const reading = (async () => {
      while (!isDone) {
        await store.get(['01a20c90-f17f-75f7-955c-98f8321f0c24']);
        await new Promise(setImmediate);
      }
    })();
    let tries = 1;
    while (!(await store.purge())) tries += 1;
    isDone = true;
    await reading;
    assert.ok(tries <= 20, `${tries} tries`);
  });

  it('that fails at its commit is done again', (context) => {
    using bench = new Bench();
    bench.insert(bench.newJob(10));
    bench.settleAll(bench.claim(1));
    const { exec } = DatabaseSync.prototype;
    const mock = context.mock.method(
      DatabaseSync.prototype,
      'exec',
      function (this: DatabaseSync, sql: string) {
        if (sql === 'COMMIT') throw new Error('The disk is full.');
        exec.call(this, sql);
      },
    );
    assert.throws(() => bench.purge(), /The disk is full/);
    mock.mock.restore();
    assert.equal(bench.number('SELECT count(*) FROM payload_keys'), 1);
    bench.purge();
    assert.equal(bench.number('SELECT count(*) FROM payload_keys'), 0);
  });

  it('that fails leaves everything as it was', () => {
    using bench = new Bench();
    bench.insert(bench.newJob(2_000), bench.newJob(2_000));
    for (const claimed of bench.claim(1)) bench.settle(claimed);
    using other = new DatabaseSync(bench.path);
    other.exec('BEGIN IMMEDIATE');
    assert.throws(() => bench.purge(), /locked/);
    other.exec('ROLLBACK');
    assert.equal(bench.purge(), true);
    assert.equal(bench.claim(1)[0]?.data.length, 2_000);
    assert.equal(existsSync(`${bench.path}-wal`), true);
  });
});

describe('the texts of old entries of the ledger', () => {
  it('give their room back when they are erased: what comes then makes the file no larger', () => {
    using bench = new Bench();
    const pages = (): number => bench.number("SELECT sum(pgsize) FROM dbstat WHERE name = 'ledger_entries'");
    const fill = (): unknown => bench.insert(...Array.from({ length: 2_000 }, () => bench.newJob(1)));
    fill();
    const before = pages();
    const hashes = bench.number('SELECT count(*) FROM ledger_entries');
    const erase = {
      kind: 'eraseLedger',
      before: Date.UTC(2027, 0),
      now: Date.UTC(2027, 0),
      limit: 700,
    } as const;
    while (bench.run(erase));
    assert.ok(bench.number('SELECT count(*) FROM ledger_entries') > hashes);
    assert.ok(pages() < before / 4, `${before} → ${pages()}`);
    const free = bench.number('SELECT freelist_count FROM pragma_freelist_count');
    fill();
    assert.ok(bench.number('SELECT freelist_count FROM pragma_freelist_count') < free);
  });
});

function failWith(job: ClaimedJob, detail: string): Extract<Operation, { kind: 'settle' }> {
  const operation = settleWith(job, '');
  const failure = { code: 'malformed_response', detail } as const;
  const attempt = { number: 1, startedAt: NOW, endedAt: NOW, ...UNSEEN, status: null, error: failure };
  const settlement: Settlement = {
    ...of(operation.settlement),
    kind: 'waiting',
    nextAttemptAt: NOW + 5,
    returnsWithLane: false,
    lastError: failure,
    result: { kind: 'failure', failure },
    laneReport: NO_REPORT,
    attempt,
  };
  return { ...operation, settlement };
}

function of({ id, lane, lease }: Settlement): Pick<Settlement, 'id' | 'lane' | 'lease'> {
  return { id, lane, lease };
}
