import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..', '..');

/** As much of CycloneDX 1.5 as is looked at here. */
export interface BillOfMaterials {
  readonly components: readonly Component[];
}

export interface Component {
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly {
    readonly license?: { readonly id?: string };
    readonly expression?: string;
  }[];
}

/**
 * What the service runs with, from the lock file; npm makes it. The packages of development are taken out of the manifest
 * first: `npm sbom --omit dev` also leaves out what development and the service share.
 *
 * @throws Error when npm cannot
 */
export function billOfMaterials(): BillOfMaterials {
  const temporary = mkdtempSync(join(tmpdir(), 'bill-of-materials-'));
  try {
    const { devDependencies: _, ...manifest } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    // npm names the bill after the folder.
    const folder = join(temporary, manifest.name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    cpSync(join(ROOT, 'package-lock.json'), join(folder, 'package-lock.json'));
    npm(folder, 'install', '--package-lock-only', '--offline', '--ignore-scripts', '--no-audit', '--no-fund');
    return JSON.parse(npm(folder, 'sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Its warnings about the machine's Node are left aside; its errors come with the exception. */
function npm(cwd: string, ...args: string[]): string {
  return execFileSync('npm', [...args, '--loglevel', 'error'], { cwd, encoding: 'utf8', stdio: 'pipe' });
}
