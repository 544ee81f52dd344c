/**
 * Takes out of node_modules what the service never loads on the platform of an image: `prune-for-image.ts amd64|arm64`,
 * run inside the folder that holds node_modules. zeromq comes with a binary for every platform that there is,
 * OpenTelemetry with each of its modules in three forms; and many a package with what only a compiler or a debugger reads.
 */
import { existsSync, globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Docker's names, and Node's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { amd64: 'x64', arm64: 'arm64' };
/** What zeromq needs of the package that it would be compiled with. */
const LOADER = ['package.json', 'build/loader.js'];
/** Source maps and types, and OpenTelemetry's builds for bundlers: Node takes `build/src`. */
const NEVER_LOADED = [
  '**/*.map',
  '**/*.d.{ts,cts,mts}',
  '@opentelemetry/*/build/esm/**/*.js',
  '@opentelemetry/*/build/esnext/**/*.js',
];

const [platform = ''] = process.argv.slice(2);
const arch = ARCHITECTURES[platform];
if (arch === undefined) throw new Error(`usage: prune-for-image.ts ${Object.keys(ARCHITECTURES).join('|')}`);

const modules = join(process.cwd(), 'node_modules');
const zeromq = join(modules, 'zeromq', 'build');
keepOnly(zeromq, ['manifest.json', binaryFor(arch)]);
keepOnly(join(modules, 'cmake-ts'), LOADER);
rmSync(join(modules, 'node-addon-api'), { recursive: true });
for (const file of globSync(NEVER_LOADED, { cwd: modules })) rmSync(join(modules, file));

/** The one that zeromq's loader tries first: of those for Debian's C library the newest. */
function binaryFor(nodeArch: string): string {
  const manifest: Record<string, string> = JSON.parse(readFileSync(join(zeromq, 'manifest.json'), 'utf8'));
  const fitting = Object.entries(manifest)
    .map(([key, path]) => ({ ...(JSON.parse(key) as Binary), path }))
    .filter(({ os, arch, libc }) => os === 'linux' && arch === nodeArch && libc === 'glibc')
    .sort((a, b) => b.abi - a.abi);
  const [first] = fitting;
  if (first === undefined) throw new Error(`zeromq has no binary for linux ${nodeArch} with glibc`);
  return first.path;
}

interface Binary {
  readonly os: string;
  readonly arch: string;
  readonly libc: string;
  readonly abi: number;
}

/** @throws Error when one of `kept` is not there: then the package has changed, and this script must too */
function keepOnly(folder: string, kept: readonly string[]): void {
  for (const file of kept) {
    if (!existsSync(join(folder, file))) throw new Error(`${join(folder, file)} is not there`);
  }
  for (const entry of globSync('**/*', { cwd: folder, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && !kept.some((file) => path === join(folder, file))) rmSync(path);
  }
}
