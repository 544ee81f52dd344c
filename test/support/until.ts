import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

/** Turns of the event loop; what is waited for takes a few. */
const TURNS_MAX = 100_000;

/** Resolves when it is so. Gives up, so that a mistake fails instead of hanging. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    if (await isSo()) return;
    await setImmediate();
  }
  assert.fail('it did not come to pass');
}
