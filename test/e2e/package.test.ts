import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { firstLineOf } from '../support/first-line.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The Node that runs the tests goes first, as it does for whoever installs a Node that is new enough. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

it('what npm pack gives installs in an empty directory and exports there', async () => {
  using directory = new TemporaryDirectory();
  await run('npm', ['pack', '--pack-destination', directory.path], { cwd: ROOT, env });
  const [tarball] = readdirSync(directory.path);
  await run('npm', ['init', '-y'], { cwd: directory.path, env });
  await run('npm', ['install', '--no-audit', '--no-fund', `./${tarball}`], { cwd: directory.path, env });

  const installed = join(directory.path, 'node_modules', 'databox-export-service');
  assert.deepEqual(readdirSync(installed).sort(), [
    'LICENSE',
    'README.md',
    'bin',
    'dist',
    'package.json',
    'samples',
  ]);
  const bin = join(directory.path, 'node_modules', '.bin', 'export-service');
  const { stdout } = await run(bin, ['demo'], { cwd: directory.path, env });
  assert.match(stdout, /The destination received the very bytes/);

  // The API page is made of files that the build has to bring along.
  const config = ['serve', '--port', '0', '--data-dir', join(directory.path, 'data')];
  const service = spawn(bin, config, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const line = await firstLineOf(service);
    const url = /http:\S+/.exec(line)?.[0];
    for (const path of ['/openapi.json', '/docs', '/docs/page.js', '/docs/page.css', '/ui/']) {
      assert.equal((await fetch(url + path)).status, 200, path);
    }
  } finally {
    service.kill('SIGTERM');
    await once(service, 'exit');
  }
});
