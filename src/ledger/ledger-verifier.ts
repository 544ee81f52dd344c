import { Erasures } from './erasures.ts';
import { Frontier } from './frontier.ts';
import type { TreeHead } from './proof.ts';
import { isStoredLevel } from './stored-hashes.ts';
import { equalHashes, HASH_BYTES, leafHash, type TreeHash } from './tree-hash.ts';

/** An entry as it is kept. */
export interface KeptEntry {
  /** Its place, as the store says. */
  readonly index: number;
  /** The text that was hashed; null once it is erased. */
  readonly text: string | null;
  /** As the store has it. */
  readonly leafHash: TreeHash;
}

/** A signed head to check against; its signature has been verified. */
export interface KnownHead extends TreeHead {
  /** Where it was found, for messages. */
  readonly where: string;
}

export interface Expectations {
  /** In any order. Those kept where nobody of the box can write are worth most. */
  readonly heads: readonly KnownHead[];
  /** The store's hash of a complete subtree at a stored level, null when it has none; narrows down where a change is. */
  readonly storedNode?: (level: number, index: number) => TreeHash | null;
  /** What the log says that went on from this one; left out for one that is written to. */
  readonly successor?: Successor;
  /** Before which entry texts were erased, as a later log says; 0 when left out. */
  readonly erasedBefore?: number;
}

/** What the first entry of a log says of the one that it went on from. */
export interface Successor {
  /** Its own name. */
  readonly origin: string;
  readonly reason: string;
  /** How many entries were left: no more and no fewer must be there. */
  readonly kept: number;
  /**
   * Of how many entries the last signed head is that it names; 0 when it names none. Those from `kept` up to here were
   * lost, and it admits that. Whoever cuts off a log makes another one begin, which takes the rest for all there was: so
   * a head beyond this is a sign that something was cut off.
   */
  readonly known: number;
}

/**
 * - `changed`: the text is not the one that was hashed.
 * - `removed`: the entry is not there; those after it are.
 * - `reordered`: another entry is in its place, it itself comes later.
 * - `inserted`: an entry is in its place that was not there, or after the end of a log that another one went on from.
 * - `rewritten`: one of these, and the hashes were made to fit; it is one of the entries from `first` to `last`.
 * - `cut_off`: the log ends before it, and a signed head is of a longer one, or the log that went on from it says that
 *   more was left. (Entries after those that are `covered` may
 *   have been rewritten as well: there is no head to tell.)
 * - `wrong_node`: the entries from `first` to `last` hold; the store's hash above them does not, and proofs made with it
 *   would not either.
 */
export type FlawKind =
  | 'changed'
  | 'removed'
  | 'reordered'
  | 'inserted'
  | 'rewritten'
  | 'cut_off'
  | 'wrong_node';

/** The first entry that does not hold. */
export interface Flaw {
  readonly kind: FlawKind;
  readonly first: number;
  /**
   * The same as `first` unless several come into question. Stored nodes narrow it down; nobody has signed these, so
   * whoever falsifies entries and nodes can make it point at others, and cannot make it go away.
   */
  readonly last: number;
  /** A sentence for people. */
  readonly detail: string;
}

export interface Verification {
  /** Null when everything holds. */
  readonly flaw: Flaw | null;
  /** The recomputed head. Of the entries before the flaw, when there is one. */
  readonly head: TreeHead;
  /** Entries that a signed head covers. Those after them hold together, and nothing signed speaks for them yet. */
  readonly covered: number;
  /** Entries of which only the hash is left. */
  readonly erased: number;
  /** The first entry without text that no erasure on record explains; null when there is none. */
  readonly unexplainedErasure: number | null;
}

