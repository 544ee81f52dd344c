/**
 * Compiles what is published into dist/: there Node runs JavaScript, for it strips no types inside node_modules.
 *
 * `build.ts --client FOLDER` makes only the folder of the package databox-export-client, to be packed or published, and
 * `build.ts --client-arbiter FOLDER` that of databox-export-arbiter.
 */
import { spawnSync } from 'node:child_process';
import { cp, glob, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildUi } from './ui-build.ts';

const root = dirname(import.meta.dirname);
const dist = join(root, 'dist');

/** The packages that are published besides the service, by their folders here. */
const PACKAGES = ['client', 'client-arbiter'] as const;

const { values } = parseArgs({
  options: { client: { type: 'string' }, 'client-arbiter': { type: 'string' } },
});
const asked = PACKAGES.filter((name) => values[name] !== undefined);
if (asked.length === 0) await buildService();
for (const name of asked) await buildPackage(name, resolve(values[name] ?? ''));

async function buildService(): Promise<void> {
  await rm(dist, { recursive: true, force: true });
  compile('tsconfig.build.json');
  await copyAssets();
  await refuseSourcePaths();
  // Beside the compiled code, as `ui/dist` lies beside the sources.
  buildUi(join(dist, 'ui', 'dist'));
}

/** Its version is the service's, with which it is released. */
async function buildPackage(name: (typeof PACKAGES)[number], folder: string): Promise<void> {
  const manifest = await readManifest(join(root, name));
  const { version } = await readManifest(root);
  await emptyBuiltPackage(folder, manifest.name);
  compile(`tsconfig.build.${name}.json`, '--outDir', folder);
  await nameCompiledDeclarations(folder);
  await writeFile(join(folder, 'package.json'), `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
  await cp(join(root, name, 'README.md'), join(folder, 'README.md'));
  await cp(join(root, 'LICENSE'), join(folder, 'LICENSE'));
}

async function readManifest(folder: string): Promise<{ name: string; version: string }> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
}

/** Somebody may have named a folder that holds something else. */
async function emptyBuiltPackage(folder: string, name: string): Promise<void> {
  const content = await readdir(folder).catch(() => []);
  const isOurs = content.length === 0 || (await readManifest(folder).catch(() => null))?.name === name;
  if (!isOurs) throw new Error(`${folder} holds something else than a built ${name}.`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
}

/** The compiler leaves `.ts` in the imports of declarations, which not every TypeScript follows to `.d.ts`. */
async function nameCompiledDeclarations(folder: string): Promise<void> {
  for await (const file of glob('**/*.d.ts', { cwd: folder })) {
    const text = await readFile(join(folder, file), 'utf8');
    await writeFile(join(folder, file), text.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'"));
  }
}

function compile(project: string, ...flags: string[]): void {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '--project', project, ...flags], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}

/** Files that the code reads from beside itself, such as SQL; the compiler leaves them behind. */
async function copyAssets(): Promise<void> {
  for await (const file of glob('{src,cli,client}/**/*.*', { cwd: root, exclude: isNoAsset })) {
    await cp(join(root, file), join(dist, file));
  }
  // The API page shows them as they are, the TypeScript ones too.
  await cp(join(root, 'docs', 'examples'), join(dist, 'docs', 'examples'), { recursive: true });
}

function isNoAsset(file: string): boolean {
  return /\.ts$|(^|\/)(vectors|support)(\/|$)/.test(file);
}

/** The compiler turns `.ts` into `.js` in imports only: a worker started from a `.ts` URL would be found missing later. */
async function refuseSourcePaths(): Promise<void> {
  for await (const file of glob('**/*.js', { cwd: dist })) {
    const text = await readFile(join(dist, file), 'utf8');
    const found = /new URL\(\s*['"`]\.[^'"`]*\.ts['"`]/.exec(text);
    if (found !== null) throw new Error(`dist/${file} would look for a .ts file: ${found[0]}`);
  }
}
