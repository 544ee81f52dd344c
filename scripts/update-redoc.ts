/**
 * Brings another version of Redoc, which draws the API page: `npm run docs:redoc -- VERSION`. Then set REDOC_VERSION and
 * REDOC_SHA256 in src/http/openapi/docs-routes.ts, as printed, and look at the page.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const [version] = process.argv.slice(2);
if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
  throw new Error('Usage: npm run docs:redoc -- VERSION, such as 2.5.4');
}
const assets = join(import.meta.dirname, '..', 'src', 'http', 'openapi', 'assets');
const folder = mkdtempSync(join(tmpdir(), 'redoc-'));
try {
  // npm checks what it fetches against the registry's integrity.
  const npm = ['install', '--prefix', folder, '--ignore-scripts', '--legacy-peer-deps', `redoc@${version}`];
  execFileSync('npm', npm, { stdio: ['ignore', 'ignore', 'inherit'] });
  const bundle = join(folder, 'node_modules', 'redoc', 'bundles', 'redoc.standalone.js');
  const script = readFileSync(bundle);
  for (const old of globSync('redoc-*', { cwd: assets })) rmSync(join(assets, old));
  writeFileSync(join(assets, `redoc-${version}.standalone.js.gz`), gzipSync(script, { level: 9 }));
  const licence = readFileSync(join(folder, 'node_modules', 'redoc', 'LICENSE'), 'utf8');
  const others = readFileSync(`${bundle}.LICENSE.txt`, 'utf8');
  writeFileSync(join(assets, `redoc-${version}.licences.txt`), `${licence}\n${others}`);
  const sha256 = createHash('sha256').update(script).digest('hex');
  process.stdout.write(`REDOC_VERSION = '${version}'\nREDOC_SHA256 = '${sha256}'\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
