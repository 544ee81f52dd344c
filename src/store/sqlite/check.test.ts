import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { before, describe, it } from 'node:test';
import { STORE_KEYS } from '../../../test/support/store-keys.ts';
import { openStore, TemporaryDirectory } from '../../../test/support/temporary-store.ts';
import { UNSEEN } from '../../export/job.ts';
import type { ClaimedJob, NewJob, Settlement } from '../../export/job-store.ts';
import { checkStore } from './check.ts';
import { backupStore, migrateStore } from './maintenance.ts';
import { SCHEMA_VERSION } from './schema.ts';
import { SqliteJobStore } from './sqlite-job-store.ts';

const NOW = 1_000_000;
const AT = { wall: NOW, steady: NOW };
const LANE = { client: 'app', destination: 'https://a.example/in' };

function newJob(n: number): NewJob {
  return {
    id: `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`,
    lane: LANE,
    peer: null,
    data: Buffer.alloc(100, 'x'),
    attemptsMax: 9,
    acceptedAt: NOW,
    expiresAt: NOW + 1_000_000,
    idempotency: { key: String(n), digest: Buffer.from('d'), expiresAt: NOW + 10 },
    claimUntil: null,
  };
}

/** A store with two exports in each state: 1 and 2 delivered, 3 and 4 undeliverable, 5, 6 waiting, 7, 8 sending. */
async function fill(store: SqliteJobStore): Promise<void> {
  const jobs = Array.from({ length: 10 }, (_, n) => newJob(n + 1));
  await store.insert(jobs, { pendingMax: 100, acceptsNew: true, now: AT });
  const none = { count: 0, now: AT, leaseExpiresAt: NOW };
  const claimed = (await store.claim(LANE, { ...none, count: 8, leaseExpiresAt: NOW + 1_000 })).jobs;
  for (const [index, job] of claimed.slice(0, 6).entries()) await store.settle(settlement(job, index), none);
}

function settlement({ id, lane, lease }: ClaimedJob, index: number): Settlement {
  const attempt = { number: 1, startedAt: NOW, endedAt: NOW, ...UNSEEN, status: 200, error: null };
  const of = { id, lane, lease, attempt, laneReport: { kind: 'up', failuresBefore: 0 } } as const;
  const answer = { kind: 'answer', answer: { status: 200, body: 'ok', truncated: false } } as const;
  const failure = { kind: 'failure', failure: { code: 'timeout', detail: 'too slow' } } as const;
  const lastError = { code: 'timeout', detail: 'too slow' } as const;
  if (index < 2) return { ...of, kind: 'finished', state: 'delivered', result: answer };
  if (index < 4) return { ...of, kind: 'finished', state: 'undeliverable', result: failure };
  return {
    ...of,
    kind: 'waiting',
    nextAttemptAt: NOW + 5,
    returnsWithLane: false,
    lastError,
    result: failure,
  };
}

const directory = new TemporaryDirectory();
const SOUND = directory.file('sound.db');
before(async () => {
  await using store = await openStore(SOUND);
  await fill(store);
});
process.once('exit', () => directory[Symbol.dispose]());

let copies = 0;

/** A copy of the sound store, with something done to it. */
function spoiled(spoil: (path: string) => void): string {
  copies += 1;
  const path = directory.file(`copy-${copies}.db`);
  copyFileSync(SOUND, path);
  spoil(path);
  return path;
}

function withSql(sql: string): string {
  return spoiled((path) => {
    using db = new DatabaseSync(path);
    db.exec(sql);
  });
}

function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  writeSync(openSync(path, 'r+'), bytes, 0, bytes.length, offset);
}

const rulesBroken = (path: string): string[] => checkStore(path).problems.map(({ rule }) => rule);

