import { hash } from 'node:crypto';

/**
 * SHA-256 of bytes, or of a text as UTF-8. The owner's page has a module of its own in place of this one: what is built on
 * it runs in browsers too.
 *
 * Through Latin-1: asked for a buffer, OpenSSL's binding allocates one outside of V8's heap, which measured five times
 * the hash of a node itself. The result lies in the pool that Node's small buffers share: copy it before it changes
 * threads.
 */
export function sha256(input: string | Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', input, 'latin1'), 'latin1');
}
