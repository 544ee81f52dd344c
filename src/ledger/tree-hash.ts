import { sha256 } from './sha256.ts';

/** A SHA-256. */
export const HASH_BYTES = 32;

/** 32 bytes: of a leaf, a node, or a root. */
export type TreeHash = Uint8Array;

/** The root of a tree without leaves: the SHA-256 of nothing. */
export const EMPTY_ROOT: TreeHash = sha256('');

/** Leaves and nodes are hashed differently, so that no entry can be passed off as a subtree (RFC 6962, section 2.1). */
const LEAF_PREFIX = '\0';
const NODE_PREFIX = 0x01;

const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES);
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
  return one.byteLength === other.byteLength && one.every((byte, at) => byte === other[at]);
}
