import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { type Lane, laneKey } from '../../export/job.ts';
import type { StoreKeys } from '../../export/job-store.ts';
import { randomBytes, SEAL_BYTES, TAG_BYTES, XAesGcm } from './x-aes-gcm.ts';

const KEY_BYTES = 32;

/** By how much a sealed payload is longer than the payload. */
export const PAYLOAD_SEAL_BYTES = TAG_BYTES;
/** How long a wrapped key is. */
export const WRAPPED_KEY_BYTES = KEY_BYTES + SEAL_BYTES;

/**
 * AES-GCM's nonce for a payload. A key seals one payload and nothing else, so there is no second message for which the
 * nonce would have to differ.
 */
const ONLY_NONCE = Buffer.alloc(12);

/** What a payload is sealed for: it does not open for another export, nor on the way to another destination. */
export interface PayloadOwner {
  readonly id: string;
  readonly lane: Lane;
}

/** What is kept of a payload. When `wrappedKey` is gone, nobody can read the rest any more, whatever keys they have. */
export interface SealedPayload {
  readonly wrappedKey: Uint8Array;
  readonly data: Uint8Array;
}

/**
 * What a store encrypts with. Each payload has a random key of its own, wrapped under the store's; what destinations
 * said is sealed under another one. Synchronous, and at home in any thread.
 */
export class Vault {
  readonly #payloadKeys: XAesGcm;
  readonly #answers: XAesGcm;

  constructor({ payloadKeys, answers }: StoreKeys) {
    this.#payloadKeys = new XAesGcm(payloadKeys);
    this.#answers = new XAesGcm(answers);
  }

  /** Seals a payload under a new key, which is returned too. */
  sealPayload(owner: PayloadOwner, data: Uint8Array): SealedPayload & { readonly key: PayloadKey } {
    const key = new PayloadKey(randomBytes(KEY_BYTES));
    return { key, data: key.seal(data), wrappedKey: this.wrap(owner, key) };
  }

  /** @throws Error when it was sealed for another export or under another key, or was changed since */
  openPayload(owner: PayloadOwner, { wrappedKey, data }: SealedPayload): Uint8Array {
    return this.unwrap(owner, wrappedKey).open(data);
  }

  wrap(owner: PayloadOwner, key: PayloadKey): Uint8Array {
    return this.#payloadKeys.seal(payloadContext(owner), key.bytes);
  }

  /** @throws Error when it was wrapped for another export or under another key, or was changed since */
  unwrap(owner: PayloadOwner, wrappedKey: Uint8Array): PayloadKey {
    return new PayloadKey(this.#payloadKeys.open(payloadContext(owner), wrappedKey));
  }

  /** Seals what a destination said: `what` and the export's `id` must be the same when it is opened. */
  sealText(what: 'answer' | 'detail', id: string, text: string): Uint8Array {
    return this.#answers.seal(`${what} ${id}`, Buffer.from(text));
  }

  /** @throws Error when it was sealed as something else or under another key, or was changed since */
  openText(what: 'answer' | 'detail', id: string, sealed: Uint8Array): string {
    return Buffer.from(this.#answers.open(`${what} ${id}`, sealed)).toString();
  }
}

/** The random key of one payload. */
export class PayloadKey {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Once only: see {@link ONLY_NONCE}. */
  seal(data: Uint8Array): Uint8Array {
    const cipher = createCipheriv('aes-256-gcm', this.bytes, ONLY_NONCE);
    const sealed = cipher.update(data);
    cipher.final();
    return Buffer.concat([sealed, cipher.getAuthTag()]);
  }

  /** @throws Error when it was sealed under another key, or was changed since */
  open(sealed: Uint8Array): Uint8Array {
    if (sealed.byteLength < TAG_BYTES) throw new Error('This is too short to be a sealed payload.');
    const decipher = createDecipheriv('aes-256-gcm', this.bytes, ONLY_NONCE, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const data = decipher.update(sealed.subarray(0, -TAG_BYTES));
    decipher.final();
    return data;
  }

  /**
   * A digest of the payload for the record of what left: who has the payload and this key can prove that they belong
   * together, and once the key is erased nobody can find the payload by guessing. HMAC-SHA-256 under a key of its own,
   * derived from this one (HKDF's second step, RFC 5869; the first is for keys that are not random). 32 bytes.
   */
  digest(data: Uint8Array): Uint8Array {
    const key = createHmac('sha256', this.bytes).update('databox-export-service payload digest\x01').digest();
    return createHmac('sha256', key).update(data).digest();
  }
}

function payloadContext({ id, lane }: PayloadOwner): string {
  return `payload ${id} ${laneKey(lane)}`;
}