const PLACE = /^\{"n":(0|[1-9][0-9]{0,15}),/;

/**
 * Recomputes a log from its entries, in the order in which they are kept, and finds the first one that does not hold. It
 * remembers a few numbers, however long the log is.
 *
 * What can be told apart is as much as was not falsified together: the place in an entry's text against its place in the
 * store, the text against the hash beside it, these hashes against the nodes above, and all of it against signed heads.
 */
export class LedgerVerifier {
  readonly #frontier = new Frontier();
  readonly #heads: readonly KnownHead[];
  readonly #expectations: Expectations;
  readonly #erasures: Erasures;
  #nextHead = 0;
  #covered = 0;
  /** The first entries since the last head that held, above which a stored node is another one than recomputed. */
  #doubt: EntryRange | null = null;
  #flaw: Flaw | null = null;

  constructor(expectations: Expectations) {
    this.#expectations = expectations;
    this.#erasures = new Erasures(expectations.erasedBefore);
    this.#heads = expectations.heads.toSorted((one, other) => one.size - other.size);
    this.#checkHeads();
  }

  /** Takes the next entry. After a flaw only what helps to name it is looked at. */
  add(entry: KeptEntry): void {
    if (this.#flaw !== null) {
      if (placeIn(entry.text) === this.#flaw.first) this.#flaw = movedBack(this.#flaw);
      return;
    }
    const { index, text, leafHash: leaf } = entry;
    this.#flaw = flawOf(entry, this.#frontier.size);
    if (this.#flaw !== null) return;
    this.#erasures.add(index, text);
    this.#frontier.append(leaf, (level, place, hash) => this.#checkNode(level, place, hash));
    this.#checkHeads();
  }

  /** To be called once, after the last entry. */
  finish(): Verification {
    this.#flaw ??=
      this.#doubt === null ? this.#wrongEnd() : rewritten(this.#doubt, 'a stored hash above them');
    return {
      flaw: this.#flaw,
      head: { size: this.#frontier.size, root: this.#frontier.root() },
      covered: this.#covered,
      erased: this.#erasures.count,
      unexplainedErasure: this.#erasures.firstUnexplained(),
    };
  }

  /** A wrong node does not say yet whether it or an entry was changed: the next head does. */
  #checkNode(level: number, index: number, hash: TreeHash): void {
    const { storedNode } = this.#expectations;
    if (storedNode === undefined || this.#doubt !== null || !isStoredLevel(level)) return;
    const stored = storedNode(level, index);
    if (stored !== null && equalHashes(stored, hash)) return;
    const leaves = 2 ** level;
    this.#doubt = { first: index * leaves, last: (index + 1) * leaves - 1 };
  }

  /** Compares with every head of the present size. */
  #checkHeads(): void {
    for (; this.#flaw === null; this.#nextHead += 1) {
      const head = this.#heads[this.#nextHead];
      if (head === undefined || head.size > this.#frontier.size) return;
      if (equalHashes(this.#frontier.root(), head.root)) this.#accept(head);
      else this.#reject(head);
    }
  }

  #accept({ size }: KnownHead): void {
    this.#covered = size;
    if (this.#doubt === null) return;
    const { first, last } = this.#doubt;
    this.#flaw = {
      kind: 'wrong_node',
      ...this.#doubt,
      detail: `Entries ${first} to ${last} hold; the hash that the store has above them does not.`,
    };
  }

  #reject({ size, where }: KnownHead): void {
    // What an earlier head covers holds, even if the doubtful node reaches back to it.
    const { first, last } = this.#doubt ?? { first: 0, last: size - 1 };
    const range = { first: Math.max(first, this.#covered), last };
    this.#flaw = rewritten(range, `the head of ${size} entries in ${where}`);
  }

  /** Whether the log ends where it should. */
  #wrongEnd(): Flaw | null {
    const { size } = this.#frontier;
    const { successor } = this.#expectations;
    const last = this.#heads.at(-1);
    if (successor !== undefined && size > successor.kept) return appended(size, successor);
    if (successor !== undefined && size < successor.kept) return shortened(size, successor);
    if (last === undefined || last.size <= Math.max(size, successor?.known ?? 0))
      return this.#forkBeyond(size);
    return successor === undefined ? cutOff(size, last) : unadmitted(size, last, successor);
  }

  /** Heads of what is lost can only be held against each other. */
  #forkBeyond(end: number): Flaw | null {
    const fork = this.#heads.find(({ size, root }, index) => {
      const before = this.#heads[index - 1];
      return size > end && before?.size === size && !equalHashes(before.root, root);
    });
    if (fork === undefined) return null;
    return rewritten({ first: end, last: fork.size - 1 }, `one of two heads of ${fork.size} entries`);
  }
}

/** Entries from `first` to `last`. */
export interface EntryRange {
  readonly first: number;
  readonly last: number;
}

function rewritten({ first, last }: EntryRange, against: string): Flaw {
  const which = first === last ? `Entry ${first} does` : `One of the entries ${first} to ${last} does`;
  return { kind: 'rewritten', first, last, detail: `${which} not fit ${against}.` };
}

function cutOff(size: number, head: KnownHead): Flaw {
  const detail = `The log ends after ${size} entries; the head in ${head.where} is of ${head.size}.`;
  return { kind: 'cut_off', first: size, last: head.size - 1, detail };
}

function shortened(size: number, { origin, kept }: Successor): Flaw {
  const detail = `The log ends after ${size} entries; the log ${origin}, which went on from it, says that ${kept} were left.`;
  return { kind: 'cut_off', first: size, last: kept - 1, detail };
}

function appended(size: number, { origin, kept }: Successor): Flaw {
  const detail =
    `The log ends after ${size} entries; when the log ${origin} went on from it, ${kept} were left, and nothing was added ` +
    `after entry ${kept - 1}.`;
  return { kind: 'inserted', first: kept, last: size - 1, detail };
}

function unadmitted(size: number, head: KnownHead, { origin, reason, kept, known }: Successor): Flaw {
  const names = known === 0 ? 'names no signed head' : `names a head of ${known} as the last that was signed`;
  const detail =
    `Entries ${size} to ${head.size - 1} were signed and are gone: the head in ${head.where} is of ${head.size}. The log ` +
    `${origin}, which went on, does not admit that: it says "${reason}", ${kept} kept, and ${names}.`;
  return { kind: 'cut_off', first: size, last: head.size - 1, detail };
}

/** What is wrong with an entry by itself at a place of the log; null when nothing is. */
function flawOf({ index, text, leafHash: leaf }: KeptEntry, place: number): Flaw | null {
  if (index > place) return flawAt('removed', place);
  if (index < place) return flawAt('inserted', place);
  if (leaf.byteLength !== HASH_BYTES || (text !== null && !equalHashes(leafHash(text), leaf)))
    return flawAt('changed', place);
  const placeInText = placeIn(text);
  if (placeInText === null || placeInText === place) return null;
  return flawAt(placeInText > place ? 'removed' : 'inserted', place);
}

/** The place that a text names itself: null when it is erased, or does not begin like one of ours. */
function placeIn(text: string | null): number | null {
  const [, place] = (text === null ? null : PLACE.exec(text)) ?? [];
  return place === undefined ? null : Number(place);
}

/** What seemed to be missing or changed has come later: somebody moved it. */
function movedBack(flaw: Flaw): Flaw {
  return flaw.kind === 'removed' || flaw.kind === 'changed' ? flawAt('reordered', flaw.first) : flaw;
}

const FLAWS = {
  changed: (place) => `The text of entry ${place} is not the one that was hashed.`,
  removed: (place) => `Entry ${place} is missing; there are entries after it.`,
  reordered: (place) => `Entry ${place} is not in its place; it comes later.`,
  inserted: (place) => `In the place of entry ${place} is one that does not belong there.`,
} as const satisfies Record<string, (place: number) => string>;

function flawAt(kind: keyof typeof FLAWS, place: number): Flaw {
  return { kind, first: place, last: place, detail: FLAWS[kind](place) };
}
