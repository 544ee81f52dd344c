/** Name servers that never answer, and a service that is stopped meanwhile. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TestArbiter } from '../support/arbiter/test-arbiter.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const PROGRAM = fileURLToPath(new URL('../support/names/stop-among-silent-names.ts', import.meta.url));

/** Runs it to its end; a process that something keeps alive is ended by the time-out of the test. */
async function run(...words: string[]): Promise<void> {
  using data = new TemporaryDirectory();
  const child = spawn(process.execPath, [PROGRAM, data.path, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = Promise.all([text(child.stdout), text(child.stderr)]);
  try {
    const [code] = await once(child, 'exit');
    const [stdout, stderr] = await written;
    assert.deepEqual([code, stdout], [0, 'stopped\n'], stderr);
  } finally {
    child.kill('SIGKILL');
  }
}

it('a service whose arbiter has a name that no server answers for stops, and its process ends', async () => {
  await using arbiter = await TestArbiter.start();
  await run('arbiter', arbiter.secretsDir);
});

it('a service that sends to a name that no server answers for stops, and its process ends', async () => {
  await run('destination');
});
