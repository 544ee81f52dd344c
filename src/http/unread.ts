import type { ServerResponse } from 'node:http';

export interface UnreadLimits {
  /** All that waits on our side for clients to read it, in bytes. */
  readonly unreadBytesMax: number;
  /** A client that has not read an answer by then is gone, whatever its connection says. */
  readonly readTimeoutMs: number;
}

/** Something that is kept for one connection. */
interface Kept {
  bytes: number;
  /** Cuts the connection, and with it what is kept. */
  readonly cut: () => void;
}

/** What is kept for one connection counts until it is disposed. */
export interface KeptBytes extends Disposable {
  /** It takes so many bytes now. */
  set(bytes: number): void;
}

/**
 * Keeps what waits for clients to read it within a bound, as `Uploads` does for what comes in. Each client may ask for
 * much and read nothing, on every connection there is. When it gets too much, whoever has not read for the longest is
 * cut off, whatever it is that waits: who reads is done in a moment, so it is never one of those.
 */
export class Unread {
  readonly #limits: UnreadLimits;
  /** The one that has waited for the longest comes first. Empty ones are not in it. */
  readonly #kept = new Set<Kept>();
  #bytesHeld = 0;

  constructor(limits: UnreadLimits) {
    this.#limits = limits;
  }

  /** Of all that waits. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  /** An answer counts until the system has taken all of it, and has so long to be taken. Call it before it is sent. */
  answer(response: ServerResponse, bytes: number): void {
    // Whoever is gone is not told, and nothing is kept for it.
    if (response.destroyed) return;
    const cut = (): void => {
      response.destroy();
    };
    const kept = this.keep(cut);
    const timer = setTimeout(cut, this.#limits.readTimeoutMs);
    timer.unref();
    response.once('close', () => {
      clearTimeout(timer);
      kept[Symbol.dispose]();
    });
    kept.set(bytes);
  }

  /**
   * Counts what is kept for a connection.
   *
   * @param cut is called when it has waited for the longest and all together are too much; it counts no more then
   */
  keep(cut: () => void): KeptBytes {
    const kept: Kept = { bytes: 0, cut };
    let isDisposed = false;
    return {
      set: (bytes) => {
        if (!isDisposed) this.#set(kept, bytes);
      },
      [Symbol.dispose]: () => {
        isDisposed = true;
        this.#set(kept, 0);
      },
    };
  }

  #set(kept: Kept, bytes: number): void {
    const more = bytes - kept.bytes;
    if (more === 0) return;
    kept.bytes = bytes;
    this.#bytesHeld += more;
    // What becomes less is being read: it goes to the end.
    if (more < 0) this.#kept.delete(kept);
    if (bytes > 0) this.#kept.add(kept);
    if (more > 0) this.#makeRoom(kept);
  }

  /** What came last may stay even when it alone is too much: the other bounds say how large it can be. */
  #makeRoom(last: Kept): void {
    for (const kept of this.#kept) {
      if (this.#bytesHeld <= this.#limits.unreadBytesMax) return;
      if (kept === last) continue;
      this.#set(kept, 0);
      kept.cut();
    }
  }
}
