import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

const LOOKS_MAX = 300;
export const LOOK_EVERY_MS = 100;

/** Resolves when something is so that comes about by itself; fails when it has not in half a minute. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    if (await isSo()) return;
    await delay(LOOK_EVERY_MS);
  }
  assert.fail(`it did not come about that ${what}`);
}
