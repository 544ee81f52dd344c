/**
 * The Chromium that comes with the packages for development, for Linux on x86-64: it needs no rights and nothing of the
 * system but its C library, so that the tests of the owner's page run wherever `npm ci` does.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A browser, and the environment it wants to be started in. */
export interface Chromium {
  readonly executablePath: string;
  readonly env: Readonly<Record<string, string>>;
}

const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const PACKAGE = join(MODULES, '@sparticuz/chromium');
/** The package unpacks its libraries only where it believes itself on the machines that it is made for. */
const WITH_LIBRARIES = { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' };
const UNPACK = "await (await import('@sparticuz/chromium')).default.executablePath()";

/** Unpacks it where that has not been done yet; null on other systems. */
export function packagedChromium(): Chromium | null {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(PACKAGE)) return null;
  const { version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as { version: string };
  const folder = join(MODULES, '.cache', `chromium-${version}`);
  if (!existsSync(folder)) unpackTo(folder);
  return {
    executablePath: join(folder, 'chromium'),
    env: { LD_LIBRARY_PATH: join(folder, 'al2023/lib'), FONTCONFIG_FILE: join(folder, 'fonts.conf') },
  };
}

/** All of it or nothing: several test files may come at the same time, and a run may be stopped half way. */
function unpackTo(folder: string): void {
  mkdirSync(join(folder, '..'), { recursive: true });
  const scratch = mkdtempSync(`${folder}.`);
  try {
    execFileSync(process.execPath, ['--input-type=module', '--eval', UNPACK], {
      cwd: join(MODULES, '..'),
      env: { ...process.env, ...WITH_LIBRARIES, TMPDIR: scratch },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    writeFileSync(join(scratch, 'fonts.conf'), fontsOf(folder));
    renameSync(scratch, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function fontsOf(folder: string): string {
  return [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">',
    `<fontconfig><dir>${join(folder, 'fonts')}</dir><cachedir>${join(folder, 'fonts-cache')}</cachedir></fontconfig>`,
    '',
  ].join('\n');
}
