import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { SCHEMA_VERSION } from '../src/store/sqlite/schema.ts';
import { sealedPayloads, sealedTexts } from '../src/store/sqlite/sealed-rows.ts';
import { SqliteJobStore } from '../src/store/sqlite/sqlite-job-store.ts';
import { runMain } from '../test/support/captured-io.ts';
import { entriesIn } from '../test/support/ledger/entries.ts';
import { makeStoreUnderKey, readStoreUnderKey } from '../test/support/rekey-bench.ts';
import { searchStore } from '../test/support/store-search.ts';
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
  assert.match(stdout, /^The store .*exports\.db is sound: no exports; schema version \d+, \d+ KiB/);
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
  assert.deepEqual([report.sound, report.schema_version, report.problems], [true, SCHEMA_VERSION, []]);
  assert.equal(report.exports.queued, 0);
  spoil(directory);
  const spoiled = await runMain(check);
  assert.equal(spoiled.code, 1);
  assert.equal(JSON.parse(spoiled.stdout).problems[0].rule, 'stray_payload');
});

test('migrate says what it did', async () => {
  using directory = await dataDirectory();
  const migrate = ['store', 'migrate', '--data-dir', directory.path];
  assert.match((await runMain(migrate)).stdout, /has schema version \d+ already/);
  assert.deepEqual(JSON.parse((await runMain([...migrate, '--json'])).stdout), {
    store: `${directory.path}/exports.db`,
    from: SCHEMA_VERSION,
    to: SCHEMA_VERSION,
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

test('check opens what is encrypted where the key is, and says when it is the wrong one', async () => {
  await using bench = await makeStoreUnderKey();
  const check = async (...more: string[]) => {
    const { stdout } = await runMain(['store', 'check', '--json', '--data-dir', bench.dataDir, ...more]);
    const { sound, opened, problems } = JSON.parse(stdout);
    return { sound, opened, rules: problems.map(({ rule }: { rule: string }) => rule) };
  };
  assert.deepEqual(await check(), { sound: true, opened: true, rules: [] });
  const other = join(bench.dataDir, 'other.key');
  const lost = ['--key-file', other];
  assert.deepEqual(await check(...lost), { sound: true, opened: false, rules: [] });
  writeFileSync(other, Buffer.alloc(32));
  assert.deepEqual(await check(...lost), { sound: false, opened: false, rules: ['wrong_key'] });
});

test('rekey puts all that is encrypted under a new key, which the key file holds then', async () => {
  await using bench = await makeStoreUnderKey();
  const keyFile = join(bench.dataDir, 'store.key');
  const oldKey = readFileSync(keyFile);
  const { code, stdout } = await runMain(['store', 'rekey', '--data-dir', bench.dataDir]);
  assert.equal(code, 0);
  assert.match(
    stdout,
    /has a new master key: 3 payloads, 4 answers and errors, and 3 secrets are under it\.\nKeep a copy/,
  );
  assert.ok(!readFileSync(keyFile).equals(oldKey));
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  assert.deepEqual(await readStoreUnderKey(bench.dataDir), bench.content);
  assert.deepEqual(readdirSync(bench.dataDir).sort(), ['exports.db', 'exports.db.lock', 'store.key']);
});

test('after a rekey nothing in the files of the store opens with the old key, and a second one goes as well', async () => {
  await using bench = await makeStoreUnderKey();
  const path = join(bench.dataDir, 'exports.db');
  const old = sealedIn(path);
  assert.equal(old.length, 7);
  assert.deepEqual(searchStore(path, old), { 'exports.db': 7 });
  const rekey = ['store', 'rekey', '--json', '--data-dir', bench.dataDir];
  const { stdout } = await runMain(rekey);
  const { payloads, answers, secrets, unopened, key_file } = JSON.parse(stdout);
  assert.deepEqual([payloads, answers, secrets, unopened], [3, 4, 3, 0]);
  assert.equal(key_file, join(bench.dataDir, 'store.key'));
  assert.deepEqual(searchStore(path, old), {});
  assert.equal((await runMain(rekey)).code, 0);
  assert.deepEqual(await readStoreUnderKey(bench.dataDir), bench.content);
});

test('a rekey is in the ledger as soon as a service has started, and the ledger does not grow before', async () => {
  await using bench = await makeStoreUnderKey();
  const path = join(bench.dataDir, 'exports.db');
  const before = entriesIn(path);
  for (const _ of [1, 2])
    assert.equal((await runMain(['store', 'rekey', '--data-dir', bench.dataDir])).code, 0);
  assert.deepEqual(entriesIn(path), before);
  await readStoreUnderKey(bench.dataDir);
  const [first, second, start, ...more] = entriesIn(path).slice(before.length);
  for (const entry of [first, second])
    assert.deepEqual(entry?.kind === 'key' && [entry.purpose, entry.change, entry.public_key, entry.by], [
      'master',
      'rotated',
      null,
      null,
    ]);
  assert.deepEqual([start?.kind, more], ['start', []]);
  await readStoreUnderKey(bench.dataDir);
  const later = entriesIn(path).slice(before.length + 3);
  assert.deepEqual(
    later.map(({ kind }) => kind),
    ['start'],
    'once',
  );
});

test('a rekey that fails is not in the ledger', async () => {
  await using bench = await makeStoreUnderKey();
  const path = join(bench.dataDir, 'exports.db');
  {
    using db = new DatabaseSync(path);
    db.exec(
      "CREATE TRIGGER full BEFORE UPDATE ON answers BEGIN SELECT raise(ABORT, 'the disk is full'); END",
    );
  }
  const before = entriesIn(path).length;
  const { code, stderr } = await runMain(['store', 'rekey', '--data-dir', bench.dataDir]);
  assert.deepEqual([code, /the disk is full/.test(stderr)], [1, true]);
  await readStoreUnderKey(bench.dataDir);
  const since = entriesIn(path).slice(before);
  assert.deepEqual(
    since.map(({ kind }) => kind),
    ['start'],
  );
});

test('rekey leaves what did not open before, and says so', async () => {
  await using bench = await makeStoreUnderKey();
  {
    using db = new DatabaseSync(join(bench.dataDir, 'exports.db'));
    db.exec("UPDATE answers SET body = x'01020304'; UPDATE payload_keys SET wrapped = x'05' WHERE slot = 1");
  }
  const { code, stdout } = await runMain(['store', 'rekey', '--data-dir', bench.dataDir]);
  assert.equal(code, 0);
  assert.match(stdout, /2 payloads, 3 answers and errors.*\n2 did not open under the old one either/);
});

test('rekey changes nothing while a service runs, with a wrong key, or where a secret does not open', async () => {
  await using bench = await makeStoreUnderKey();
  const keyFile = join(bench.dataDir, 'store.key');
  const key = readFileSync(keyFile);
  const rekey = ['store', 'rekey', '--data-dir', bench.dataDir];
  const refused = async (words: RegExp, more: string[] = []): Promise<void> => {
    const { code, stderr, stdout } = await runMain([...rekey, ...more]);
    assert.equal(code, 1);
    assert.match(stderr, words);
    assert.equal(stdout, '');
    assert.ok(readFileSync(keyFile).equals(key));
  };
  {
    await using _store = await SqliteJobStore.open(join(bench.dataDir, 'exports.db'));
    await refused(/Another process uses the store/);
  }
  const other = join(bench.dataDir, 'other.key');
  writeFileSync(other, Buffer.alloc(32));
  await refused(/other\.key does not belong to this store/, ['--key-file', other]);
  assert.deepEqual(await readStoreUnderKey(bench.dataDir), bench.content);
  {
    using db = new DatabaseSync(join(bench.dataDir, 'exports.db'));
    db.exec("INSERT INTO secrets VALUES ('odd', x'00')");
  }
  await refused(/secret "odd" in the store is of an unknown form/);
  assert.deepEqual(await readStoreUnderKey(bench.dataDir), bench.content);
});

/** Everything in a store that is encrypted under its master key, as it stands there; each thing once. */
function sealedIn(path: string): Uint8Array[] {
  using db = new DatabaseSync(path, { readOnly: true });
  const keys = [...sealedPayloads(db)].map(({ row }) => row.wrapped as Uint8Array);
  const texts = [...sealedTexts(db)].map(({ what, sealed }) =>
    what === 'answer' ? sealed : Buffer.from(Buffer.from(sealed).toString('base64url')),
  );
  const secrets = db
    .prepare('SELECT value FROM secrets')
    .all()
    .map(({ value }) => value as Uint8Array);
  const distinct = new Map(
    [...keys, ...texts, ...secrets].map((each) => [Buffer.from(each).toString('hex'), each]),
  );
  return [...distinct.values()];
}

test('where there is no store, none is made', async () => {
  using directory = new TemporaryDirectory();
  for (const words of [['check'], ['migrate'], ['backup', directory.file('copy.db')], ['rekey']]) {
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
    [['store'], /store goes with check, migrate, backup or rekey/],
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
  for (const words of [
    ['store'],
    ['store', 'check'],
    ['store', 'migrate'],
    ['store', 'backup'],
    ['store', 'rekey'],
  ]) {
    const { code, stdout } = await runMain([...words, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /Usage: export-service store/);
    assert.match(stdout, /Examples:\n {2}export-service store/);
  }
  assert.match((await runMain(['--help'])).stdout, /store +Check, migrate, back up and rekey/);
});
