import { levelOf } from './arithmetic.ts';
import { rootOf } from './frontier.ts';
import { nodeHash, type TreeHash } from './tree-hash.ts';

/**
 * Which hashes a store keeps: those of the leaves, and of every complete subtree at a level that is a multiple of this,
 * so one for each 16 leaves, one for each 256, and so on: a fifteenth of a hash for each entry besides its own. The
 * levels between are computed when a proof needs them. `docs/ledger.md` compares it with other heights, measured.
 */
export const STORED_LEVELS = 4;

/** Whether a store keeps the hashes of this level. */
export function isStoredLevel(level: number): boolean {
  return level % STORED_LEVELS === 0;
}

/** Leaves from `start` up to `end`, `end` itself not among them. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** Hashes that lie side by side at one stored level. At level 0 they are the leaves'. */
export interface HashRange {
  readonly level: number;
  readonly from: number;
  readonly count: number;
}

/** One complete subtree. */
interface Node {
  readonly level: number;
  readonly index: number;
}

/** Hashes between two wanted ones that are read along, to read once instead of twice. */
const GAP_MAX = 2 ** STORED_LEVELS;

/** What must be read from a store to compute the hashes of these subtrees: few ranges, at most two for each level. */
export function rangesOf(subtrees: readonly LeafRange[]): HashRange[] {
  const ranges = subtrees.flatMap(completeSubtrees).map(storedRange);
  ranges.sort((one, other) => one.level - other.level || one.from - other.from);
  const merged: HashRange[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last === undefined || !isClose(last, range)) merged.push(range);
    else merged[merged.length - 1] = joined(last, range);
  }
  return merged;
}

function isClose(one: HashRange, next: HashRange): boolean {
  return one.level === next.level && next.from - (one.from + one.count) <= GAP_MAX;
}

function joined(one: HashRange, next: HashRange): HashRange {
  const end = Math.max(one.from + one.count, next.from + next.count);
  return { ...one, count: end - one.from };
}

/** The stored hashes below a node. */
function storedRange({ level, index }: Node): HashRange {
  const storedLevel = level - (level % STORED_LEVELS);
  const count = 2 ** (level - storedLevel);
  return { level: storedLevel, from: index * count, count };
}

/** The complete subtrees, the largest first, that leaves beginning at the edge of a subtree make up. */
function completeSubtrees({ start, end }: LeafRange): Node[] {
  const nodes: Node[] = [];
  for (let from = start; from < end; ) {
    const level = levelOf(end - from);
    const leaves = 2 ** level;
    nodes.push({ level, index: from / leaves });
    from += leaves;
  }
  return nodes;
}

/** What was read from a store: a {@link HashRange} and its hashes, in order. */
export interface ReadHashes {
  readonly range: HashRange;
  readonly hashes: readonly TreeHash[];
}

/** Computes the hashes of subtrees from what was read of a store. */
export class StoredHashes {
  readonly #read: readonly ReadHashes[];

  /** @throws Error when a store did not give what it was asked for: it has lost hashes */
  constructor(read: readonly ReadHashes[]) {
    for (const { range, hashes } of read) {
      if (hashes.length === range.count) continue;
      throw new Error(
        `Of ${range.count} hashes of the ledger at level ${range.level} from ${range.from}, ${hashes.length} are there.`,
      );
    }
    this.#read = read;
  }

  /** The hash above these leaves, as the tree has it. */
  hashOf(leaves: LeafRange): TreeHash {
    return rootOf(this.peaksOf(leaves));
  }

  /** The hashes of the complete subtrees that the leaves make up, the largest first. */
  peaksOf(leaves: LeafRange): TreeHash[] {
    return completeSubtrees(leaves).map((node) => this.#node(node));
  }

  #node({ level, index }: Node): TreeHash {
    if (isStoredLevel(level)) return this.#stored(level, index);
    const left = this.#node({ level: level - 1, index: index * 2 });
    return nodeHash(left, this.#node({ level: level - 1, index: index * 2 + 1 }));
  }

  #stored(level: number, index: number): TreeHash {
    for (const { range, hashes } of this.#read) {
      if (range.level !== level) continue;
      const hash = hashes[index - range.from];
      if (hash !== undefined) return hash;
    }
    throw new TypeError(`The hash at level ${level}, ${index} was not read.`);
  }
}

/** What must be read to go on appending to a log of `size` entries: then `peaksOf` gives the frontier's peaks. */
export function rangesOfFrontier(size: number): HashRange[] {
  return rangesOf([{ start: 0, end: size }]);
}
