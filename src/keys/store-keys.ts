import { randomBytes } from 'node:crypto';
import type { SecretStore } from '../export/job-store.ts';
import { type MasterKey, readMasterKey, readOrMakeMasterKey } from './master-key.ts';

/** Sealed at the store's creation: what it opens to does not matter, that it opens proves the key. */
const KEY_CHECK = 'key check';
const ROOT_KEY = 'macaroon root key';
const ROOT_KEY_BYTES = 32;

/**
 * The master key of a store. It is made together with a new store only: with a store that exists, a missing or wrong
 * key is an error, because a new one would make its secrets unreadable for good.
 *
 * @throws Error that says what is wrong and what to do
 */
export async function openMasterKey(secrets: SecretStore, file: string): Promise<MasterKey> {
  const check = await secrets.get(KEY_CHECK);
  const key = check === null ? readOrMakeMasterKey(file) : readMasterKey(file);
  // Whoever comes first decides; the check below then holds for both.
  const stored = check ?? (await secrets.putIfAbsent(KEY_CHECK, key.seal(KEY_CHECK, randomBytes(16))));
  assertOpens(key, stored, file);
  return key;
}

function assertOpens(key: MasterKey, check: Uint8Array, file: string): void {
  try {
    key.open(KEY_CHECK, check);
  } catch (cause) {
    throw new Error(
      `The key file ${file} does not belong to this store. Name the right one with --key-file; nothing was changed.`,
      { cause },
    );
  }
}

/**
 * The macaroon root key of a service that stands alone: made once, kept in the store under the master key.
 * It is text, as the arbiter's keys are.
 */
export async function openRootKey(secrets: SecretStore, masterKey: MasterKey): Promise<Uint8Array> {
  const made = masterKey.seal(ROOT_KEY, Buffer.from(randomBytes(ROOT_KEY_BYTES).toString('base64url')));
  return masterKey.open(
    ROOT_KEY,
    (await secrets.get(ROOT_KEY)) ?? (await secrets.putIfAbsent(ROOT_KEY, made)),
  );
}

/** The root key if one was made already. */
export async function findRootKey(
  secrets: Pick<SecretStore, 'get'>,
  keyFile: string,
): Promise<Uint8Array | null> {
  const sealed = await secrets.get(ROOT_KEY);
  return sealed === null ? null : readMasterKey(keyFile).open(ROOT_KEY, sealed);
}
