import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = dirname(import.meta.dirname);
/** Where a checkout's service looks for it. */
export const UI_FOLDER = join(ROOT, 'ui', 'dist');
/** What the page is made from. */
const SOURCES = ['ui/*.*', 'ui/{src,public}/**/*.*', 'src/{ledger,export}/*.ts', 'package-lock.json'];

/**
 * Builds the owner's page.
 *
 * @throws Error when that fails; Vite has said why
 */
export function buildUi(folder = UI_FOLDER): void {
  const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
  const { status } = spawnSync(
    process.execPath,
    [vite, 'build', 'ui', '--outDir', folder, '--logLevel', 'warn'],
    {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  if (status !== 0) throw new Error("The owner's page could not be built.");
  writeFileSync(join(folder, 'licences.txt'), licences());
}

/** Packages whose code is in the page, and so passed on with it: their licences ask to come along. */
const BUNDLED = ['preact', '@preact/signals', '@preact/signals-core', 'uplot'];

function licences(): string {
  const texts = BUNDLED.map((name) => {
    const text = readFileSync(join(ROOT, 'node_modules', name, 'LICENSE'), 'utf8');
    return `${name}\n\n${text.trim()}\n`;
  });
  return texts.join('\n----\n\n');
}

/** Builds it unless it is newer than all that it is made from: several tests may come here at the same time. */
export function ensureUi(): void {
  if (!isFresh()) buildUi();
}

function isFresh(): boolean {
  const page = join(UI_FOLDER, 'index.html');
  if (!existsSync(page)) return false;
  const builtAt = statSync(page).mtimeMs;
  return globSync(SOURCES, { cwd: ROOT }).every((file) => statSync(join(ROOT, file)).mtimeMs <= builtAt);
}

if (import.meta.main) buildUi();
