import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { SqliteJobStore } from '../src/store/sqlite/sqlite-job-store.ts';
import { runMain } from '../test/support/captured-io.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

/** A data directory with a store in it, beside which no service runs. */
async function dataDirectory(): Promise<TemporaryDirectory> {
  const directory = new TemporaryDirectory();
  const store = await SqliteJobStore.open(directory.file('exports.db'));
  await store[Symbol.asyncDispose]();
  return directory;
}

function spoil(directory: TemporaryDirectory): void {
  using db = new DatabaseSync(directory.file('exports.db'));
  db.exec("INSERT INTO payloads VALUES (7, x'00')");
}

test('check says that a sound store is sound, and exits 0', async () => {
  using directory = await dataDirectory();
  const { code, stdout, stderr } = await runMain(['store', 'check', '--data-dir', directory.path]);
  assert.equal(code, 0);
  assert.match(stdout, /^The store .*exports\.db is sound: no exports; schema version 2, \d+ KiB/);
  assert.equal(stderr, '');
});

test('check tells in words what is wrong with one that is not, and exits 1', async () => {
  using directory = await dataDirectory();
  spoil(directory);
  const { code, stdout } = await runMain(['store', 'check', '--data-dir', directory.path]);
  assert.equal(code, 1);
  assert.match(stdout, /is not sound:\n- There are payloads of no export: 1\.\n.*operating\.md/);
});

test('check --json is for programs, whether the store is sound or not', async () => {
  using directory = await dataDirectory();
  const check = ['store', 'check', '--json', '--store', `sqlite:${directory.file('exports.db')}`];
  const { stdout } = await runMain(check);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.sound, report.schema_version, report.problems], [true, 2, []]);
  assert.equal(report.exports.queued, 0);
  spoil(directory);
  const spoiled = await runMain(check);
  assert.equal(spoiled.code, 1);
  assert.equal(JSON.parse(spoiled.stdout).problems[0].rule, 'stray_payload');
});

test('migrate says what it did', async () => {
  using directory = await dataDirectory();
  const migrate = ['store', 'migrate', '--data-dir', directory.path];
  assert.match((await runMain(migrate)).stdout, /has schema version 2 already/);
  assert.deepEqual(JSON.parse((await runMain([...migrate, '--json'])).stdout), {
    store: `${directory.path}/exports.db`,
    from: 2,
    to: 2,
  });
});

test('backup makes the copy and says that the key file is needed too', async () => {
  using directory = await dataDirectory();
  const file = directory.file('copy.db');
  const backup = ['store', 'backup', file, '--data-dir', directory.path];
  const { code, stdout } = await runMain(backup);
  assert.equal(code, 0);
  assert.match(stdout, /copy\.db is a copy of .*\nKeep the key file .*store\.key too/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await runMain(backup);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /copy\.db is there already: a backup replaces nothing/);
});

test('backup --json tells where the copy and the key are', async () => {
  using directory = await dataDirectory();
  const file = directory.file('copy.db');
  const { stdout } = await runMain(['store', 'backup', '--json', '--data-dir', directory.path, file]);
  const { key_file, file: copy } = JSON.parse(stdout);
  assert.deepEqual([key_file, copy], [directory.file('store.key'), file]);
});

test('where there is no store, none is made', async () => {
  using directory = new TemporaryDirectory();
  for (const words of [['check'], ['migrate'], ['backup', directory.file('copy.db')]]) {
    const { code, stderr, stdout } = await runMain(['store', ...words, '--data-dir', directory.path]);
    assert.equal(code, 1, words.join(' '));
    assert.match(stderr, /There is no store at .*--data-dir/);
    assert.equal(stdout, '');
    assert.equal(existsSync(directory.file('exports.db')), false);
    assert.equal(existsSync(directory.file('copy.db')), false);
  }
});

test('what is called wrongly is refused with what would be right', async () => {
  const wrong: [string[], RegExp][] = [
    [['store'], /store goes with check, migrate or backup/],
    [['store', 'repair'], /not "repair"/],
    [['store', 'check', 'now'], /now/],
    [['store', 'backup'], /store backup needs FILE/],
    [['store', 'check', '--port', '1'], /--port/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await runMain(args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, message);
  }
});

test('every command has help with an example', async () => {
  for (const words of [['store'], ['store', 'check'], ['store', 'migrate'], ['store', 'backup']]) {
    const { code, stdout } = await runMain([...words, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: export-service store/);
    assert.match(stdout, /Examples:\n {2}export-service store/);
  }
  assert.match((await runMain(['--help'])).stdout, /store +Check, migrate and back up/);
});
