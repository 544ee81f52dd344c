import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { type Chromium, packagedChromium } from './packaged-chromium.ts';

/** Names under which systems have Chromium, or what is made from it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** As root Chromium has no sandbox to lock itself into. In tests only: nobody browses as root. */
const ROOT_FLAGS = ['--no-sandbox'];

/**
 * Starts Chromium: the one that `CHROMIUM` names, else the one that comes with the packages, else the system's.
 *
 * @throws Error that says what to install
 */
export async function openBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  const { executablePath, env } = findChromium();
  return chromium.launch({ executablePath, env: { ...process.env, ...env }, args: isRoot ? ROOT_FLAGS : [] });
}

function findChromium(): Chromium {
  const given = process.env.CHROMIUM;
  if (given !== undefined) return { executablePath: given, env: {} };
  const found = packagedChromium() ?? systemChromium();
  if (found !== null) return found;
  throw new Error(
    "The tests of the owner's page need Chromium: install the package `chromium`, or name one with CHROMIUM=/path.",
  );
}

function systemChromium(): Chromium | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const files = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const executablePath = files.find(isExecutable);
  return executablePath === undefined ? null : { executablePath, env: {} };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
