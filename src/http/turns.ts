import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HeldRequest } from './held-request.ts';
import type { KeptBytes, Unread } from './unread.ts';

/**
 * With so many requests that wait on a connection, no more is read from it. Not with the first: who has hung up is
 * noticed only where we read.
 */
export const READ_AHEAD_MAX = 16;
/** What a request costs that was parsed and waits: measured on Node 26, 1.5 KiB and its headers. */
const WAITING_REQUEST_BYTES = 2_048;

type Exchange = readonly [request: IncomingMessage, response: ServerResponse];

/** A connection on which a request is worked at. */
interface Line {
  readonly waiting: Exchange[];
  /** Of the bodies of those that wait. */
  bodyBytes: number;
  /** What waits; null where nothing ever did. */
  kept: KeptBytes | null;
}

/**
 * Works at one request of a connection at a time: the next one begins when the answer before it has been taken by the
 * system. Node begins all that are in what it has read, up to thousands, and keeps their answers until their turn comes.
 *
 * What Node has read in one piece (64 KiB) is parsed at once, which cannot be helped; it counts with what is unread.
 */
export class Turns {
  readonly #begin: (exchange: Exchange) => void;
  readonly #unread: Unread;
  readonly #lines = new WeakMap<Socket, Line>();

  /** Everything that is to hear of requests must have been added to `server` by now. */
  constructor(server: Server, unread: Unread) {
    const listeners = server.listeners('request');
    this.#begin = (exchange) => {
      for (const listener of listeners) listener.apply(server, [...exchange]);
    };
    this.#unread = unread;
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#take([request, response]),
    );
  }

  #take(exchange: Exchange): void {
    const [{ socket }] = exchange;
    const line = this.#lines.get(socket);
    if (line === undefined) {
      this.#lines.set(socket, { waiting: [], bodyBytes: 0, kept: null });
      this.#work(exchange);
      return;
    }
    line.waiting.push(exchange);
    hold(exchange, line);
    if (line.waiting.length === READ_AHEAD_MAX) pauseSoon(socket, line);
    line.kept ??= this.#unread.keep(() => socket.destroy());
    count(line);
  }

  #work(exchange: Exchange): void {
    const [{ socket }, response] = exchange;
    response.once('close', () => this.#next(socket));
    this.#begin(exchange);
  }

  #next(socket: Socket): void {
    const line = this.#lines.get(socket);
    if (line === undefined) return;
    // After an answer that says so, the connection is closed, and nobody would hear what comes of further requests.
    const next = socket.writable ? line.waiting.shift() : undefined;
    if (next === undefined) {
      line.waiting.length = 0;
      line.kept?.[Symbol.dispose]();
      this.#lines.delete(socket);
      return;
    }
    line.bodyBytes -= heldBytes(next[0]);
    count(line);
    if (line.waiting.length < READ_AHEAD_MAX) socket.resume();
    else pauseSoon(socket, line);
    this.#work(next);
  }
}

function count({ kept, waiting, bodyBytes }: Line): void {
  kept?.set(waiting.length * WAITING_REQUEST_BYTES + bodyBytes);
}

/** Counts what there will be of its body while it waits. */
function hold([request]: Exchange, line: Line): void {
  if (!(request instanceof HeldRequest)) return;
  request.onHeld = (more) => {
    line.bodyBytes += more;
    count(line);
  };
}

function heldBytes(request: IncomingMessage): number {
  return request instanceof HeldRequest ? request.heldBytes : 0;
}

/** Node itself goes on reading whenever a request was parsed or has ended, and does so in the next tick. */
function pauseSoon(socket: Socket, { waiting }: Line): void {
  process.nextTick(() => {
    if (waiting.length >= READ_AHEAD_MAX) socket.pause();
  });
}
