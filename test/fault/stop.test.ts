/** Stops that something stands in the way of: a destination that does not answer, a disk that does not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import { STOP_MARGIN_MS } from '../../src/serve.ts';
import { checkStore } from '../../src/store/sqlite/check.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import { clientFor, ServiceProcess, TEST_FLAGS } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { HANG_WORDS, hangingAt } from './hanging-store.ts';

it('a stop waits for a hanging destination as long as --drain-max, and gives the export back unspent', async () => {
  let isHanging = true;
  await using destination = await startDestination({
    onRequest: (socket) => {
      if (!isHanging) socket.write(answerText('200 OK', 'thanks'));
    },
  });
  await using service = await ServiceProcess.start(['--drain-max', '500ms', '--attempt-timeout', '10m']);
  const app = clientFor(service.url, destination.url);
  const { id } = await app.submit({ destination: destination.url, json: '1', attemptsMax: 1 });
  await destination.arrived(1);
  const startedAt = performance.now();
  assert.equal(await service.end('SIGTERM'), 0, service.written.stderr);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 500, `it ended after ${tookMs} ms`);
  const { problems, exports } = checkStore(`${service.dataDir}/exports.db`);
  assert.deepEqual([problems, exports?.queued, exports?.sending], [[], 1, 0]);

  isHanging = false;
  await service.start();
  const { answer } = await app.wait(id);
  assert.equal(answer.body, 'thanks', 'also at attempts_max 1');
  assert.equal(destination.received.length, 2);
});

it('a stop does not wait for a hanging disk for ever: it says so, ends with an error, and nothing is lost', async () => {
  using directory = new TemporaryDirectory();
  const fifo = directory.file('fifo');
  await using destination = await startDestination({
    onRequest: (socket) => socket.write(answerText('200 OK', 'thanks')),
  });
  const flags = ['--drain-max', '0s', '--attempt-timeout', '10m'];
  await using service = await ServiceProcess.start(flags, TEST_FLAGS, hangingAt(fifo));
  const app = clientFor(service.url, destination.url, { repeat: { triesMax: 1 } });
  const { id } = await app.submit({ destination: destination.url, json: '1' });
  await app.wait(id);
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
  const refused = app.submit({ destination: destination.url, json: '2' }).then(
    () => assert.fail('nothing is accepted that is not on the disk'),
    () => {},
  );
  await service.logged(new RegExp(HANG_WORDS));
  const startedAt = performance.now();
  const code = await service.end('SIGTERM');
  assert.equal(code, null, 'it was killed, and by itself: nobody else did');
  assert.ok(performance.now() - startedAt >= STOP_MARGIN_MS);
  assert.match(service.written.stderr, /the stop hangs/);
  await refused;
  assert.equal(checkStore(`${service.dataDir}/exports.db`).exports?.delivered, 1);
});
