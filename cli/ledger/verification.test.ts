/**
 * Method: a store's own file with two logs, of which the first was left: honestly, by a restore, or because somebody cut
 * off its end and had the service start once. Each tampering is done by SQL to a copy, and all of it is verified anew.
 */
import assert from 'node:assert/strict';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { CheckpointSigner } from '../../src/ledger/checkpoint.ts';
import { leafHash } from '../../src/ledger/tree-hash.ts';
import { LOG_ENTRIES_MAX } from '../../src/store/sqlite/ledger-reader.ts';
import { NO_STORE_LIMITS } from '../../src/store/sqlite/space.ts';
import { SqliteWriter } from '../../src/store/sqlite/writer.ts';
import { runMain } from '../../test/support/captured-io.ts';
import { beginning, FIRST_ORIGIN, newLog, signerOf } from '../../test/support/ledger/beginning.ts';
import { NOT_KEPT, STORE_KEYS } from '../../test/support/store-keys.ts';
import { WriterBench } from '../../test/support/writer-bench.ts';
import { openStoreSource } from './store-source.ts';
import { type LedgerReport, verifyLedger } from './verification.ts';

const SECOND_ORIGIN = 'test.example/export/2';
const FIRST = LOG_ENTRIES_MAX;
const SECOND = 2 * LOG_ENTRIES_MAX;

const bench = new WriterBench();
after(() => bench[Symbol.dispose]());
const exportOnce = (): void => {
  bench.insert(bench.newJob(10));
  for (const job of bench.claim(1)) bench.settle(job);
};
/** The head of the log as it is now, signed. */
const sign = (origin: string): string =>
  new CheckpointSigner(signerOf(origin), null).sign(bench.run({ kind: 'ledgerHead', checkpoint: null }));

for (let done = 0; done < 3; done += 1) exportOnce();
const KEPT = 11;
const atBackup = sign(FIRST_ORIGIN);
bench.writer.close();
const backup = bench.directory.file('backup.db');
copyFileSync(bench.path, backup);
bench.writer = new SqliteWriter(bench.path, NO_STORE_LIMITS);
bench.run({ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT });
bench.run({ kind: 'beginLedger', beginning: beginning(null) });
for (let done = 0; done < 3; done += 1) exportOnce();
const SIGNED = KEPT + 10;
/** Kept elsewhere. */
const atLoss = sign(FIRST_ORIGIN);

/** The backup, after one start that began a new log; the path of the store. */
function restored(
  name: string,
  reason: 'store_behind' | 'no_outside_head',
  checkpoint: string | null,
): string {
  bench.writer.close();
  for (const end of ['-wal', '-shm']) rmSync(bench.path + end, { force: true });
  copyFileSync(backup, bench.path);
  bench.writer = new SqliteWriter(bench.path, NO_STORE_LIMITS);
  bench.run({ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT });
  const previous = { origin: FIRST_ORIGIN, checkpoint, kept: KEPT };
  bench.run({ kind: 'beginLedger', beginning: beginning({ ...newLog(SECOND_ORIGIN), reason, previous }) });
  exportOnce();
  const path = bench.directory.file(name);
  bench.writer.close();
  copyFileSync(bench.path, path);
  bench.writer = new SqliteWriter(bench.path, NO_STORE_LIMITS);
  return path;
}

const honest = restored('honest.db', 'store_behind', atLoss);
/** As a cut-off end is taken for all there was: the store's own head, of what it still has. */
const cut = restored('cut.db', 'no_outside_head', atBackup);
const unknown = restored('unknown.db', 'no_outside_head', null);

/** What is found in a copy of the store after `tampering`, with a checkpoint from elsewhere or without. */
async function verify(
  path: string,
  { sql = [] as readonly string[], checkpoint = null as string | null } = {},
): Promise<LedgerReport> {
  const copy = bench.directory.file('tampered.db');
  copyFileSync(path, copy);
  {
    using db = new DatabaseSync(copy);
    for (const statement of sql) assert.ok(db.prepare(statement).run().changes > 0, statement);
  }
  const dataDir = bench.directory.path;
  await using source = await openStoreSource({ store: { kind: 'sqlite', path: copy }, dataDir });
  const checkpoints = checkpoint === null ? [] : [{ where: 'elsewhere', note: checkpoint }];
  return await verifyLedger(source, { checkpoints, key: null });
}

