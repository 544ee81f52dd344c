/**
 * What stays behind on the box of an export that has left: whoever has the master key looks for it in every file of the
 * store. Time is turned by hand, and nothing else happens meanwhile: the service is idle.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { it } from 'node:test';
import { createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { MasterKey } from '../../src/keys/master-key.ts';
import { openPayload } from '../../src/store/sqlite/payloads.ts';
import { sealedPayloads } from '../../src/store/sqlite/sealed-rows.ts';
import { Vault } from '../../src/store/vault/vault.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { capturedIo } from '../support/captured-io.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { clientFor, TEST_FLAGS } from '../support/service.ts';
import { searchStore } from '../support/store-search.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { until } from '../support/until.ts';

const MINUTE = 60_000;
/** Payloads of a few bytes, of almost a page of the store, and of many pages. */
const SIZES = [40, 16_000, 1_000_000];
const ANSWER = 'the answer of the destination, word for word';

/** Exports of all sizes, accepted by a service of this process, and not answered yet by their destination. */
async function startWithExports(flags: readonly string[] = []) {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.use(new TemporaryDirectory());
  const held: Socket[] = [];
  const destination = await startDestination({ onRequest: (socket) => held.push(socket) });
  cleanup.defer(() => destination.close());
  const clock = new ManualClock(Date.now());
  const { captured, ...io } = capturedIo();
  const settings = ['--port', '0', '--data-dir', directory.path, '--lane-concurrency', '9', ...TEST_FLAGS];
  const config = parseConfig([...settings, ...flags], {});
  const app = cleanup.use(await createApp(config, createLog('info', io.stderr), { clock }));
  const client = clientFor(app.url, destination.url);
  const payloads = SIZES.map((bytes) => `"${'personal data '.repeat(bytes / 14)}"`);
  const ids: string[] = [];
  for (const json of payloads) ids.push((await client.submit({ destination: destination.url, json })).id);
  await destination.arrived(SIZES.length);
  const parts = cleanup.move();
  return {
    store: directory.file('exports.db'),
    masterKey: new MasterKey(readFileSync(join(directory.path, 'store.key'))),
    payloads,
    clock,
    captured,
    /** Lets the destination answer, and waits for the end of all exports. */
    async finish(): Promise<void> {
      for (const socket of held.splice(0)) socket.write(answerText('200 OK', ANSWER));
      for (const id of ids) assert.equal((await client.wait(id)).answer.body, ANSWER);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** What lies in the store of its payloads, and their wrapped keys; the master key shows that it is that. */
function sealedIn(store: string, masterKey: MasterKey, payloads: readonly string[]) {
  using db = new DatabaseSync(store, { readOnly: true });
  const vault = new Vault(masterKey.storeKeys);
  const rows = [...sealedPayloads(db)];
  const opened = rows.map(({ row, owner }) =>
    Buffer.from(openPayload(vault, row, owner.lane) ?? []).toString(),
  );
  assert.deepEqual(opened, payloads);
  return {
    data: rows.map(({ row }) => row.data as Uint8Array),
    keys: rows.map(({ row }) => row.wrapped as Uint8Array),
  };
}

function countPayloads(store: string): number {
  using db = new DatabaseSync(store, { readOnly: true });
  return Number(db.prepare('SELECT count(*) AS n FROM payloads').get()?.n);
}

const total = (found: Record<string, number>): number => Object.values(found).reduce((sum, n) => sum + n, 0);

it('ten minutes after the end, neither the payload as it was encrypted nor its key is in any file of the store', async () => {
  await using bench = await startWithExports();
  const { store, clock, payloads } = bench;
  const { data, keys } = sealedIn(store, bench.masterKey, payloads);
  assert.deepEqual(
    [total(searchStore(store, data)), total(searchStore(store, keys))],
    [3, 3],
    'they can be found',
  );
  await bench.finish();
  assert.ok(
    total(searchStore(store, data)) >= 3,
    'and still right after the end: the log holds earlier states',
  );
  assert.ok(total(searchStore(store, keys)) >= 3);
  clock.advance(10 * MINUTE);
  await until(() => statSync(`${store}-wal`).size === 0);
  assert.deepEqual([searchStore(store, data), searchStore(store, keys)], [{}, {}]);
});

it('what an app exports and what a destination answers cannot be read in any file, before or after', async () => {
  await using bench = await startWithExports();
  const clear = [...bench.payloads, ANSWER].map((text) => Buffer.from(text));
  assert.deepEqual(searchStore(bench.store, clear), {});
  await bench.finish();
  assert.deepEqual(searchStore(bench.store, clear), {});
});

it('with --keep-payloads they stay for that long, and are gone ten minutes later', async () => {
  await using bench = await startWithExports(['--keep-payloads', '2h']);
  const { store, clock, payloads, masterKey } = bench;
  await bench.finish();
  const endedAt = clock.steady();
  clock.advance(119 * MINUTE);
  const { data, keys } = sealedIn(store, masterKey, payloads);
  await until(() => {
    clock.advance(MINUTE / 600);
    return countPayloads(store) === 0;
  });
  assert.ok(clock.steady() - endedAt <= 122 * MINUTE);
  clock.advance(10 * MINUTE);
  await until(() => statSync(`${store}-wal`).size === 0);
  assert.deepEqual([searchStore(store, data), searchStore(store, keys)], [{}, {}]);
});

it('somebody who reads the store for long is told of, and when he has ended the log is emptied', async () => {
  await using bench = await startWithExports();
  const { store, clock, captured } = bench;
  const { keys } = sealedIn(store, bench.masterKey, bench.payloads);
  using reader = new DatabaseSync(store, { readOnly: true });
  reader.exec('BEGIN');
  reader.prepare('SELECT count(*) FROM jobs').get();
  await bench.finish();
  await until(() => {
    clock.advance(MINUTE);
    return captured.stderr.includes('another program has been reading the store');
  });
  assert.equal(total(searchStore(store, keys)), 3);
  reader.exec('COMMIT');
  await until(() => {
    clock.advance(MINUTE);
    return statSync(`${store}-wal`).size === 0;
  });
  assert.deepEqual(searchStore(store, keys), {});
});
