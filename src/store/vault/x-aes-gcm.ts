import { type Cipheriv, createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';

const KEY_BYTES = 32;
const NONCE_BYTES = 24;
export const TAG_BYTES = 16;
/** In front of everything sealed, so that another algorithm can follow. 1: XAES-256-GCM. */
const VERSION = Buffer.of(1);
/** By how much something sealed is longer than what it holds. */
export const SEAL_BYTES = 1 + NONCE_BYTES + TAG_BYTES;
const BLOCK_BYTES = 16;
/** How much of the nonce goes into the derived key; the rest is AES-GCM's own nonce. */
const DERIVED_NONCE_BYTES = 12;
/** Where it stands in a block. */
const NONCE_AT = BLOCK_BYTES - DERIVED_NONCE_BYTES;
const POOL_BYTES = 4_096;
/** "X": what the derived key is for, as the specification says. */
const LABEL = 0x58;

/**
 * XAES-256-GCM: AES-256-GCM for one key and any number of messages (https://c2sp.org/XAES-256-GCM). Each message has a
 * random nonce of 24 bytes: half of it derives a key of its own (NIST SP 800-108r1, counter mode, with CMAC), half is
 * AES-GCM's nonce. Plain AES-GCM has room for 12 bytes only, which random ones fill after 2^32 messages.
 *
 * Sealed is `version ‖ nonce ‖ ciphertext ‖ tag`: {@link SEAL_BYTES} more than what it holds.
 */
export class XAesGcm {
  /** One object for good: block after block, each by itself, is all that deriving a key asks of it. */
  readonly #cipher: Cipheriv;
  /** What CMAC encrypts, the nonce left out: `counter ‖ "X" ‖ 0`, with CMAC's subkey laid over it. */
  readonly #mask: Uint8Array;
  readonly #blocks = new Uint8Array(2 * BLOCK_BYTES);

  constructor(key: Uint8Array) {
    if (key.byteLength !== KEY_BYTES) throw new TypeError(`A key has ${KEY_BYTES} bytes.`);
    this.#cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
    const subkey = doubled(this.#cipher.update(new Uint8Array(BLOCK_BYTES)));
    this.#mask = Uint8Array.from([...subkey, ...subkey]);
    for (const [at, counter] of [1, 2].entries()) {
      (this.#mask[at * BLOCK_BYTES + 1] as number) ^= counter;
      (this.#mask[at * BLOCK_BYTES + 2] as number) ^= LABEL;
    }
  }

  /** @param context is not kept, and must be the same when it is opened */
  seal(context: string, message: Uint8Array, nonce = randomBytes(NONCE_BYTES)): Uint8Array {
    const cipher = createCipheriv('aes-256-gcm', this.#derive(nonce), nonce.subarray(DERIVED_NONCE_BYTES));
    cipher.setAAD(Buffer.from(context));
    const sealed = cipher.update(message);
    cipher.final();
    return Buffer.concat([VERSION, nonce, sealed, cipher.getAuthTag()]);
  }

  /** @throws Error when it was sealed under another key or context, or was changed since */
  open(context: string, sealed: Uint8Array): Uint8Array {
    if (sealed[0] !== VERSION[0] || sealed.byteLength < SEAL_BYTES) throw new Error('This is not sealed.');
    const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
    const iv = nonce.subarray(DERIVED_NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#derive(nonce), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(-TAG_BYTES));
    const message = decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES));
    decipher.final();
    return message;
  }

  /** The key of one message: CMAC of `counter ‖ "X" ‖ 0 ‖ nonce`, for the counters 1 and 2. */
  #derive(nonce: Uint8Array): Uint8Array {
    const blocks = this.#blocks;
    blocks.set(this.#mask);
    for (let n = 0; n < DERIVED_NONCE_BYTES; n += 1) {
      (blocks[NONCE_AT + n] as number) ^= nonce[n] as number;
      (blocks[BLOCK_BYTES + NONCE_AT + n] as number) ^= nonce[n] as number;
    }
    return this.#cipher.update(blocks);
  }
}

/** Twice a block, in the field of 2^128 elements that CMAC reckons in. */
function doubled(block: Uint8Array): Buffer {
  const isCarried = (block[0] ?? 0) >> 7 === 1;
  const twice = Buffer.from(block.map((byte, index) => (byte << 1) | ((block[index + 1] ?? 0) >> 7)));
  twice[BLOCK_BYTES - 1] = (twice[BLOCK_BYTES - 1] ?? 0) ^ (isCarried ? 0x87 : 0);
  return twice;
}

const pool = Buffer.alloc(POOL_BYTES);
let poolLeft = 0;

/** At most {@link POOL_BYTES} random bytes. Drawn in advance: asking the system for a few takes as long as for many. */
export function randomBytes(bytes: number): Buffer {
  if (poolLeft < bytes) {
    randomFillSync(pool);
    poolLeft = POOL_BYTES;
  }
  const drawn = pool.subarray(poolLeft - bytes, poolLeft);
  poolLeft -= bytes;
  const copy = Buffer.from(drawn);
  // Nobody who reads this memory later is to find a key here.
  drawn.fill(0);
  return copy;
}
