import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Names under which systems have Chromium, or what is made from it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** As root Chromium has no sandbox to lock itself into. In tests only: nobody browses as root. */
const ROOT_FLAGS = ['--no-sandbox'];

/** Starts the system's Chromium. `CHROMIUM` names another one; where there is none, root gets Debian's. */
export async function openBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath: findChromium() ?? installChromium(isRoot),
    args: isRoot ? ROOT_FLAGS : [],
  });
}

function findChromium(): string | null {
  const given = process.env.CHROMIUM;
  if (given !== undefined) return given;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const files = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return files.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @throws Error that says what to install */
function installChromium(isRoot: boolean): string {
  if (isRoot) {
    const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
    for (const words of [['update'], ['install', '--yes', '--no-install-recommends', 'chromium']])
      spawnSync('apt-get', words, options);
  }
  const installed = findChromium();
  if (installed !== null) return installed;
  throw new Error(
    "The tests of the owner's page need Chromium: install the package `chromium`, or name one with CHROMIUM=/path.",
  );
}