describe('checking a store', () => {
  it('finds nothing wrong with a sound one, and counts what is in it', () => {
    const report = checkStore(SOUND);
    assert.deepEqual(report.problems, []);
    const ended = { delivered: 2, undeliverable: 2, blocked: 0, cancelled: 0 };
    assert.deepEqual(report.exports, { queued: 2, sending: 2, waiting: 2, ...ended });
    assert.equal(report.schemaVersion, SCHEMA_VERSION);
    assert.equal(report.bytes, statSync(SOUND).size);
  });

  it('works beside the service that uses it', async () => {
    const path = directory.file('used.db');
    await using store = await openStore(path);
    await fill(store);
    assert.deepEqual(checkStore(path).problems, []);
    await store.insert([newJob(99)], { pendingMax: 100, acceptsNew: true, now: AT });
  });

  const breaches: Readonly<Record<string, string>> = {
    unknown_state: 'UPDATE jobs SET state = 99 WHERE seq = 10',
    missing_payload: 'DELETE FROM payloads WHERE job = 10',
    wrong_payload: "UPDATE payloads SET data = x'00' WHERE job = 10",
    left_payload: 'INSERT INTO payloads VALUES (1, zeroblob(100))',
    missing_payload_key:
      'DELETE FROM payload_keys WHERE slot = (SELECT payload_key FROM jobs WHERE seq = 10)',
    shared_payload_key: `
      INSERT INTO jobs (id, lane, state, data_bytes, attempts_max, accepted_at, expires_at, payload_key)
        SELECT x'00112233445566778899aabbccddeeff', lane, state, data_bytes, 1, 0, 0, payload_key FROM jobs WHERE seq = 10;
      INSERT INTO payloads SELECT max(seq), zeroblob(116) FROM jobs`,
    stray_payload_key: "INSERT INTO payload_keys VALUES (999, x'01')",
    stray_payload: "INSERT INTO payloads VALUES (999, x'00')",
    wrong_end: 'UPDATE jobs SET state = 0 WHERE seq = 1',
    missing_result: 'DELETE FROM answers WHERE job = 1',
    stray_answer: "INSERT INTO answers VALUES (999, '', 0)",
    wrong_lease: 'UPDATE jobs SET lease = NULL WHERE seq = 7',
    endless_wait: 'UPDATE jobs SET next_attempt_at = NULL WHERE seq = 5',
    wrong_attempts: 'UPDATE jobs SET attempts = 2 WHERE seq = 1',
    stray_attempt: 'INSERT INTO attempts (job, number, started_at, ended_at) VALUES (999, 1, 0, 0)',
    missing_lane: 'UPDATE jobs SET lane = 77 WHERE seq = 10',
    unused_lane: "INSERT INTO lanes (client, destination) VALUES ('', '')",
    missing_outcome:
      'DELETE FROM ledger_entries WHERE entry = (SELECT outcome_entry FROM jobs WHERE seq = 1)',
    stray_key: "INSERT INTO idempotency_keys VALUES (77, 'k', x'00', x'00', 0)",
  };
  for (const [rule, sql] of Object.entries(breaches)) {
    it(`finds ${rule}`, () => assert.deepEqual(rulesBroken(withSql(sql)), [rule]));
  }

  it('with the keys, finds what does not open: another key, changed bytes, what was moved elsewhere', () => {
    const unopened = (path: string, keys = STORE_KEYS): string[] => {
      const { problems, isOpened } = checkStore(path, () => keys);
      assert.equal(isOpened, true);
      return problems.map(({ rule }) => rule);
    };
    assert.deepEqual(unopened(SOUND), []);
    const other = { payloadKeys: STORE_KEYS.answers, answers: STORE_KEYS.payloadKeys };
    assert.deepEqual(unopened(SOUND, other), ['unopened_payload', 'unopened_answer']);
    const changed = "UPDATE payloads SET data = CAST(x'00' || substr(data, 2) AS BLOB) WHERE job = 10";
    assert.deepEqual(unopened(withSql(changed)), ['unopened_payload']);
    const swapped = 'UPDATE jobs SET payload_key = 19 - payload_key WHERE seq IN (9, 10)';
    assert.deepEqual(unopened(withSql(swapped)), ['unopened_payload']);
    const elsewhere = "UPDATE lanes SET destination = 'https://thief.example/'";
    assert.deepEqual(unopened(withSql(elsewhere)), ['unopened_payload']);
    const answers = 'UPDATE answers SET body = (SELECT body FROM answers WHERE job = 1)';
    assert.deepEqual(unopened(withSql(answers)), ['unopened_answer']);
  });

  it('without the keys, leaves what is encrypted alone; with a wrong one, says so', () => {
    assert.equal(checkStore(SOUND).isOpened, false);
    const { problems, isOpened } = checkStore(SOUND, () => {
      throw new Error('The key is another one.');
    });
    assert.equal(isOpened, false);
    assert.deepEqual(problems, [{ rule: 'wrong_key', detail: 'The key is another one.' }]);
  });

  it('names an export that is concerned, and how many there are', () => {
    const [problem] = checkStore(withSql('DELETE FROM payloads')).problems;
    assert.match(
      problem?.detail ?? '',
      /have no payload.*: 6, such as 00000000-0000-7000-8000-000000000005\.$/,
    );
  });

  it('finds a page that was overwritten, a file that was cut, and one that is no database', () => {
    const pages = statSync(SOUND).size / 16_384;
    const damaged = [
      spoiled((path) => overwrite(path, 2 * 16_384, Buffer.alloc(16_384, 'x'))),
      spoiled((path) => truncateSync(path, (pages - 3) * 16_384)),
      spoiled((path) => overwrite(path, 0, Buffer.alloc(200, 'x'))),
    ];
    for (const path of damaged)
      assert.ok(
        rulesBroken(path).every((rule) => rule === 'damaged_file') && rulesBroken(path).length > 0,
        path,
      );
  });

  it('that is not there, or of another program, is refused', () => {
    assert.throws(() => checkStore(directory.file('none.db')), /There is no store at/);
    assert.equal(existsSync(directory.file('none.db')), false);
    const other = directory.file('other.db');
    using db = new DatabaseSync(other);
    db.exec('CREATE TABLE recipes (name TEXT)');
    assert.throws(() => checkStore(other), /not one of the export service/);
  });
});

