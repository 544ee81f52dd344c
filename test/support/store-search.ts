import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Long enough not to be there by chance, short enough to lie within a page wherever a long content is cut in pieces. */
const PIECE_BYTES = 24;
const PIECES_EVERY_BYTES = 1_000;

/**
 * The files of a store, whatever the system calls them, that hold a piece of one of these contents, with the number of
 * contents that they hold something of. Contents have 24 bytes at least.
 */
export function searchStore(storePath: string, contents: readonly Uint8Array[]): Record<string, number> {
  const pieces = new Pieces(contents);
  const directory = dirname(storePath);
  const files = readdirSync(directory).filter((name) => name.startsWith(basename(storePath)));
  const found = files.map((name) => [name, pieces.countIn(readFileSync(join(directory, name)))] as const);
  return Object.fromEntries(found.filter(([, count]) => count > 0));
}

/** Pieces from all over some contents: from their beginnings, their ends, and in between. */
class Pieces {
  readonly #contentOf = new Map<string, number>();
  /** Their first four bytes: most places of a file can be passed over by these. */
  readonly #starts = new Set<number>();

  constructor(contents: readonly Uint8Array[]) {
    for (const [index, content] of contents.entries()) {
      const last = content.length - PIECE_BYTES;
      for (let at = 0; at < last; at += PIECES_EVERY_BYTES) this.#add(content, at, index);
      this.#add(content, last, index);
    }
  }

  countIn(file: Buffer): number {
    const found = new Set<number>();
    for (let at = 0; at + PIECE_BYTES <= file.length; at += 1) {
      if (!this.#starts.has(file.readInt32LE(at))) continue;
      const index = this.#contentOf.get(file.toString('latin1', at, at + PIECE_BYTES));
      if (index !== undefined) found.add(index);
    }
    return found.size;
  }

  #add(content: Uint8Array, at: number, index: number): void {
    const piece = Buffer.from(content.subarray(at, at + PIECE_BYTES));
    if (piece.length !== PIECE_BYTES)
      throw new TypeError('What is searched for is too short to be found for sure.');
    this.#contentOf.set(piece.toString('latin1'), index);
    this.#starts.add(piece.readInt32LE(0));
  }
}
