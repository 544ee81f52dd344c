import type { Request } from 'zeromq';
import type { Cancel, Clock } from '../export/clock.ts';

/** How long ZeroMQ may take to begin anew after a connection was lost; it says so at once when it does. */
const REVIVE_AFTER_MS = 5_000;

export interface ArbiterWatchParts {
  /** Opens a socket that connects to the arbiter. */
  readonly open: () => Request;
  readonly connect: (socket: Request) => void;
  readonly clock: Clock;
  /** Hears each time a connection has come about: at first, and again after it was lost. */
  readonly onConnected: () => void;
}

/**
 * A connection on which nothing is asked, to know when the arbiter went and came back.
 *
 * ZeroMQ connects again by itself when a connection breaks or is refused, but never after one whose other side did not
 * speak as expected, such as another service that had the port for a moment. Then we begin with a new socket.
 */
export class ArbiterWatch implements Disposable {
  readonly #parts: ArbiterWatchParts;
  /** Held here, since a socket that nobody holds is closed with the rest of the garbage. */
  #socket: Request;
  #cancel: Cancel = () => {};

  constructor(parts: ArbiterWatchParts) {
    this.#parts = parts;
    this.#socket = this.#begin();
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#socket.close();
  }

  #begin(): Request {
    const { open, connect, clock, onConnected } = this.#parts;
    const socket = open();
    socket.events.on('handshake', () => {
      this.#cancel();
      onConnected();
    });
    socket.events.on('disconnect', () => {
      if (socket.closed) return;
      this.#cancel();
      this.#cancel = clock.schedule(REVIVE_AFTER_MS, () => {
        socket.close();
        this.#socket = this.#begin();
      });
    });
    socket.events.on('connect:retry', () => this.#cancel());
    connect(socket);
    return socket;
  }
}