const firstFlaw = ({ logs }: LedgerReport) => {
  const flaw = logs[0]?.verification.flaw ?? null;
  return flaw === null ? null : [flaw.kind, flaw.first, flaw.last];
};

describe('two logs that nobody touched', () => {
  it('after a restore: what is there holds, what was lost is admitted, and it is not the whole', async () => {
    for (const checkpoint of [null, atBackup, atLoss]) {
      const { isSound, isWhole, breaks, problems } = await verify(honest, { checkpoint });
      assert.deepEqual([isSound, isWhole, problems], [true, false, []]);
      const [{ origin, previous, kept, lost } = assert.fail('no break')] = breaks;
      assert.deepEqual([origin, previous, kept], [SECOND_ORIGIN, FIRST_ORIGIN, KEPT]);
      assert.deepEqual(lost, { first: KEPT, last: SIGNED - 1 });
    }
  });

  it('of which nothing is known to be lost are whole', async () => {
    for (const path of [cut, unknown]) {
      const { isWhole, breaks } = await verify(path, { checkpoint: atBackup });
      assert.deepEqual([isWhole, breaks.length, breaks[0]?.lost], [true, 1, null]);
    }
  });
});

describe('a log that was left', () => {
  it('and whose end was cut off before is found by a head from elsewhere that the next log does not admit', async () => {
    for (const path of [cut, unknown]) {
      const report = await verify(path, { checkpoint: atLoss });
      assert.equal(report.isSound, false);
      assert.deepEqual(firstFlaw(report), ['cut_off', KEPT, SIGNED - 1]);
      assert.match(
        report.logs[0]?.verification.flaw?.detail ?? '',
        /^Entries 11 to 20 were signed and are gone: the head in elsewhere is of 21\. .*does not admit that/,
      );
    }
  });

  it('is found to be gone, though no head from elsewhere is there', async () => {
    for (const path of [honest, cut, unknown])
      for (const withEntries of [true, false]) {
        const sql = [
          'DELETE FROM ledger_logs WHERE id = 1',
          ...(withEntries ? [`DELETE FROM ledger_entries WHERE entry < ${SECOND}`] : []),
        ];
        const { isSound, problems } = await verify(path, { sql });
        assert.equal(isSound, false);
        assert.match(
          problems.join(),
          /The log test\.example\/export\/1 is gone: .* 11 of its entries were left/,
        );
      }
  });

  it('is found to be cut off below what the next one kept, wherever', async () => {
    for (const path of [honest, unknown])
      for (let size = 0; size < KEPT; size += 1) {
        const sql = [
          `DELETE FROM ledger_entries WHERE entry >= ${FIRST + size} AND entry < ${SECOND}`,
          'UPDATE ledger_logs SET checkpoint = NULL',
        ];
        const report = await verify(path, { sql });
        assert.deepEqual([report.isSound, firstFlaw(report)?.slice(0, 2)], [false, ['cut_off', size]]);
      }
  });

  it('is found to have got entries after it was left', async () => {
    const text = `{"n":${KEPT},"time":"2026-01-01T00:00:00.000Z","kind":"start","version":"1","salt":"AAAAAAAAAAAAAAAA"}`;
    const hash = Buffer.from(leafHash(text)).toString('hex');
    for (const path of [honest, cut, unknown]) {
      const report = await verify(path, {
        sql: [`INSERT INTO ledger_entries VALUES (${FIRST + KEPT}, '${text}', x'${hash}')`],
      });
      assert.equal(report.isSound, false);
      assert.deepEqual(firstFlaw(report), ['inserted', KEPT, KEPT]);
    }
  });

  it('is spoken of by the next one, whose first entry cannot be silenced', async () => {
    const sql = [`UPDATE ledger_entries SET text = NULL WHERE entry = ${SECOND}`];
    const { isSound, logs } = await verify(honest, { sql });
    assert.equal(isSound, false);
    assert.match(logs[1]?.problems.join() ?? '', /first entry is not the one that says its name/);
  });

  it('may not be put behind the log that went on from it', async () => {
    const sql = [
      'UPDATE ledger_logs SET id = 3 WHERE id = 1',
      `UPDATE ledger_entries SET entry = entry + ${2 * LOG_ENTRIES_MAX} WHERE entry < ${SECOND}`,
    ];
    const { isSound, problems } = await verify(honest, { sql });
    assert.equal(isSound, false);
    assert.match(problems.join(), /export\/1 comes after test\.example\/export\/2/);
  });
});

