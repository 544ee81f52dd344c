import { createHmac } from 'node:crypto';

/** Digests what is given to it in parts. 32 bytes. */
export type Digest = (...parts: readonly (Uint8Array | string)[]) => Uint8Array;

/** A digest that only who has the key can make, so that nobody can guess at what was digested: HMAC-SHA-256. */
export function keyedDigest(key: Uint8Array): Digest {
  return (...parts) => {
    const hmac = createHmac('sha256', key);
    for (const part of parts) {
      // The length in front keeps ("a", "bc") and ("ab", "c") apart.
      hmac.update(`${Buffer.byteLength(part)}:`).update(part);
    }
    return hmac.digest();
  };
}
