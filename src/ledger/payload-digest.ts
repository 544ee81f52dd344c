import { createHmac } from 'node:crypto';

/** Of the key under which a payload's digest is made: random, of one export only, kept and erased with its payload. */
export const DIGEST_KEY_BYTES = 32;

/** What stands in an entry for a payload. Who has neither the key nor the payload can tell nothing from it. */
export function payloadDigest(key: Uint8Array, payload: Uint8Array): string {
  if (key.byteLength !== DIGEST_KEY_BYTES)
    throw new TypeError(`The key of a digest has ${DIGEST_KEY_BYTES} bytes.`);
  return createHmac('sha256', key).update(payload).digest('base64url');
}
