import { hash } from 'node:crypto';

/** A SHA-256. */
export const HASH_BYTES = 32;

/** 32 bytes: of a leaf, a node, or a root. */
export type TreeHash = Uint8Array;

/** The root of a tree without leaves: the SHA-256 of nothing. */
export const EMPTY_ROOT: TreeHash = sha256('');

/** Leaves and nodes are hashed differently, so that no entry can be passed off as a subtree (RFC 6962, section 2.1). */
const LEAF_PREFIX = '\0';
const NODE_PREFIX = 0x01;

const nodeInput = Buffer.alloc(1 + 2 * HASH_BYTES);
nodeInput[0] = NODE_PREFIX;

/** The hash of an entry: of its text as UTF-8. */
export function leafHash(text: string): TreeHash {
  return sha256(LEAF_PREFIX + text);
}

/** The hash of a subtree, given those of its halves. */
export function nodeHash(left: TreeHash, right: TreeHash): TreeHash {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return sha256(nodeInput);
}

export function equalHashes(one: TreeHash, other: TreeHash): boolean {
  return Buffer.compare(one, other) === 0;
}

/**
 * Through Latin-1: asked for a buffer, OpenSSL's binding allocates one outside of V8's heap, which measured five times
 * the hash of a node itself. The result lies in the pool that Node's small buffers share: copy it before it changes
 * threads.
 */
function sha256(input: string | Uint8Array): TreeHash {
  return Buffer.from(hash('sha256', input, 'latin1'), 'latin1');
}
