import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { runMain } from '../test/support/captured-io.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import { makeFolder } from './start-up.ts';

/** What `serve` says and ends with when it cannot start. */
function failedStart(directory: TemporaryDirectory, ...flags: string[]) {
  const port = flags.includes('--port') ? [] : ['--port', '0'];
  const dataDir = flags.includes('--data-dir') ? [] : ['--data-dir', directory.file('data')];
  return runMain(['serve', '--log-level', 'silent', ...port, ...dataDir, ...flags]);
}

describe('a start that cannot be', () => {
  it('ends with one line that names the setting, and leaves no store behind', async () => {
    using directory = new TemporaryDirectory();
    const file = directory.file('file');
    writeFileSync(file, 'no certificate');
    const cases: [flags: string[], line: RegExp][] = [
      [['--destination-ca', file], /^export-service: --destination-ca: .*certificate/],
      [['--destination-ca', directory.file('none')], /^export-service: --destination-ca: .*none/],
      [['--secret-file', directory.file('none')], /^export-service: --secret-file: .*none/],
      [['--data-dir', file], /^export-service: .*--data-dir/],
      [['--data-dir', '/proc/none'], /^export-service: .*--data-dir/],
    ];
    for (const [flags, line] of cases) {
      const { code, stderr } = await failedStart(directory, ...flags);
      assert.equal(code, 2, stderr);
      assert.match(stderr, line);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.equal(statSync(directory.file('data'), { throwIfNoEntry: false }), undefined);
    }
  });

  it('names the port that is taken, and the address that is none', async () => {
    using directory = new TemporaryDirectory();
    const taken = createServer().listen(0, '127.0.0.1');
    try {
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      const onTaken = await failedStart(directory, '--port', String(port));
      assert.equal(onTaken.code, 1);
      assert.match(onTaken.stderr, new RegExp(`--port: another program listens on 127.0.0.1:${port}`));
    } finally {
      taken.close();
    }
    const { code, stderr } = await failedStart(directory, '--host', '203.0.113.1');
    assert.equal(code, 2);
    assert.match(stderr, /--host: 203\.0\.113\.1 is no address of this machine/);
  });
});

describe('makeFolder', () => {
  it('makes every folder on the way, for our own user only', () => {
    using directory = new TemporaryDirectory();
    makeFolder(directory.file('a/b/c'));
    makeFolder(directory.file('a/b/c'));
    assert.equal(statSync(directory.file('a/b')).mode & 0o777, 0o700);
  });

  it('does not make do with a file, nor wait for ever where nothing can be made', () => {
    using directory = new TemporaryDirectory();
    writeFileSync(directory.file('file'), '');
    assert.throws(() => makeFolder(directory.file('file')), { code: 'EEXIST' });
    assert.throws(() => makeFolder(directory.file('file/x')), { code: 'ENOTDIR' });
    assert.throws(() => makeFolder('/proc/none/x'));
  });
});