it('a log without any entry is none', async () => {
  const { isSound, logs } = await verify(unknown, {
    sql: [`DELETE FROM ledger_entries WHERE entry >= ${SECOND}`],
  });
  assert.equal(isSound, false);
  assert.match(logs[1]?.problems.join() ?? '', /has no entry/);
});

describe('a log of which nothing was left', () => {
  const forgotten = (checkpoint: string | null) => {
    bench.writer.close();
    for (const end of ['', '-wal', '-shm']) rmSync(bench.path + end, { force: true });
    bench.writer = new SqliteWriter(bench.path, NO_STORE_LIMITS);
    bench.run({ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT });
    const previous = { origin: FIRST_ORIGIN, checkpoint, kept: 0 };
    const log = { ...newLog(SECOND_ORIGIN), reason: 'store_behind', previous } as const;
    bench.run({ kind: 'beginLedger', beginning: beginning(log) });
    bench.writer.close();
    const path = bench.directory.file('forgotten.db');
    copyFileSync(bench.path, path);
    bench.writer = new SqliteWriter(bench.path, NO_STORE_LIMITS);
    return path;
  };

  it('is told of: all of it is lost, as far as the next one knows', async () => {
    const path = forgotten(atBackup);
    for (const checkpoint of [null, atBackup]) {
      const { isSound, isWhole, breaks } = await verify(path, { checkpoint });
      assert.deepEqual([isSound, isWhole, breaks[0]?.lost], [true, false, { first: 0, last: KEPT - 1 }]);
    }
    const { isSound, problems } = await verify(path, { checkpoint: atLoss });
    assert.equal(isSound, false);
    assert.match(problems.join(), /Entries up to 20 of the log .*does not admit that: it knows of 11/);
  });

  it('and of which another head is given than the one that is named, is two stories', async () => {
    const root = Buffer.alloc(32, 1);
    const other = new CheckpointSigner(signerOf(FIRST_ORIGIN), null).sign({ size: KEPT, root });
    const { isSound, problems } = await verify(forgotten(atBackup), { checkpoint: other });
    assert.equal(isSound, false);
    assert.match(problems.join(), /are both of 11 entries, and differ/);
  });
});

describe('the commands', () => {
  const run = (path: string, ...words: string[]) =>
    runMain(['ledger', ...words, '--store', `sqlite:${path}`, '--data-dir', bench.directory.path]);
  const ADMITTED =
    /test\.example\/export\/2 went on from test\.example\/export\/1 \(store_behind\): 11 entries kept; entries 11 to 20 were signed and are lost, which the log admits\./;

  it('tell what was lost by a restore, each in its own form', async () => {
    const text = await run(honest, 'verify');
    assert.equal(text.code, 1);
    assert.match(text.stdout, ADMITTED);
    const json = await run(honest, 'verify', '--json');
    assert.equal(json.code, 1);
    const { sound, whole, breaks } = JSON.parse(json.stdout);
    assert.deepEqual([sound, whole, breaks[0].lost], [true, false, { first: 11, last: 20 }]);
    const report = await run(honest, 'export', '--report');
    assert.equal(report.code, 0, report.stderr);
    assert.match(report.stdout, ADMITTED);
    const reportJson = await run(honest, 'export', '--report', '--json');
    assert.match(JSON.parse(reportJson.stdout).breaks[0].detail, ADMITTED);
    const lines = (await run(honest, 'export')).stdout.trim().split('\n');
    assert.match(JSON.parse(lines.at(-1) ?? '').break.detail, ADMITTED);
  });

  it('export nothing over a cut that is not admitted', async () => {
    const kept = bench.directory.file('kept.head');
    writeFileSync(kept, atLoss);
    assert.equal((await run(cut, 'verify')).code, 0);
    for (const words of [['verify'], ['export'], ['export', '--report']]) {
      const { code, stdout, stderr } = await run(cut, ...words, '--checkpoint', kept);
      assert.equal(code, 1);
      assert.match(stdout + stderr, /does not admit that/);
    }
  });

  it('say of each break what is known, also when nothing is missing', async () => {
    assert.match(
      (await run(cut, 'verify')).stdout,
      /11 entries kept; it knows of no signed head beyond 11\./,
    );
    assert.match((await run(unknown, 'verify')).stdout, /11 entries kept; it knows of no signed head\./);
  });
});
