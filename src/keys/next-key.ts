import { realpathSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { flushDirectory, type MasterKey, makeMasterKey } from './master-key.ts';

/**
 * Where the next master key waits while the store goes over to it. Whichever of the two files opens the store is its
 * key, so the change has one moment at which it happens: the store's commit.
 */
export function nextKeyFile(file: string): string {
  return `${target(file)}.next`;
}

/**
 * Makes the next key beside the present one. What an earlier try left there is overwritten: the store must be known not
 * to be under it.
 */
export function makeNextKey(file: string): MasterKey {
  const next = nextKeyFile(file);
  rmSync(next, { force: true });
  return makeMasterKey(next);
}

/**
 * Puts the next key in the present one's place.
 *
 * @throws Error when the system does not let us; both files are there then
 */
export function putNextKeyInPlace(file: string): void {
  const next = nextKeyFile(file);
  try {
    renameSync(next, target(file));
    flushDirectory(dirname(next));
  } catch (cause) {
    throw new Error(
      `The store is under the new master key in ${next}, and that cannot be put in the place of ${file} ` +
        `(${(cause as Error).message}). Put it there, keeping a copy.`,
      { cause },
    );
  }
}

/** The file itself, where a link leads to it: a rename would only replace the link. */
function target(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
