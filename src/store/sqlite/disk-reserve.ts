import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';

const CHUNK_BYTES = 1_024 ** 2;

/**
 * Ballast: a file that only takes up room beside the store. On a disk that others have filled it is given up, and what
 * was accepted can still be sent and settled in its place.
 */
export class DiskReserve {
  readonly bytes: number;
  readonly #path: string;
  #isHeld: boolean;

  /** Finds the reserve that an earlier process made; makes none. */
  constructor(storePath: string, bytes: number) {
    this.bytes = bytes;
    this.#path = `${storePath}.reserve`;
    this.#isHeld = statSync(this.#path, { throwIfNoEntry: false })?.size === bytes;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Makes the reserve; when there is no room for it after all, nothing stays behind. */
  hold(): boolean {
    if (this.#isHeld) return true;
    try {
      this.#write();
      this.#isHeld = true;
    } catch {
      // A full disk, a quota, a limit on the size of files: whatever it is, there is no reserve.
      this.giveUp();
    }
    return this.#isHeld;
  }

  giveUp(): void {
    this.#isHeld = false;
    rmSync(this.#path, { force: true });
  }

  /** Random bytes: a file system that compresses would keep nothing free for zeros. */
  #write(): void {
    const chunk = randomFillSync(Buffer.allocUnsafe(CHUNK_BYTES));
    const descriptor = openSync(this.#path, 'w', 0o600);
    try {
      for (let left = this.bytes; left > 0; )
        left -= writeSync(descriptor, chunk, 0, Math.min(left, CHUNK_BYTES));
    } finally {
      closeSync(descriptor);
    }
  }
}
