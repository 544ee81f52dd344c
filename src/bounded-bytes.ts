/**
 * Bytes up to a limit, in one piece. They are copied: a slice of one byte would keep the whole buffer of its read alive,
 * and a list of such slices takes hundreds of times what they hold.
 */
export class BoundedBytes {
  readonly #max: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @param max how many are kept */
  constructor(max: number) {
    this.#max = max;
  }

  /** What it takes of memory: at most twice what it holds. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Takes what there is room for; false when that was not all. */
  append(chunk: Uint8Array): boolean {
    const taken = Math.min(chunk.length, this.#max - this.#length);
    this.#grow(this.#length + taken);
    this.#buffer.set(chunk.subarray(0, taken), this.#length);
    this.#length += taken;
    return taken === chunk.length;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #grow(needed: number): void {
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.alloc(Math.min(Math.max(needed, this.#buffer.length * 2), this.#max));
    grown.set(this.bytes());
    this.#buffer = grown;
  }
}
