import { Frontier } from '../../src/ledger/frontier.ts';
import { inclusionProof } from '../../src/ledger/proof.ts';
import { type HashRange, isStoredLevel, rangesOf, StoredHashes } from '../../src/ledger/stored-hashes.ts';
import type { TreeHash } from '../../src/ledger/tree-hash.ts';

/** Proves entries of a log of which only the hashes are at hand: 32 bytes for each, and a fifteenth more. */
export class Proofs {
  readonly #frontier = new Frontier();
  /** The hashes at each stored level, in order. */
  readonly #levels: TreeHash[][] = [[]];

  add(leaf: TreeHash): void {
    this.#levels[0]?.push(leaf);
    this.#frontier.append(leaf, (level, _place, hash) => {
      if (!isStoredLevel(level)) return;
      this.#levels[level] ??= [];
      this.#levels[level].push(hash);
    });
  }

  /** The proof that entry `index` is one of the first `size`. */
  of(index: number, size: number): TreeHash[] {
    const subtrees = inclusionProof(index, size);
    const read = rangesOf(subtrees).map((range) => ({ range, hashes: this.#read(range) }));
    const stored = new StoredHashes(read);
    return subtrees.map((leaves) => stored.hashOf(leaves));
  }

  #read({ level, from, count }: HashRange): TreeHash[] {
    return this.#levels[level]?.slice(from, from + count) ?? [];
  }
}