describe('a damaged store', () => {
  it('does not start, says what to do, and is left as it was', async () => {
    for (const offset of [0, 16_384]) {
      const path = spoiled((copy) => overwrite(copy, offset, Buffer.alloc(16_384, 'x')));
      const bytes = readFileSync(path);
      await assert.rejects(SqliteJobStore.open(path), /is damaged.*Nothing was changed.*store check/);
      assert.ok(readFileSync(path).equals(bytes));
      assert.throws(() => migrateStore(path), /is damaged/);
    }
  });

  it('whose file is gone while its log is there is not made anew', async () => {
    const path = directory.file('lost.db');
    writeFileSync(`${path}-wal`, 'log');
    await assert.rejects(SqliteJobStore.open(path), /is gone, but its log/);
    assert.equal(readFileSync(`${path}-wal`, 'utf8'), 'log');
    assert.equal(existsSync(path), false);
  });
});

describe('a backup', () => {
  it('is one file that only its owner can read, with everything that was committed', async () => {
    const path = directory.file('backed-up.db');
    await using store = await openStore(path);
    await fill(store);
    const file = directory.file('backup.db');
    const report = await backupStore(path, file);
    assert.deepEqual(report.exports, checkStore(path).exports);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    for (const end of ['-wal', '-shm', '-journal']) assert.equal(existsSync(file + end), false, end);
    await using copy = await openStore(file);
    assert.equal(
      await copy.recover(AT, { retryMs: 1_000, ageMs: 1e6, keyMs: 10 }),
      2,
      'what was being sent is repeated',
    );
  });

  it('replaces nothing, and leaves nothing when it fails', async () => {
    const file = directory.file('precious.txt');
    writeFileSync(file, 'precious');
    await assert.rejects(backupStore(SOUND, file), /is there already/);
    await assert.rejects(backupStore(SOUND, SOUND), /is there already/);
    assert.equal(readFileSync(file, 'utf8'), 'precious');
    const broken = withSql('DELETE FROM payloads');
    await assert.rejects(backupStore(broken, directory.file('copy-of-broken.db')), /The copy is not sound/);
    assert.equal(existsSync(directory.file('copy-of-broken.db')), false);
    await assert.rejects(
      backupStore(directory.file('none.db'), directory.file('copy-of-none.db')),
      /There is no store/,
    );
    assert.equal(existsSync(directory.file('copy-of-none.db')), false);
  });
});

describe('migrating a store', () => {
  it('says from where to where, and makes no store', () => {
    assert.deepEqual(migrateStore(spoiled(() => {})), { from: SCHEMA_VERSION, to: SCHEMA_VERSION });
    assert.throws(() => migrateStore(directory.file('none.db')), /There is no store/);
  });

  it('is refused while a service uses the store', async () => {
    const path = directory.file('busy.db');
    await using _store = await SqliteJobStore.open(path);
    assert.throws(() => migrateStore(path), /Another process uses the store/);
  });
});
