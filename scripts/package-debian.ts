/**
 * Lays the service out as a Debian package does: `package-debian.ts tree|deb FOLDER [--arch amd64|arm64]`. `tree` makes the
 * files under FOLDER, `deb` makes a package there with `dpkg-deb`. packaging/README.md says what goes where.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

const NAME = 'databox-export-service';
const ROOT = resolve(import.meta.dirname, '..');
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

const { values, positionals } = parseArgs({ allowPositionals: true, options: { arch: { type: 'string' } } });
const [what = '', folder = ''] = positionals;
const architecture = values.arch ?? ARCHITECTURES[process.arch] ?? '';
if (!['tree', 'deb'].includes(what) || folder === '' || !Object.values(ARCHITECTURES).includes(architecture))
  throw new Error('usage: package-debian.ts tree|deb FOLDER [--arch amd64|arm64]');

const { version, description } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
if (what === 'tree') await layOut(resolve(folder));
else await makePackage(resolve(folder));

async function makePackage(target: string): Promise<void> {
  const tree = await mkdtemp(join(tmpdir(), `${NAME}-`));
  try {
    await chmod(tree, 0o755);
    await layOut(tree);
    await writeControl(tree);
    await mkdir(target, { recursive: true });
    const file = join(target, `${NAME}_${version}_${architecture}.deb`);
    execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, file], { stdio: 'inherit' });
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
}

/** @throws Error when there is something in the folder already */
async function layOut(tree: string): Promise<void> {
  await mkdir(tree, { recursive: true });
  if ((await readdir(tree)).length > 0) throw new Error(`${tree} is not empty.`);
  await layOutCode(join(tree, 'usr', 'lib', NAME));
  await mkdir(join(tree, 'usr', 'bin'), { recursive: true });
  await symlink(`../lib/${NAME}/bin/export-service.js`, join(tree, 'usr', 'bin', 'export-service'));
  const packaging = join(ROOT, 'packaging');
  await cp(join(packaging, `${NAME}.service`), join(tree, 'usr/lib/systemd/system', `${NAME}.service`));
  await cp(join(packaging, 'sysusers.conf'), join(tree, 'usr/lib/sysusers.d', `${NAME}.conf`));
  await cp(join(packaging, 'environment'), join(tree, 'etc', NAME, 'environment'));
  await layOutDocs(join(tree, 'usr/share/doc', NAME));
}

/** Compiled, with the packages that it runs with, and of zeromq's binaries the one for this architecture. */
async function layOutCode(target: string): Promise<void> {
  run(process.execPath, [join(ROOT, 'scripts', 'build.ts')], ROOT);
  await mkdir(target, { recursive: true });
  for (const name of ['package.json', 'package-lock.json', 'LICENSE', 'bin', 'dist', 'samples'])
    await cp(join(ROOT, name), join(target, name), { recursive: true });
  // npm takes the platform's optional packages for the machine's own; the service has none that it runs with.
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], target);
  run(process.execPath, [join(ROOT, 'scripts', 'prune-for-image.ts'), architecture], target);
  await rm(join(target, 'package-lock.json'));
}

async function layOutDocs(target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const name of ['README.md', 'SECURITY.md', 'docs'])
    await cp(join(ROOT, name), join(target, name), { recursive: true });
  await cp(join(ROOT, 'LICENSE'), join(target, 'copyright'));
  const changelog = join(ROOT, 'CHANGELOG.md');
  if (existsSync(changelog))
    await writeFile(join(target, 'changelog.gz'), gzipSync(await readFile(changelog), { level: 9 }));
}

async function writeControl(tree: string): Promise<void> {
  const control = join(tree, 'DEBIAN');
  await mkdir(control);
  const { size } = await sizeOf(tree);
  const fields = {
    Package: NAME,
    Version: version,
    Architecture: architecture,
    Maintainer: 'Databox export service <databox-export@localhost>',
    'Installed-Size': String(Math.ceil(size / 1_024)),
    Depends: 'nodejs (>= 24.9)',
    Recommends: 'systemd',
    Section: 'net',
    Priority: 'optional',
    Description: description,
  };
  const lines = Object.entries(fields).map(([key, value]) => `${key}: ${value}\n`);
  await writeFile(join(control, 'control'), lines.join(''));
  await writeFile(join(control, 'conffiles'), `/etc/${NAME}/environment\n`);
  for (const script of ['postinst', 'prerm', 'postrm']) {
    await cp(join(ROOT, 'packaging', 'debian', script), join(control, script));
    await chmod(join(control, script), 0o755);
  }
}

async function sizeOf(tree: string): Promise<{ size: number }> {
  const text = execFileSync('du', ['--summarize', '--bytes', tree], { encoding: 'utf8' });
  return { size: Number.parseInt(text, 10) };
}

function run(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
