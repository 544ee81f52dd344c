/** Compiles what is published into dist/: there Node runs JavaScript, for it strips no types inside node_modules. */
import { spawnSync } from 'node:child_process';
import { cp, glob, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const dist = join(root, 'dist');

await rm(dist, { recursive: true, force: true });
compile('tsconfig.build.json');
compile('tsconfig.build.client.json');
await copyAssets();
await refuseSourcePaths();

function compile(project: string): void {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status } = spawnSync(process.execPath, [tsc, '--project', project], {
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
