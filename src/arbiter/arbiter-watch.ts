import type { Request } from 'zeromq';
import type { Cancel, Clock } from '../export/clock.ts';

/** How long ZeroMQ may take to begin anew after a connection was lost; it says so at once when it does. */
const REVIVE_AFTER_MS = 5_000;
/** How long until a name that could not be resolved is asked about again. */
const LOCATE_AGAIN_MS = 1_000;

export interface ArbiterWatchParts {
  /** The endpoint where the arbiter is now, with an address in it. */
  readonly locate: () => Promise<string>;
  /** Opens a socket that can connect there. */
  readonly open: (endpoint: string) => Request;
  readonly clock: Clock;
  /** Hears each time a connection has come about: at first, and again after it was lost. */
  readonly onConnected: () => void;
}

/** Is kept until it is disposed. */
export interface ArbiterConnection extends Disposable {
  /** Whether it is up now. */
  readonly isConnected: boolean;
}

/**
 * A connection on which nothing is asked, to know when the arbiter went and came back.
 *
 * ZeroMQ connects again by itself when a connection breaks or is refused, to the address that it was given. An arbiter
 * whose container was made anew has another: so it is looked for again each time. Nor does ZeroMQ connect again after a
 * connection whose other side did not speak as expected, such as another service that had the port for a moment. In
 * both cases we begin with a new socket.
 */
export class ArbiterWatch implements ArbiterConnection {
  readonly #parts: ArbiterWatchParts;
  /** Held here, since a socket that nobody holds is closed with the rest of the garbage. */
  #socket: Request | null = null;
  #endpoint = '';
  #isConnected = false;
  #isLocating = false;
  #isDisposed = false;
  #cancel: Cancel = () => {};

  constructor(parts: ArbiterWatchParts) {
    this.#parts = parts;
    void this.#follow();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#close();
  }

  #close(): void {
    this.#cancel();
    this.#socket?.close();
    this.#socket = null;
    this.#isConnected = false;
  }

  /** Goes to where the arbiter is now, unless we are there. */
  async #follow(): Promise<void> {
    if (this.#isLocating) return;
    this.#isLocating = true;
    try {
      const endpoint = await this.#parts.locate();
      if (!this.#isDisposed && !this.#isAt(endpoint)) this.#connect(endpoint);
    } catch {
      // Whoever asks the arbiter hears why; a socket that we have goes on trying where it was.
      if (!this.#isDisposed && this.#socket === null) this.#later(LOCATE_AGAIN_MS);
    } finally {
      this.#isLocating = false;
    }
  }

  #isAt(endpoint: string): boolean {
    return this.#socket !== null && (this.#isConnected || endpoint === this.#endpoint);
  }

  #later(delayMs: number): void {
    this.#cancel();
    this.#cancel = this.#parts.clock.schedule(delayMs, () => {
      this.#close();
      void this.#follow();
    });
  }

  #connect(endpoint: string): void {
    this.#close();
    const socket = this.#parts.open(endpoint);
    this.#socket = socket;
    this.#endpoint = endpoint;
    const isOurs = (): boolean => socket === this.#socket;
    socket.events.on('handshake', () => {
      if (!isOurs()) return;
      this.#cancel();
      this.#isConnected = true;
      this.#parts.onConnected();
    });
    socket.events.on('disconnect', () => {
      if (!isOurs()) return;
      this.#isConnected = false;
      this.#later(REVIVE_AFTER_MS);
    });
    socket.events.on('connect:retry', () => {
      if (!isOurs()) return;
      this.#cancel();
      void this.#follow();
    });
    socket.connect(endpoint);
  }
}
