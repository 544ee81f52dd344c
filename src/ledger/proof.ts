import { half, isCount, isOdd, splitPoint, subtreeCount } from './arithmetic.ts';
import type { LeafRange } from './stored-hashes.ts';
import { EMPTY_ROOT, equalHashes, nodeHash, type TreeHash } from './tree-hash.ts';

/**
 * Proofs of RFC 6962, section 2.1 (RFC 9162 has the same, and the ways to check them that are used here). A proof is made
 * in two steps, so that whoever reads a store may wait for it: which subtrees it consists of, and their hashes.
 */

/**
 * The subtrees whose hashes prove that entry `index` is one of `size`: its sibling first, the root's child last.
 *
 * @throws TypeError when there is no such entry
 */
export function inclusionProof(index: number, size: number): LeafRange[] {
  assertPlace(index, size);
  const proof: LeafRange[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      proof.push({ start: middle, end });
      end = middle;
    } else {
      proof.push({ start, end: middle });
      start = middle;
    }
  }
  return proof.reverse();
}

/**
 * The subtrees whose hashes prove that the log of `size` begins with the one of `oldSize`. None for equal sizes, and none
 * for an old log that was empty.
 *
 * @throws TypeError when the old log is the longer one
 */
export function consistencyProof(oldSize: number, size: number): LeafRange[] {
  if (!isCount(oldSize) || !isCount(size) || oldSize > size) {
    throw new TypeError(`A log of ${size} entries does not begin with one of ${oldSize}.`);
  }
  if (oldSize === 0) return [];
  const proof: LeafRange[] = [];
  let [start, end] = [0, size];
  while (oldSize < end) {
    const middle = start + splitPoint(end - start);
    if (oldSize <= middle) {
      proof.push({ start: middle, end });
      end = middle;
    } else {
      proof.push({ start, end: middle });
      start = middle;
    }
  }
  // Whoever checks the proof has the old root, and needs no hash for a subtree that is the whole old log.
  if (start !== 0) proof.push({ start, end });
  return proof.reverse();
}

export interface Inclusion {
  readonly index: number;
  readonly size: number;
  readonly leaf: TreeHash;
  readonly proof: readonly TreeHash[];
}

/** The root at which an inclusion proof ends (RFC 9162, section 2.1.3.2); null when it is too long, too short, or of no entry. */
export function rootOfInclusion({ index, size, leaf, proof }: Inclusion): TreeHash | null {
  if (!isCount(index) || !isCount(size) || index >= size) return null;
  let [place, last] = [index, size - 1];
  let root = leaf;
  for (const hash of proof) {
    if (last === 0) return null;
    if (isOdd(place) || place === last) {
      root = nodeHash(hash, root);
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      root = nodeHash(root, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 ? root : null;
}

/** A log at a size. */
export interface TreeHead {
  readonly size: number;
  readonly root: TreeHash;
}

/** Whether `proof` shows that the log at `head` begins with the log at `old` (RFC 9162, section 2.1.4.2). */
export function isConsistent(old: TreeHead, head: TreeHead, proof: readonly TreeHash[]): boolean {
  if (!isCount(old.size) || !isCount(head.size) || old.size > head.size) return false;
  if (old.size === head.size) return proof.length === 0 && equalHashes(old.root, head.root);
  if (old.size === 0) return proof.length === 0 && equalHashes(old.root, EMPTY_ROOT);
  const [first, ...rest] = subtreeCount(old.size) === 1 ? [old.root, ...proof] : proof;
  if (first === undefined) return false;
  const roots = climb(old.size, head.size, first, rest);
  return roots !== null && equalHashes(roots.old, old.root) && equalHashes(roots.head, head.root);
}

/** Both roots at which a consistency proof ends; null when it is too long or too short. */
function climb(
  oldSize: number,
  size: number,
  first: TreeHash,
  rest: readonly TreeHash[],
): { old: TreeHash; head: TreeHash } | null {
  let [place, last] = [oldSize - 1, size - 1];
  while (isOdd(place)) [place, last] = [half(place), half(last)];
  let [old, head] = [first, first];
  for (const hash of rest) {
    if (last === 0) return null;
    if (isOdd(place) || place === last) {
      [old, head] = [nodeHash(hash, old), nodeHash(hash, head)];
      while (!isOdd(place) && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      head = nodeHash(head, hash);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 ? { old, head } : null;
}

function assertPlace(index: number, size: number): void {
  if (!isCount(index) || !isCount(size) || index >= size) {
    throw new TypeError(`There is no entry ${index} in a log of ${size}.`);
  }
}
