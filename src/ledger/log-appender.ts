import { type EventText, entryText } from './entry.ts';
import type { Frontier } from './frontier.ts';
import type { TreeHead } from './proof.ts';
import type { Salts } from './salts.ts';
import { isStoredLevel } from './stored-hashes.ts';
import { leafHash, type TreeHash } from './tree-hash.ts';

/** What a store writes for an entry. */
export interface AppendedEntry {
  readonly index: number;
  readonly text: string;
  readonly leafHash: TreeHash;
  /** The hashes to be stored of subtrees that it completes: none for 15 of 16 entries. */
  readonly nodes: readonly StoredNode[];
}

export interface StoredNode {
  readonly level: number;
  readonly index: number;
  readonly hash: TreeHash;
}

/**
 * Appends to one log, in memory, what a store writes in its transactions: beside each commit and rollback of the store
 * comes one here. Its head is the one of the last commit, so that nothing else is ever signed.
 */
export class LogAppender {
  readonly #salts: Salts;
  #committed: Frontier;
  /** Goes ahead within a transaction. */
  #frontier: Frontier;
  #head: TreeHead | null = null;
  /** Entries of one commit mostly have one time, and writing it down takes as long as hashing an entry. */
  #time = { ms: Number.NaN, text: '' };

  /** @param frontier of the log as the store has it */
  constructor(frontier: Frontier, salts: Salts) {
    this.#salts = salts;
    this.#committed = frontier;
    this.#frontier = frontier.copy();
  }

  /** How many entries the log has, as of the last commit. */
  get size(): number {
    return this.#committed.size;
  }

  /** Whether there are entries that are not committed. */
  get isAhead(): boolean {
    return this.#frontier.size !== this.#committed.size;
  }

  /** What may be signed. */
  get head(): TreeHead {
    this.#head ??= { size: this.#committed.size, root: this.#committed.root() };
    return this.#head;
  }

  /**
   * @param now wall clock
   * @throws MalformedLedgerError when the entry cannot be written: a mistake of ours; nothing is appended then
   */
  append(event: EventText, now: number): AppendedEntry {
    const index = this.#frontier.size;
    const text = entryText({ n: index, time: this.#timeText(now), salt: this.#salts.next() }, event);
    const leaf = leafHash(text);
    const nodes: StoredNode[] = [];
    this.#frontier.append(leaf, (level, place, hash) => {
      if (isStoredLevel(level)) nodes.push({ level, index: place, hash });
    });
    return { index, text, leafHash: leaf, nodes };
  }

  commit(): void {
    if (!this.isAhead) return;
    this.#committed = this.#frontier.copy();
    this.#head = null;
  }

  rollback(): void {
    if (this.isAhead) this.#frontier = this.#committed.copy();
  }

  #timeText(ms: number): string {
    if (ms !== this.#time.ms) this.#time = { ms, text: new Date(ms).toISOString() };
    return this.#time.text;
  }
}
