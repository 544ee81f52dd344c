/** What the owner's lists find, whatever there is, and while it moves. */
import assert from 'node:assert/strict';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { describe, it, mock } from 'node:test';
import { STORE_KEYS } from '../../../test/support/store-keys.ts';
import { WriterBench } from '../../../test/support/writer-bench.ts';
import type { ExportQuery, Phase } from '../../export/owner-store.ts';
import { OwnerReader } from './owner-reader.ts';
import { STATE, toUuid } from './rows.ts';

const LANES = [
  { client: 'app', destination: 'https://a.example/in' },
  { client: 'app', destination: 'https://b.example/in' },
  { client: 'other', destination: 'https://a.example/in' },
];
const EVERYTHING: ExportQuery = { app: null, destination: null, phase: null, before: null, limit: 500 };
const ENDED = 'finished_at = 1, kept_since = 1';
const GOES_ON = 'finished_at = NULL, kept_since = NULL';
/** Every way in which an export can be, as its columns say it, and the phase that its owner sees. */
const WAYS: readonly [columns: string, phase: Phase][] = [
  [`state = ${STATE.queued}, attempts = 0, ${GOES_ON}`, 'pending'],
  [`state = ${STATE.queued}, attempts = 2, ${GOES_ON}`, 'processing'],
  [`state = ${STATE.sending}, attempts = 1, ${GOES_ON}`, 'processing'],
  [`state = ${STATE.waiting}, attempts = 1, ${GOES_ON}`, 'processing'],
  [`state = ${STATE.delivered}, attempts = 1, result_status = 200, ${ENDED}`, 'finished'],
  [
    `state = ${STATE.cancelled}, attempts = 0, result_code = 'cancelled', result_detail = '', ${ENDED}`,
    'finished',
  ],
];

class Bench extends WriterBench {
  readonly db = new DatabaseSync(this.path);

  fill(count: number): void {
    for (let n = 0; n < count; n += 1)
      this.insert(this.newJob(1, { lane: LANES[n % 3] as (typeof LANES)[0] }));
  }

  /** By hand, which spares the lives of all these exports. */
  set(columns: string, where: string): void {
    this.db.exec(`UPDATE jobs SET ${columns} WHERE ${where}`);
  }

  override [Symbol.dispose](): void {
    this.db.close();
    super[Symbol.dispose]();
  }
}

function pages(reader: OwnerReader, query: ExportQuery): string[] {
  const ids: string[] = [];
  for (let before: string | null = null; ; ) {
    const { items, next } = reader.list({ ...query, before });
    assert.ok(items.length <= query.limit);
    ids.push(...items.map(({ job }) => job.id));
    if (next === null) return ids;
    before = next;
  }
}

describe('OwnerReader', () => {
  it('finds in every phase, of every app and destination, page by page, what there is', () => {
    using bench = new Bench();
    const count = LANES.length * WAYS.length * 4;
    bench.fill(count);
    // 5 shares no factor with 6, and the lanes go round by 3: every lane has exports in every way.
    const wayOf = (seq: number) => WAYS[Math.floor(seq / 3) % WAYS.length] as (typeof WAYS)[0];
    for (let seq = 1; seq <= count; seq += 1) bench.set(wayOf(seq)[0], `seq = ${seq}`);
    using reader = new OwnerReader(bench.path, STORE_KEYS);
    for (const phase of [null, 'pending', 'processing', 'finished'] as const) {
      for (const app of [null, 'app', 'nobody']) {
        for (const destination of [null, 'https://a.example/in', 'https://b.example']) {
          const expected = bench.db
            .prepare(
              'SELECT j.seq, j.id, l.client, l.destination FROM jobs j JOIN lanes l ON l.id = j.lane ORDER BY j.seq DESC',
            )
            .all()
            .filter(({ seq }) => phase === null || wayOf(Number(seq))[1] === phase)
            .filter(({ client }) => app === null || client === app)
            .filter((row) => destination === null || String(row.destination).startsWith(destination));
          const ids = pages(reader, { ...EVERYTHING, phase, app, destination, limit: 5 });
          assert.deepEqual(
            ids,
            expected.map(({ id }) => toUuid(id as Uint8Array)),
            `${phase} ${app} ${destination}`,
          );
        }
      }
    }
  });

  it('finds what has ended behind ten thousands that have not', () => {
    using bench = new Bench();
    bench.fill(3);
    bench.set(WAYS[4]?.[0] ?? '', 'TRUE');
    bench.insert(...Array.from({ length: 10_000 }, () => bench.newJob(1)));
    using reader = new OwnerReader(bench.path, STORE_KEYS);
    const { items, next } = reader.list({ ...EVERYTHING, phase: 'finished', limit: 2 });
    assert.deepEqual([items.map(({ job }) => job.state), next !== null], [['delivered', 'delivered'], true]);
    assert.equal(reader.list({ ...EVERYTHING, phase: 'finished', before: next }).items.length, 1);
  });

  it('shows one moment, though exports move on between what it reads', () => {
    using bench = new Bench();
    bench.fill(1);
    using reader = new OwnerReader(bench.path, STORE_KEYS);
    let moves = 0;
    /** Before anything is read: the export moves on, there and back. */
    const move = (): void => {
      moves += 1;
      const isBack = moves % 2 === 0;
      bench.set(WAYS[isBack ? 0 : 3]?.[0] ?? '', 'TRUE');
      bench.db.exec(
        isBack
          ? 'DELETE FROM attempts'
          : 'INSERT INTO attempts (job, number, started_at, ended_at) VALUES (1, 1, 0, 0)',
      );
    };
    const { all, get } = StatementSync.prototype;
    const mocks = Object.entries({ all, get }).map(([name, read]) =>
      mock.method(StatementSync.prototype, name as 'all', function (this: StatementSync, ...values: never[]) {
        move();
        return Reflect.apply(read, this, values);
      }),
    );
    try {
      for (const query of [{}, { app: 'app' }, { phase: 'pending' }, { phase: 'processing' }] as const) {
        const { items } = reader.list({ ...EVERYTHING, ...query });
        assert.ok('phase' in query ? items.length <= 1 : items.length === 1, JSON.stringify(query));
        for (const { job, attempts } of items) assert.equal(job.attempts, attempts.length);
      }
      const found = reader.find('00000000-0000-7000-8000-000000000001');
      assert.equal(found?.job.attempts, found?.attempts.length);
    } finally {
      for (const each of mocks) each.mock.restore();
    }
    assert.ok(moves > 10);
  });
});
