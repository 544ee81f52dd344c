/** The file that npm links as `export-service`, started as its own process. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../bin/export-service.js', import.meta.url));

/** @param before runs in the new process before the launcher does */
function launch(
  args: readonly string[],
  before = '',
): { status: number | null; stdout: string; stderr: string } {
  const preload = before === '' ? [] : ['--import', `data:text/javascript,${encodeURIComponent(before)}`];
  return spawnSync(process.execPath, [...preload, LAUNCHER, ...args], { encoding: 'utf8' });
}

test('the launcher is executable and says what runs it', () => {
  accessSync(LAUNCHER, constants.X_OK);
  assert.match(readFileSync(LAUNCHER, 'utf8'), /^#!\/usr\/bin\/env node\n/);
});

test('the launcher hands arguments in and results and exit code out', () => {
  const help = launch(['--help']);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^Usage: export-service/);
  assert.equal(help.stderr, '');
  const wrong = launch(['nope']);
  assert.equal(wrong.status, 2);
  assert.equal(wrong.stdout, '');
  assert.match(wrong.stderr, /^export-service: unknown command "nope".*\n$/);
});

/** Asks for help under another version of Node. */
function launchUnder(node: string): ReturnType<typeof launch> {
  return launch(
    ['--help'],
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } })`,
  );
}

test('under an old Node the launcher says in one line how to get a new one, exit code 1', () => {
  for (const node of ['20.20.2', '24.8.0']) {
    const { status, stdout, stderr } = launchUnder(node);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    const version = node.replaceAll('.', '\\.');
    assert.match(
      stderr,
      new RegExp(
        `^export-service: this is Node ${version}, and Node 24\\.9 or newer is needed: .npm ci. .+\\n$`,
      ),
    );
  }
});

test('under the oldest Node that is new enough, and the next major, the launcher runs', () => {
  for (const node of ['24.9.0', '25.0.0']) assert.equal(launchUnder(node).status, 0);
});
