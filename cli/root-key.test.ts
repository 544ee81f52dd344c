import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Box, DESTINATION } from '../test/support/arbiter/box.ts';
import { answersCode } from '../test/support/arbiter/test-arbiter.ts';
import { runMain } from '../test/support/captured-io.ts';
import { closedPort } from '../test/support/destinations/nasty.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

/** `root-key refresh` beside the service: only the address has to be named, and where its data is. */
function refresh(box: Box, args: readonly string[] = [], env: Record<string, string> = {}) {
  const flags = ['--url', box.url, '--data-dir', box.dataDir, ...args];
  return runMain(['root-key', 'refresh', ...flags], env);
}

/** A box whose clock goes with the real one, since the command's token is dated by that. */
async function boxOfToday(): Promise<Box> {
  const box = await Box.ready();
  box.clock.jump(Date.now() - box.clock.now());
  return box;
}

test('beside the service it needs no token, gets a new key, and tokens in the field pass on', async () => {
  await using box = await boxOfToday();
  const token = box.token();
  const { code, stdout, stderr } = await refresh(box);
  assert.deepEqual(
    [code, stdout, stderr],
    [0, 'The arbiter gave a new root key: 2 root keys are good now.\n', ''],
  );
  assert.equal(box.arbiter.asks, 2);
  for (const one of [token, box.token()]) assert.equal((await box.export(one)).status, 200);
});

test('--drop-old ends every token in the field', async () => {
  await using box = await boxOfToday();
  const token = box.token();
  const { code, stdout } = await refresh(box, ['--drop-old']);
  assert.equal(code, 0);
  assert.match(stdout, /1 root key is good now, 1 old one was dropped\. Every token in the field has ended/);
  assert.equal((await box.export(token)).code, 'invalid_token');
  assert.equal((await box.export(box.token())).status, 200);
});

test('--json prints the answer of the service', async () => {
  await using box = await boxOfToday();
  assert.deepEqual(JSON.parse((await refresh(box, ['--json'])).stdout), { keys: 2, dropped: 0 });
  const dropped = await refresh(box, ['--json', '--drop-old']);
  assert.deepEqual(JSON.parse(dropped.stdout), { keys: 1, dropped: 2 });
});

test('the token it makes is good for a minute', async () => {
  await using box = await boxOfToday();
  box.clock.jump(61_000);
  const { code, stderr } = await refresh(box);
  assert.equal(code, 1);
  assert.match(stderr, /time < .*caveat_refused, HTTP 401/);
  assert.equal(box.arbiter.asks, 1);
});

test('a token that is given is used: as a flag, from a file, from the environment, in this order', async () => {
  await using box = await boxOfToday();
  using directory = new TemporaryDirectory();
  const owner = box.arbiter.tokenWith({ method: 'POST', path: '/owner/root-key/refresh' }) ?? assert.fail();
  const file = directory.file('token');
  const elsewhere = ['--data-dir', '/nowhere'];
  const called = (args: readonly string[], env: Record<string, string> = {}) =>
    runMain(['root-key', 'refresh', '--url', box.url, ...elsewhere, ...args], env);
  writeFileSync(file, `${owner}\n`);
  assert.equal((await called(['--token', owner], { EXPORT_TOKEN: 'wrong' })).code, 0);
  assert.equal((await called(['--token-file', file], { EXPORT_TOKEN: 'wrong' })).code, 0);
  assert.equal((await called([], { EXPORT_TOKEN: owner, EXPORT_URL: 'http://127.0.0.1:1' })).code, 0);
  const wrong = await called([], { EXPORT_TOKEN: 'wrong' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /malformed_token, HTTP 401/);
  const none = await called([]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no token, and none can be made here: .*\/nowhere.*--token-file/);
});

test("an app's token is refused", async () => {
  await using box = await boxOfToday();
  const { code, stderr } = await refresh(box, ['--token', box.token(DESTINATION)]);
  assert.equal(code, 1);
  assert.match(stderr, /caveat_refused/);
  assert.equal(box.arbiter.asks, 1);
});

test('EXPORT_URL says where the service is', async () => {
  await using box = await boxOfToday();
  const { code } = await runMain(['root-key', 'refresh', '--data-dir', box.dataDir], { EXPORT_URL: box.url });
  assert.equal(code, 0);
});

test('what goes wrong is told in a line, exit code 1', async () => {
  await using box = await boxOfToday();
  box.arbiter.misbehaviour = answersCode(129);
  const refused = await refresh(box);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^export-service: There is no new root key.*129, unauthorized.*HTTP 503\)\n$/);
  const nobody = await runMain([
    'root-key',
    'refresh',
    '--data-dir',
    box.dataDir,
    '--url',
    await closedPort(),
  ]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /No answer from http.*ECONNREFUSED/);
});

test('a service that was given its key has no arbiter to ask', async () => {
  await using box = await Box.open();
  await box.start(['--secret', 'given']);
  box.clock.jump(Date.now() - box.clock.now());
  const { code, stderr } = await refresh(box, ['--secret', 'given']);
  assert.equal(code, 1);
  assert.match(stderr, /has no arbiter/);
});

test('what is called wrongly is refused with what would be right', async () => {
  using directory = new TemporaryDirectory();
  writeFileSync(directory.file('empty'), '\n');
  const wrong: [string[], RegExp][] = [
    [['root-key'], /root-key goes with refresh; root-key --help/],
    [['root-key', 'rotate'], /not "rotate"/],
    [['root-key', 'refresh', 'now'], /now/],
    [['root-key', 'refresh', '--port', '1'], /--port/],
    [['root-key', 'refresh', '--url', 'box'], /--url is no address of a service/],
    [['root-key', 'refresh', '--url', 'ftp://box'], /--url is no address.*http/],
    [['root-key', 'refresh', '--token', 'a', '--token-file', 'b'], /both given/],
    [
      ['root-key', 'refresh', '--token-file', '/nowhere'],
      /--token-file: \/nowhere cannot be read \(ENOENT\)/,
    ],
    [['root-key', 'refresh', '--token-file', directory.file('empty')], /is empty/],
  ];
  for (const [args, message] of wrong) {
    const { code, stderr } = await runMain(args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, message);
  }
  const variable = await runMain(['root-key', 'refresh'], { EXPORT_URL: 'box' });
  assert.match(variable.stderr, /EXPORT_URL is no address/);
});

test('the command has help with an example', async () => {
  for (const args of [
    ['root-key', '--help'],
    ['root-key', 'refresh', '--help'],
    ['help', 'root-key'],
  ]) {
    const { code, stdout } = await runMain(args);
    assert.equal(code, 0);
    assert.match(stdout, /^Usage: export-service root-key refresh/);
    assert.match(stdout, /Examples:\n {2}export-service root-key refresh\n/);
    assert.match(stdout, /--drop-old/);
  }
  assert.match((await runMain(['--help'])).stdout, /root-key +Get a new root key/);
});
