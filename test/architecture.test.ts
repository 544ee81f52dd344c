import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * What a part may import of ours, besides itself. The domain knows no technology, a part imports the domain and never
 * another part, and one file puts them together: docs/ARCHITECTURE.md says why.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/export': [],
  'src/macaroon': [],
  'src/ledger': [],
  'src/addresses': [],
  client: [],
  'client-arbiter': ['src/arbiter', 'src/names', 'src/export/clock.ts'],
  'src/names': ['src/export/clock.ts'],
  'src/auth': ['src/export', 'src/macaroon'],
  'src/checkpoints': ['src/export', 'src/ledger'],
  'src/store': ['src/export', 'src/ledger'],
  'src/arbiter': ['src/export'],
  'src/delivery': ['src/export', 'src/addresses', 'src/bounded-bytes.ts'],
  'src/keys': ['src/export'],
  'src/http': ['src/export', 'src/auth', 'src/bounded-bytes.ts', 'src/version.ts', 'client/wire.ts'],
  'src/tls': ['src/export'],
  'src/config': ['src/addresses'],
  'src/telemetry': ['src/config', 'src/export'],
  // Of the service the page has what is pure: its words for rules and its ledger.
  ui: ['src/ledger', 'src/export/rules.ts'],
};

/** Parts without I/O, and the little that they may use of Node and of packages. */
const MAY_USE: Readonly<Record<string, readonly string[]>> = {
  'src/export': ['node:assert/strict'],
  'src/macaroon': ['node:crypto', 'node:buffer'],
  'src/ledger': ['node:crypto'],
  'src/addresses': ['node:net', 'ipaddr.js'],
  client: [],
  ui: ['preact', 'preact/hooks', '@preact/signals', 'uplot', 'uplot/dist/uPlot.min.css'],
};

const IMPORT =
  /^\s*(?:import|export)\b[^'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|^import\s+'([^']+)'/gm;

function partOf(file: string): string | undefined {
  return Object.keys(MAY_IMPORT).find(
    (part) => file === part || file.startsWith(`${part}/`) || file === `${part}.ts`,
  );
}

function importsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8');
  return [...source.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function productionFiles(): string[] {
  const files = globSync('{src,client,client-arbiter,ui/src}/**/*.{ts,tsx}', { cwd: ROOT });
  return files.filter((file) => !/\.test\.ts$|\/support\/|node_modules/.test(file));
}

/** Why this import may not be; null when it may. */
function objection(file: string, imported: string): string | null {
  const part = partOf(file);
  if (part === undefined) return null;
  if (!imported.startsWith('.')) {
    const allowed = MAY_USE[part];
    return allowed === undefined || allowed.includes(imported) ? null : `${file} uses ${imported}`;
  }
  const target = relative(ROOT, join(ROOT, dirname(file), imported));
  const isOwn = target.startsWith(`${part}/`) || target === `${part}.ts`;
  const isAllowed = MAY_IMPORT[part]?.some(
    (other) => target === other || target.startsWith(`${other}/`) || target === `${other}.ts`,
  );
  return isOwn || isAllowed ? null : `${file} imports ${target}`;
}

it('a part imports the domain and never another part, and the domain does no I/O', () => {
  const files = productionFiles();
  assert.ok(files.length > 80, 'the tree was found');
  const objections = files.flatMap((file) => importsOf(file).map((imported) => objection(file, imported)));
  assert.deepEqual(
    objections.filter((one) => one !== null),
    [],
  );
});

it('would object to what breaks the rule', () => {
  assert.ok(builtinModules.includes('fs'));
  for (const [file, imported] of [
    ['src/export/job.ts', 'node:fs'],
    ['src/export/job.ts', 'undici'],
    ['src/export/job.ts', '../app.ts'],
    ['src/ledger/entry.ts', 'node:sqlite'],
    ['src/ledger/entry.ts', '../export/job.ts'],
    ['src/store/sqlite/writer.ts', '../../delivery/dispatcher.ts'],
    ['src/store/sqlite/writer.ts', '../../config/parse.ts'],
    ['src/http/server.ts', '../../client/export-client.ts'],
    ['src/config/parse.ts', '../store/sqlite/writer.ts'],
    ['src/arbiter/zest.ts', '../macaroon/codec.ts'],
    ['client/index.ts', '../src/export/job.ts'],
    ['ui/src/app.tsx', '../../src/export/job-store.ts'],
    ['ui/src/app.tsx', 'node:fs'],
    ['client-arbiter/index.ts', '../src/keys/ring.ts'],
  ] as const) {
    assert.notEqual(objection(file, imported), null, `${file} -> ${imported}`);
  }
  assert.equal(objection('src/store/sqlite/writer.ts', '../../export/job.ts'), null);
});
