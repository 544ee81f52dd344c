/** What a packager is given: the unit, the layout, the Debian package, the lists of what is inside. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { firstLineOf } from '../support/first-line.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGING = join(ROOT, 'packaging');
const UNIT = join(PACKAGING, 'databox-export-service.service');
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

async function has(command: string): Promise<boolean> {
  return await run(command, ['--version']).then(
    () => true,
    () => false,
  );
}

/** The values of a key of the unit. */
function unitValues(key: string): string[] {
  const lines = readFileSync(UNIT, 'utf8').split('\n');
  return lines.flatMap((line) => (line.startsWith(`${key}=`) ? line.slice(key.length + 1) : []));
}

const hasSystemd = await has('systemd-analyze');
const hasDpkg = await has('dpkg-deb');

describe('the unit', () => {
  it('is one that systemd takes', { skip: !hasSystemd && 'no systemd here' }, async () => {
    using directory = new TemporaryDirectory();
    // The program need not be installed for the rest to be looked at.
    const file = directory.file('databox-export-service.service');
    writeFileSync(
      file,
      readFileSync(UNIT, 'utf8').replace('/usr/bin/node /usr/lib', `${process.execPath} /usr/lib`),
    );
    const { stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
    assert.doesNotMatch(stderr, /databox-export-service/);
  });

  it('is hardened', { skip: !hasSystemd && 'no systemd here' }, async () => {
    const { stdout } = await run('systemd-analyze', ['security', '--offline=true', '--threshold=20', UNIT]);
    assert.match(stdout, /Overall exposure level for databox-export-service\.service: [01]\.\d OK/);
  });

  it('stops by a drain, and does not repeat a start that is set up wrongly', () => {
    assert.deepEqual(unitValues('KillSignal'), ['SIGTERM']);
    assert.deepEqual(unitValues('TimeoutStopSec'), ['45s']);
    assert.deepEqual(unitValues('RestartPreventExitStatus'), ['2']);
  });
});

describe('the Debian package', { skip: !hasDpkg && 'no dpkg-deb here' }, () => {
  let directory: TemporaryDirectory;
  let tree: string;

  before(async () => {
    directory = new TemporaryDirectory();
    tree = join(directory.path, 'tree');
    const script = join(ROOT, 'scripts', 'package-debian.ts');
    await run(process.execPath, [script, 'deb', join(directory.path, 'out')], { env });
    const [file = ''] = readdirSync(join(directory.path, 'out'));
    assert.match(file, /^databox-export-service_\d+\.\d+\.\d+_(?:amd64|arm64)\.deb$/);
    await run('dpkg-deb', ['--raw-extract', join(directory.path, 'out', file), tree]);
  });

  after(() => directory[Symbol.dispose]());

  it('has the layout that its page promises', () => {
    for (const path of [
      'usr/lib/databox-export-service',
      'usr/bin',
      'usr/lib/systemd/system/databox-export-service.service',
      'usr/lib/sysusers.d/databox-export-service.conf',
      'etc/databox-export-service/environment',
      'usr/share/doc/databox-export-service/changelog.gz',
      'usr/share/doc/databox-export-service/copyright',
    ]) {
      const page = readFileSync(join(PACKAGING, 'README.md'), 'utf8');
      const parent = path.replace(/\/(?:changelog\.gz|copyright)$/, '');
      assert.ok(page.includes(`/${parent}`), `packaging/README.md names /${parent}`);
      assert.ok(readdirSync(join(tree, dirname(path))).includes(path.split('/').at(-1) ?? ''), path);
    }
    assert.equal(
      readFileSync(join(tree, 'DEBIAN', 'conffiles'), 'utf8'),
      '/etc/databox-export-service/environment\n',
    );
  });

  it('has no TypeScript and nothing of development', () => {
    const code = join(tree, 'usr', 'lib', 'databox-export-service');
    const files = readdirSync(code, { recursive: true, encoding: 'utf8' });
    const typescript = files.filter(
      (file) =>
        file.endsWith('.ts') && !file.includes('node_modules') && !file.startsWith('dist/docs/examples'),
    );
    assert.deepEqual(typescript, []);
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const modules = readdirSync(join(code, 'node_modules'));
    assert.deepEqual(
      modules.filter((name) => name in devDependencies),
      [],
    );
  });

  it('runs as the unit runs it', async () => {
    const [command = ''] = unitValues('ExecStart');
    const [node = '', ...args] = command.split(' ');
    assert.equal(node, '/usr/bin/node');
    const data = join(directory.path, 'data');
    const service = spawn(
      process.execPath,
      args.map((arg) => arg.replace(/^\/usr/, join(tree, 'usr'))),
      {
        env: { PATH: '/usr/bin', EXPORT_DATA_DIR: data, DATABOX_LOCAL_PORT: '0' },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    try {
      const line = await firstLineOf(service);
      const url = /http:\S+/.exec(line)?.[0];
      assert.equal((await fetch(`${url}/readyz`)).status, 200);
    } finally {
      service.kill('SIGTERM');
      const [code] = await once(service, 'exit');
      assert.equal(code, 0);
    }
  });
});

describe('what is inside', () => {
  it('is listed, all of it, under licences that we know', async () => {
    const { stdout } = await run(process.execPath, [join(ROOT, 'scripts', 'licences.ts'), '--json'], { env });
    const packages: { name: string; version: string; licence: string }[] = JSON.parse(stdout);
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies))
      assert.ok(
        packages.some((one) => one.name === name),
        name,
      );
    assert.deepEqual(
      packages.filter(({ licence }) => licence === 'none stated'),
      [],
    );
  });

  it('is a CycloneDX bill of materials', async () => {
    const { stdout } = await run(process.execPath, [join(ROOT, 'scripts', 'sbom.ts')], { env });
    const bill = JSON.parse(stdout);
    assert.equal(bill.bomFormat, 'CycloneDX');
    assert.equal(bill.metadata.component.name, 'databox-export-service');
    const hashed = bill.components.filter(({ hashes }: { hashes?: unknown[] }) => hashes?.length);
    assert.equal(hashed.length, bill.components.length);
  });
});
