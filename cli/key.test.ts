import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebhookVerifier } from '../client/index.ts';
import { SigningKeys } from '../src/keys/signing-keys.ts';
import { openMasterKey } from '../src/keys/store-keys.ts';
import { SqliteJobStore } from '../src/store/sqlite/sqlite-job-store.ts';
import { runMain } from '../test/support/captured-io.ts';
import * as nasty from '../test/support/destinations/nasty.ts';
import { ManualClock } from '../test/support/manual-clock.ts';
import { clientFor, ROOT_KEY, ServiceProcess, tokenFor } from '../test/support/service.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

test('show tells the same from the store, from the running service, and as the service publishes it', async () => {
  await using service = await ServiceProcess.start();
  const stored = await runMain(['key', 'show', '--data-dir', service.dataDir]);
  assert.match(stored.stdout, /^whpk_[A-Za-z0-9+/]{43}=\n$/);
  assert.deepEqual([stored.code, stored.stderr], [0, '']);
  assert.equal((await runMain(['key', 'show', '--url', service.url])).stdout, stored.stdout);
  assert.equal((await runMain(['key', 'show'], { EXPORT_URL: `${service.url}/` })).stdout, stored.stdout);

  const published = await (await fetch(`${service.url}/.well-known/export-signing-keys`)).json();
  const json = await runMain(['key', 'show', '--json', '--data-dir', service.dataDir]);
  assert.deepEqual(JSON.parse(json.stdout), published);
  assert.equal(await service.end('SIGTERM'), 0);
  await service.start();
  assert.equal((await runMain(['key', 'show', '--url', service.url])).stdout, stored.stdout);
});

test('show has the new key alone on the first line, and the replaced one with its end, after a rotation', async () => {
  using directory = new TemporaryDirectory();
  await using store = await SqliteJobStore.open(directory.file('exports.db'));
  const masterKey = await openMasterKey(store.secrets, directory.file('store.key'), 0);
  const clock = new ManualClock(Date.UTC(2999, 0, 1));
  await (await SigningKeys.open({ secrets: store.secrets, masterKey, clock })).rotate();
  const { stdout } = await runMain(['key', 'show', '--data-dir', directory.path]);
  assert.match(
    stdout,
    /^whpk_[A-Za-z0-9+/]{43}=\nwhpk_[A-Za-z0-9+/]{43}= {2}replaced, signs until 2999-01-02T00:00:00\.000Z\n$/,
  );
});

test('rotate makes a new key beside the old one, signs with both, and needs no token beside the service', async () => {
  await using service = await ServiceProcess.start();
  await using destination = await nasty.answers();
  const flags = ['--url', service.url, '--data-dir', service.dataDir, '--secret', ROOT_KEY];
  const old = (await runMain(['key', 'show', '--url', service.url])).stdout.trim();
  const rotated = await runMain(['key', 'rotate', ...flags]);
  assert.deepEqual([rotated.code, rotated.stderr], [0, '']);
  const [fresh = '', second = ''] = rotated.stdout.split('\n');
  assert.match(fresh, /^whpk_[A-Za-z0-9+/]{43}=$/);
  assert.ok(fresh !== old && second.startsWith(`${old}  replaced, signs until `));
  assert.equal((await runMain(['key', 'show', '--url', service.url])).stdout, rotated.stdout);

  const client = clientFor(service.url, destination.url);
  await client.wait((await client.submit({ destination: destination.url, data: 1 })).id);
  const [delivery] = destination.received;
  assert.ok(delivery);
  for (const keys of [fresh, old]) {
    await new WebhookVerifier({ keys }).verify(delivery.headers, delivery.body);
  }
  const json = await runMain(['key', 'rotate', ...flags, '--json']);
  assert.equal(JSON.parse(json.stdout).keys.length, 3);
});

test('rotate is refused without an owner’s token', async () => {
  await using service = await ServiceProcess.start();
  const app = tokenFor({ destination: 'https://a.example/', method: '*' });
  const { code, stdout, stderr } = await runMain(['key', 'rotate', '--url', service.url], {
    EXPORT_TOKEN: app,
  });
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /caveat_refused/);
  assert.ok(!stderr.includes(app));
});

test('show says what is wrong where there is no key', async () => {
  await using other = await nasty.answers('200 OK', 'hello', { connection: 'close' });
  const foreign = await runMain(['key', 'show', '--url', other.url]);
  assert.deepEqual([foreign.code, foreign.stdout], [1, '']);
  assert.match(foreign.stderr, /is no export service \(HTTP 200\)/);

  const nobody = await runMain(['key', 'show', '--url', await nasty.closedPort()]);
  assert.equal(nobody.code, 1);
  assert.match(
    nobody.stderr,
    /^export-service: No service answers at http:\/\/127\.0\.0\.1:\d+\/in: .*ECONNREFUSED/,
  );

  using directory = new TemporaryDirectory();
  const store = await SqliteJobStore.open(directory.file('exports.db'));
  await store[Symbol.asyncDispose]();
  const fresh = await runMain(['key', 'show', '--data-dir', directory.path]);
  assert.equal(fresh.code, 1);
  assert.match(fresh.stderr, /makes it at its first start/);
});

test('key is called wrongly without show or rotate, with anything else, or with an address that is none', async () => {
  for (const args of [
    ['key'],
    ['key', 'hide'],
    ['key', 'show', 'x'],
    ['key', 'show', '--url', 'export-service:8080'],
  ]) {
    const { code, stdout, stderr } = await runMain(args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, /^export-service: .+\n$/);
  }
  assert.match((await runMain(['key', '--help'])).stdout, /^Usage: export-service key show\|rotate/);
});
