import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { KeyRecord, SecretStore, StoreKeys } from '../export/job-store.ts';
import type { KeyChange } from '../export/ledger-store.ts';
import { type Digest, keyedDigest } from './digest.ts';
import { type MasterKey, readMasterKey, readOrMakeMasterKey } from './master-key.ts';
import { nextKeyFile, putNextKeyInPlace } from './next-key.ts';

/** Sealed at the store's creation: what it opens to does not matter, that it opens proves the key. */
const KEY_CHECK = 'key check';
const ROOT_KEY = 'macaroon root key';
const ROOT_KEY_BYTES = 32;
const LEDGER_KEY = 'ledger key';
/** There in a store that once got a new master key. */
const DIGEST_KEY = 'idempotency digest key';

/**
 * The master key of a store. It is made together with a new store only: with a store that exists, a missing or wrong
 * key is an error, because a new one would make its secrets unreadable for good. A change to a new key that was cut off
 * after its commit is completed.
 *
 * @param now wall clock
 * @throws Error that says what is wrong and what to do
 */
export async function openMasterKey(secrets: SecretStore, file: string, now: number): Promise<MasterKey> {
  return (await completeKeyChange(secrets, file)) ?? (await makeStoreKey(secrets, file, now));
}

/**
 * The master key of a store that nobody else uses, in its file also when a change to it was cut off. Null for a store
 * that has none yet.
 *
 * @throws Error that says what is wrong and what to do
 */
export async function completeKeyChange(
  secrets: Pick<SecretStore, 'get'>,
  file: string,
): Promise<MasterKey | null> {
  const check = await secrets.get(KEY_CHECK);
  if (check === null) return null;
  const { key, isNext } = findKey(check, file);
  if (isNext) putNextKeyInPlace(file);
  return key;
}

async function makeStoreKey(secrets: SecretStore, file: string, now: number): Promise<MasterKey> {
  const key = readOrMakeMasterKey(file);
  // Whoever comes first decides; the check then holds for both.
  const stored = await secrets.putIfAbsent(
    KEY_CHECK,
    key.seal(KEY_CHECK, randomBytes(16)),
    made('master', null, now),
  );
  return findKey(stored, file).key;
}

/**
 * The master key of a store that may be in use; nothing is changed.
 *
 * @throws Error that says what is wrong and what to do
 */
export async function readStoreKey(secrets: Pick<SecretStore, 'get'>, file: string): Promise<MasterKey> {
  const check = await secrets.get(KEY_CHECK);
  return check === null ? readMasterKey(file) : findKey(check, file).key;
}

/**
 * What a store encrypts with, for whoever looks at it; null for one without a key, and where there is no key file.
 *
 * @param secret a secret of the store by its name
 * @throws Error when the key is not the store's
 */
export function findStoreKeys(secret: (name: string) => Uint8Array | null, file: string): StoreKeys | null {
  const check = existsSync(file) ? secret(KEY_CHECK) : null;
  return check === null ? null : findKey(check, file).key.storeKeys;
}

function findKey(check: Uint8Array, file: string): { key: MasterKey; isNext: boolean } {
  const key = readMasterKey(file);
  if (opens(key, check)) return { key, isNext: false };
  const next = nextKeyFile(file);
  const nextKey = existsSync(next) ? readMasterKey(next) : null;
  if (nextKey !== null && opens(nextKey, check)) return { key: nextKey, isNext: true };
  throw new Error(
    `The key file ${file} does not belong to this store. Name the right one with --key-file; nothing was changed.`,
  );
}

function opens(key: MasterKey, check: Uint8Array): boolean {
  try {
    key.open(KEY_CHECK, check);
    return true;
  } catch {
    return false;
  }
}

/**
 * What idempotency digests are made with. The key outlives a change of the master key, because digests cannot be made
 * anew: what was digested is gone.
 */
export async function openDigest(secrets: Pick<SecretStore, 'get'>, masterKey: MasterKey): Promise<Digest> {
  const sealed = await secrets.get(DIGEST_KEY);
  return keyedDigest(sealed === null ? masterKey.firstDigestKey : masterKey.open(DIGEST_KEY, sealed));
}

/**
 * The secrets of a store under its next master key, those included that only change hands there.
 *
 * @throws Error when one does not open
 */
export function resealSecrets(
  secrets: ReadonlyMap<string, Uint8Array>,
  from: MasterKey,
  to: MasterKey,
): Map<string, Uint8Array> {
  const opened = new Map([...secrets].map(([name, sealed]) => [name, from.open(name, sealed)]));
  if (!opened.has(DIGEST_KEY)) opened.set(DIGEST_KEY, from.firstDigestKey);
  return new Map([...opened].map(([name, secret]) => [name, to.seal(name, secret)]));
}

/**
 * The macaroon root key of a service that stands alone: made once, kept in the store under the master key.
 * It is text, as the arbiter's keys are.
 */
export async function openRootKey(
  secrets: SecretStore,
  masterKey: MasterKey,
  now: number,
): Promise<Uint8Array> {
  const key = masterKey.seal(ROOT_KEY, Buffer.from(randomBytes(ROOT_KEY_BYTES).toString('base64url')));
  return masterKey.open(
    ROOT_KEY,
    (await secrets.get(ROOT_KEY)) ?? (await secrets.putIfAbsent(ROOT_KEY, key, made('root', null, now))),
  );
}

/** Whether {@link openRootKey} has made one already. */
export async function hasRootKey(secrets: Pick<SecretStore, 'get'>): Promise<boolean> {
  return (await secrets.get(ROOT_KEY)) !== null;
}

/**
 * The seed of the Ed25519 key that signs the ledger's checkpoints: made once, kept in the store under the master key.
 *
 * @param now wall clock
 */
export async function openLedgerSeed(
  secrets: SecretStore,
  masterKey: MasterKey,
  now: number,
): Promise<Uint8Array> {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const sealed = masterKey.seal(LEDGER_KEY, Buffer.from(d, 'base64url'));
  return masterKey.open(
    LEDGER_KEY,
    (await secrets.get(LEDGER_KEY)) ??
      (await secrets.putIfAbsent(LEDGER_KEY, sealed, made('ledger', x, now))),
  );
}

/** @param publicKey in base64url, of keys that have one */
function made(purpose: KeyChange['purpose'], publicKey: string | null, now: number): KeyRecord {
  return { changes: [{ purpose, change: 'made', publicKey, by: null }], now };
}

/** The root key if one was made already. */
export async function findRootKey(
  secrets: Pick<SecretStore, 'get'>,
  keyFile: string,
): Promise<Uint8Array | null> {
  const sealed = await secrets.get(ROOT_KEY);
  return sealed === null ? null : (await readStoreKey(secrets, keyFile)).open(ROOT_KEY, sealed);
}
