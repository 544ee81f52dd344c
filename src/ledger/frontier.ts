import { half, isOdd, subtreeCount } from './arithmetic.ts';
import { EMPTY_ROOT, nodeHash, type TreeHash } from './tree-hash.ts';

/** Called for each subtree that an append completes. `level` 1 holds two leaves, `level` n holds 2^n. */
export type OnNode = (level: number, index: number, hash: TreeHash) => void;

/**
 * The right edge of a tree that grows: the hashes of the complete subtrees that its leaves make up, at most log2(size)
 * of them. All that is needed to append and to tell the root, and nothing that was there before ever changes.
 */
export class Frontier {
  #size: number;
  /** The largest subtree first: one for each bit of the size. */
  readonly #peaks: TreeHash[];

  constructor(size = 0, peaks: readonly TreeHash[] = []) {
    if (peaks.length !== subtreeCount(size)) throw new TypeError(`A tree of ${size} leaves has other peaks.`);
    this.#size = size;
    this.#peaks = [...peaks];
  }

  /** The number of leaves. */
  get size(): number {
    return this.#size;
  }

  get peaks(): readonly TreeHash[] {
    return this.#peaks;
  }

  /** Costs one hash of a node on average, at most log2(size). */
  append(leaf: TreeHash, onNode?: OnNode): void {
    let hash = leaf;
    let level = 0;
    for (let index = this.#size; isOdd(index); index = half(index)) {
      hash = nodeHash(this.#peaks.pop() as TreeHash, hash);
      level += 1;
      onNode?.(level, half(index), hash);
    }
    this.#peaks.push(hash);
    this.#size += 1;
  }

  root(): TreeHash {
    return rootOf(this.#peaks);
  }

  /** One that goes its own way: for a transaction that may be rolled back. */
  copy(): Frontier {
    return new Frontier(this.#size, this.#peaks);
  }
}

/** The root above complete subtrees that lie beside each other, each smaller than the one before. */
export function rootOf(peaks: readonly TreeHash[]): TreeHash {
  const last = peaks.at(-1);
  if (last === undefined) return EMPTY_ROOT;
  return peaks.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), last);
}
