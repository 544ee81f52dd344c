import { IncomingMessage } from 'node:http';
import { BoundedBytes } from '../bounded-bytes.ts';

/** With so much of a body that nobody reads, no more is read from its connection. */
const READ_ON_BYTES = 16 * 1_024;

/**
 * A request whose body is kept in one piece until somebody reads it, and then holds back its connection. Node keeps a
 * body in the pieces in which it came: sent in chunks of a byte, 64 KiB take 27 MB, whether or not the request has shown
 * a token.
 */
export class HeldRequest extends IncomingMessage {
  #held: BoundedBytes | null = null;
  #isAwaited = false;
  #hasEnded = false;
  #onHeld: ((more: number) => void) | null = null;

  /** What the part of the body that waits to be read takes of memory. */
  get heldBytes(): number {
    return this.#held?.capacity ?? 0;
  }

  /** `listener` hears by how much that grows, until somebody reads. */
  set onHeld(listener: ((more: number) => void) | null) {
    this.#onHeld = listener;
  }

  /** Called by Node's parser; its answer says whether to read on from the connection. */
  override push(chunk: Uint8Array | null): boolean {
    if (this.#isAwaited || (chunk === null && this.#held === null)) return super.push(chunk);
    if (chunk === null) {
      this.#hasEnded = true;
      return false;
    }
    // What was read from the connection in one go, 64 KiB, is parsed to its end all the same.
    this.#held ??= new BoundedBytes(Number.MAX_SAFE_INTEGER);
    const before = this.#held.capacity;
    this.#held.append(chunk);
    this.#onHeld?.(this.#held.capacity - before);
    // Where nothing is read, nobody notices who has hung up.
    return this.#held.capacity < READ_ON_BYTES;
  }

  /** Called when somebody reads. */
  override _read(size: number): void {
    if (!this.#isAwaited) this.#handOver();
    super._read(size);
  }

  #handOver(): void {
    this.#isAwaited = true;
    const held = this.#held;
    this.#held = null;
    this.#onHeld = null;
    if (held !== null) super.push(held.bytes());
    if (this.#hasEnded) super.push(null);
  }
}
