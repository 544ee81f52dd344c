import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { describeJobStore, type StoreUnderTest } from '../job-store.contract.ts';
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

async function open(): Promise<StoreUnderTest> {
  const directory = temporaryDirectory();
  const path = directory.file('exports.db');
  let store = await SqliteJobStore.open(path);
  return {
    store,
    async reopen() {
      await store[Symbol.asyncDispose]();
      store = await SqliteJobStore.open(path);
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

describe('SqliteJobStore: its file', () => {
  it('one operation that breaks a rule of the store fails alone, and not all that share its commit', async () => {
    using directory = temporaryDirectory();
    await using store = await SqliteJobStore.open(directory.file('exports.db'));
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
    await assert.rejects(SqliteJobStore.open(path), /this release knows versions up to/);
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
