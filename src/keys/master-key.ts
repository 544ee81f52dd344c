import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { StoreKeys } from '../export/job-store.ts';

export const MASTER_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** In front of everything sealed, so that another algorithm can follow. 1: AES-256-GCM. */
const SEAL_VERSION = 1;

/**
 * The service's own key. It lies in a file beside the store and not in it, so that a copy of the store alone gives no
 * secret away. Nothing is encrypted with it directly: each purpose has a key derived from it (HKDF-SHA-256, RFC 5869).
 */
export class MasterKey {
  readonly #sealing: Buffer;
  /** What the store encrypts payloads and answers with. */
  readonly storeKeys: StoreKeys;
  /** What a store's idempotency digests are made with until its first new master key: see `openDigest`. */
  readonly firstDigestKey: Uint8Array;

  constructor(key: Uint8Array) {
    if (key.byteLength !== MASTER_KEY_BYTES)
      throw new TypeError(`A master key has ${MASTER_KEY_BYTES} bytes.`);
    this.#sealing = derive(key, 'seal');
    this.storeKeys = { payloadKeys: derive(key, 'payload keys'), answers: derive(key, 'answers') };
    this.firstDigestKey = derive(key, 'idempotency digest');
  }

  /** Encrypts `secret`; only under the same `name` can it be opened. */
  seal(name: string, secret: Uint8Array): Uint8Array {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#sealing, nonce).setAAD(Buffer.from(name));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([Buffer.of(SEAL_VERSION), nonce, sealed, cipher.getAuthTag()]);
  }

  /** @throws Error when `sealed` was made under another key or name, or was changed */
  open(name: string, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed);
    if (bytes[0] !== SEAL_VERSION || bytes.byteLength < 1 + NONCE_BYTES + TAG_BYTES) {
      throw new Error(`The secret "${name}" in the store is of an unknown form.`);
    }
    const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#sealing, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(name)).setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch (cause) {
      throw new Error(`The secret "${name}" in the store does not open with this key.`, { cause });
    }
  }
}

function derive(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `databox-export-service ${purpose}`, MASTER_KEY_BYTES));
}

/**
 * Reads the master key from its file.
 *
 * @throws Error when the file is not there or holds no key
 */
export function readMasterKey(file: string): MasterKey {
  let key: Buffer;
  try {
    key = readFileSync(file);
  } catch (cause) {
    throw new Error(
      `The key file ${file} cannot be read, and without it the store's secrets cannot be opened. ` +
        'Bring it back from where it was kept, or name it with --key-file.',
      { cause },
    );
  }
  if (key.byteLength !== MASTER_KEY_BYTES) {
    throw new Error(
      `The key file ${file} has ${key.byteLength} bytes and not ${MASTER_KEY_BYTES}: it is no key.`,
    );
  }
  return new MasterKey(key);
}

/** Reads the master key, or makes one (mode 0600, flushed to the disk) when there is no such file. For a new store only. */
export function readOrMakeMasterKey(file: string): MasterKey {
  if (!existsSync(file)) makeKeyFile(file);
  return readMasterKey(file);
}

/** Makes a key in a file that is not there yet. */
export function makeMasterKey(file: string): MasterKey {
  makeKeyFile(file);
  return readMasterKey(file);
}

/**
 * Writes the key under another name and links it into place when it is whole and on the disk: a process that is killed
 * in between leaves no half key behind that the next start could not open. Of two that start together, one's link wins.
 */
function makeKeyFile(file: string): void {
  const draft = `${file}.${process.pid}.new`;
  rmSync(draft, { force: true });
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    writeSync(descriptor, randomBytes(MASTER_KEY_BYTES));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  flushDirectory(dirname(file));
}

/** A new file is safe from a power cut only when its directory is on the disk too. */
export function flushDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
