import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { openStore } from '../../../test/support/temporary-store.ts';
import { UNSEEN } from '../../export/job.ts';
import type { NewJob, PayloadRetention } from '../../export/job-store.ts';
import { NO_REPORT } from '../../export/lane-health.ts';
import { describeJobStore, type StoreUnderTest } from '../job-store.contract.ts';
import { describeLedgerStore } from '../ledger-store.contract.ts';
import { describeOwnerStore } from '../owner-store.contract.ts';
import { openForWriting, SCHEMA_VERSION } from './schema.ts';
import { SqliteJobStore } from './sqlite-job-store.ts';

function temporaryDirectory(): Disposable & { file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'export-store-'));
  return {
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

async function open(retention: PayloadRetention): Promise<StoreUnderTest> {
  const directory = temporaryDirectory();
  const path = directory.file('exports.db');
  let store = await openStore(path, retention);
  return {
    store,
    async reopen(newRetention = retention) {
      await store[Symbol.asyncDispose]();
      store = await openStore(path, newRetention);
      return store;
    },
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
}

describeJobStore('SqliteJobStore', open);
describeOwnerStore('SqliteJobStore', open);
describeLedgerStore('SqliteJobStore', open);

describe('SqliteJobStore: its file', () => {
  it('one operation that breaks a rule of the store fails alone, and not all that share its commit', async () => {
    using directory = temporaryDirectory();
    await using store = await openStore(directory.file('exports.db'));
    const lane = { client: '', destination: 'https://a.example/' };
    const insert = (id: string) =>
      store.insert(
        [
          {
            id,
            lane,
            peer: null,
            data: Buffer.from('1'),
            attemptsMax: 1,
            acceptedAt: 0,
            expiresAt: 1,
            idempotency: null,
            claimUntil: null,
          },
        ],
        { pendingMax: 10, acceptsNew: true, now: { wall: 0, steady: 0 } },
      );
    const [one, other] = ['01a20c90-f17f-75f7-955c-98f8321f0c24', '01a20c90-f17f-75f7-955c-98f8321f0c25'];
    const results = await Promise.allSettled([insert(one), insert(one), insert(other)]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.ok((await store.get([one, other])).every((job) => job?.state === 'queued'));
  });

  it('what large payloads leave for another commit is done without being asked for again', async () => {
    using directory = temporaryDirectory();
    const path = directory.file('exports.db');
    await using store = await openStore(path);
    const lane = { client: '', destination: 'https://a.example/' };
    const now = { wall: 0, steady: 0 };
    const job = (n: number): NewJob => ({
      id: `01a20c90-f17f-75f7-955c-98f8321f0c${10 + n}`,
      lane,
      data: Buffer.alloc(1 << 20),
      attemptsMax: 1,
      acceptedAt: 0,
      expiresAt: 1,
      idempotency: null,
      claimUntil: null,
      peer: null,
    });
    await store.insert(
      Array.from({ length: 20 }, (_, n) => job(n)),
      { pendingMax: 50, acceptsNew: true, now },
    );
    const { jobs } = await store.claim(lane, { count: 20, now, leaseExpiresAt: 9 });
    const attempt = { number: 1, startedAt: 0, endedAt: 0, ...UNSEEN, status: 200, error: null };
    const result = { kind: 'answer', answer: { status: 200, body: '', truncated: false } } as const;
    const finished = {
      kind: 'finished',
      state: 'delivered',
      result,
      laneReport: NO_REPORT,
      attempt,
    } as const;
    const settled = await Promise.all(
      jobs.map(({ id, lease }) =>
        store.settle({ id, lane, lease, ...finished }, { count: 0, now, leaseExpiresAt: 9 }),
      ),
    );
    assert.equal(settled.filter((each) => each.settled).length, 20);
    assert.equal(
      (await store.get(jobs.map(({ id }) => id))).filter((each) => each?.state === 'delivered').length,
      20,
    );
  });

  it('a clean stop leaves one file that has everything: nothing stays behind in the log', async () => {
    using directory = temporaryDirectory();
    const path = directory.file('exports.db');
    const store = await SqliteJobStore.open(path);
    await store.secrets.putIfAbsent('a', Buffer.from('1'));
    await store[Symbol.asyncDispose]();
    assert.equal(existsSync(`${path}-wal`), false);
  });

  it('a second store on the same file does not open and says why', async () => {
    using directory = temporaryDirectory();
    const path = directory.file('exports.db');
    await using _first = await SqliteJobStore.open(path);
    await assert.rejects(SqliteJobStore.open(path), /Another process uses the store/);
  });

  it('a second store does not open under another name for the same file either', async () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.file('real'));
    symlinkSync('real', directory.file('folder'));
    symlinkSync('folder/exports.db', directory.file('ahead.db'));
    // Over a link to where there is no store yet.
    const first = await SqliteJobStore.open(directory.file('ahead.db'));
    for (const name of ['real/exports.db', 'folder/exports.db', 'real/../real/exports.db', 'ahead.db'])
      await assert.rejects(SqliteJobStore.open(directory.file(name)), /Another process uses the store/, name);
    await first[Symbol.asyncDispose]();
    linkSync(directory.file('real/exports.db'), directory.file('other.db'));
    await assert.rejects(SqliteJobStore.open(directory.file('other.db')), /has 2 names \(hard links\)/);
    rmSync(directory.file('other.db'));
    await (await SqliteJobStore.open(directory.file('folder/exports.db')))[Symbol.asyncDispose]();
  });

  it('a lock that cannot be taken is not called another process', async () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.file('exports.db.lock'));
    const opening = SqliteJobStore.open(directory.file('exports.db'));
    await assert.rejects(
      opening,
      /The lock .*exports\.db\.lock cannot be taken: unable to open database file/,
    );
    writeFileSync(directory.file('other.db.lock'), 'no database'.repeat(100));
    await assert.rejects(
      SqliteJobStore.open(directory.file('other.db')),
      /cannot be taken: file is not a database/,
    );
  });

  it('the writer flushes the log at every commit', () => {
    using directory = temporaryDirectory();
    using db = new DatabaseSync(directory.file('exports.db'));
    openForWriting(db);
    assert.equal(db.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal');
    assert.equal(db.prepare('PRAGMA synchronous').get()?.synchronous, 2, 'FULL');
    assert.equal(db.prepare('PRAGMA page_size').get()?.page_size, 16_384);
  });

  it('a store of a newer version is refused and left as it was', async () => {
    using directory = temporaryDirectory();
    const path = directory.file('exports.db');
    await (await SqliteJobStore.open(path))[Symbol.asyncDispose]();
    change(path, `PRAGMA user_version = ${SCHEMA_VERSION + 1}`);
    const words = `schema version ${SCHEMA_VERSION + 1}; this release knows versions up to ${SCHEMA_VERSION}`;
    await assert.rejects(SqliteJobStore.open(path), new RegExp(words));
  });

  it("another program's database is refused and left as it was", async () => {
    using directory = temporaryDirectory();
    const path = directory.file('exports.db');
    change(path, 'CREATE TABLE recipes (name TEXT)');
    await assert.rejects(SqliteJobStore.open(path), /not one of the export service/);
    using db = new DatabaseSync(path);
    assert.equal(db.prepare('PRAGMA journal_mode').get()?.journal_mode, 'delete');
    assert.equal(db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'jobs'").get()?.n, 0);
  });

  it('a file that is no database is refused', async () => {
    using directory = temporaryDirectory();
    const path = directory.file('exports.db');
    writeFileSync(path, 'not a database, but a long enough text to be taken for one. '.repeat(20));
    await assert.rejects(SqliteJobStore.open(path), /not a database/);
  });
});

function change(path: string, sql: string): void {
  using db = new DatabaseSync(path);
  db.exec(sql);
}
