import type { Server, Socket } from 'node:net';

export interface ConnectionLimits {
  /** Connections that are served at the same time. */
  readonly connectionsMax: number;
  /** Connections that wait for one of those to close; what comes then is closed at once. */
  readonly connectionsQueuedMax: number;
}

/**
 * Keeps a server to so many connections; more wait, first come, first served, until one closes.
 *
 * They wait here and not in the kernel's backlog, because Node has no public way to leave them there: it accepts
 * whatever comes (`maxConnections` then closes it, and its client hears a reset), nothing pauses a server, and closing
 * it and listening again resets all that waits. So a connection over the limit is accepted and not looked at:
 * no parser is made for it, no TLS begins, no time-out runs, and of what it sends only a stream's buffer (64 KiB) is
 * read. For the client that is the same as the backlog: it is connected, and its answer is late. As many wait as would
 * there; the kernel would then let further ones try again by themselves, while here they are closed.
 */
export class ConnectionLimit implements Disposable {
  readonly #server: Server;
  readonly #limits: ConnectionLimits;
  /** What makes a connection one of the server's: its HTTP parser, or its TLS. */
  readonly #serve: (socket: Socket) => void;
  /** In the order of their coming. */
  readonly #waiting = new Set<Socket>();
  #served = 0;
  #isDisposed = false;

  /** Everything that is to hear of connections must have been added to `server` by now. */
  constructor(server: Server, limits: ConnectionLimits) {
    this.#server = server;
    this.#limits = limits;
    const listeners = server.listeners('connection');
    this.#serve = (socket) => {
      for (const listener of listeners) listener.call(this.#server, socket);
    };
    server.removeAllListeners('connection');
    server.on('connection', (socket) => this.#take(socket));
  }

  /** How many are served. */
  get served(): number {
    return this.#served;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Lets nobody wait any more, as a server that closes its port; what is served goes on. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const socket of this.#waiting) socket.destroy();
  }

  #take(socket: Socket): void {
    if (this.#served < this.#limits.connectionsMax) this.#admit(socket);
    else if (this.#waiting.size < this.#limits.connectionsQueuedMax && !this.#isDisposed) this.#queue(socket);
    else socket.destroy();
  }

  #admit(socket: Socket): void {
    this.#served += 1;
    socket.once('close', () => {
      this.#served -= 1;
      this.#admitNext();
    });
    this.#serve(socket);
  }

  #queue(socket: Socket): void {
    this.#waiting.add(socket);
    // Who gives up while waiting leaves the queue; a reset comes as an error first, which nobody else would hear.
    socket.on('error', ignore);
    socket.once('close', () => this.#waiting.delete(socket));
  }

  #admitNext(): void {
    for (const socket of this.#waiting) {
      if (this.#served >= this.#limits.connectionsMax) return;
      this.#waiting.delete(socket);
      if (socket.destroyed) continue;
      socket.off('error', ignore);
      this.#admit(socket);
    }
  }
}

function ignore(): void {}
