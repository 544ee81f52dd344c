import { readFileSync } from 'node:fs';

/** A token with the verdict of the original, and of a correct re-implementation (the file's note says more). */
export interface TokenVector {
  readonly id: string;
  readonly expect: 'accept' | 'reject';
  readonly why: string;
  readonly key_hex: string;
  readonly token: string;
  readonly context: {
    readonly method: string;
    readonly path: string;
    readonly target: string;
    readonly destination: string;
  };
  /** `accept`, `reject:BODY` or `crash:EXCEPTION`; not there where the original could not be asked. */
  readonly original?: string;
  readonly transport?: string;
}

const file = new URL('../../src/macaroon/vectors/macaroons.json', import.meta.url);

export const TOKEN_VECTORS = (JSON.parse(readFileSync(file, 'utf8')) as { vectors: TokenVector[] }).vectors;

/** The vector of this name. */
export function tokenVector(id: string): TokenVector {
  const vector = TOKEN_VECTORS.find((each) => each.id === id);
  if (vector === undefined) throw new TypeError(`There is no vector ${id}.`);
  return vector;
}
