import type { Counted, Uploads } from '../uploads.ts';

/** Client to server, RFC 6455, section 5.2: two bytes, a mask of four, and for longer ones the length. */
const HEADER_BYTES = 6;
const LONG_LENGTH_BYTES = 2;
const LONGER_LENGTH_BYTES = 8;

/**
 * What one WebSocket's client has sent that is still in memory: a message that has not ended, which the WebSocket library
 * holds, and frames that wait for their turn or are under way. Both count with the bodies of requests.
 */
export class Inbound implements Disposable {
  readonly #unfinished: Counted;
  readonly #frames: Counted;
  #frameBytes = 0;
  /** Bytes that came in, and those of them that belong to what has ended. */
  #received: number;
  #ended = 0;
  /** Whether something ended in the bytes that are looked at. */
  #hasEnded = false;

  /**
   * @param headBytes what came together with the handshake
   * @param onTooMuch the message that has not ended is the largest of all, and there is no room for it
   */
  constructor(uploads: Uploads, headBytes: number, onTooMuch: () => void) {
    this.#received = headBytes;
    this.#unfinished = uploads.count(onTooMuch);
    this.#frames = uploads.count(null);
    this.#tell();
  }

  /** These bytes came, and the library has looked at them. */
  received(bytes: number): void {
    this.#received += bytes;
    // The headers of a message in many pieces are not known; what came before these bytes is none of the next one's.
    if (this.#hasEnded) this.#ended = Math.max(this.#ended, this.#received - bytes);
    this.#hasEnded = false;
    this.#tell();
  }

  /** A message, or a ping or pong in between, has ended. */
  ended(payloadBytes: number): void {
    this.#ended += payloadBytes + headerBytes(payloadBytes);
    this.#hasEnded = true;
  }

  /** A frame is kept until {@link forget}. */
  keep(bytes: number): void {
    this.#frameBytes += bytes;
    this.#frames.set(this.#frameBytes);
  }

  forget(bytes: number): void {
    this.#frameBytes -= bytes;
    this.#frames.set(this.#frameBytes);
  }

  [Symbol.dispose](): void {
    this.#unfinished[Symbol.dispose]();
    this.#frames[Symbol.dispose]();
  }

  #tell(): void {
    this.#unfinished.set(Math.max(this.#received - this.#ended, 0));
  }
}

function headerBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return HEADER_BYTES;
  return HEADER_BYTES + (payloadBytes < 65_536 ? LONG_LENGTH_BYTES : LONGER_LENGTH_BYTES);
}
