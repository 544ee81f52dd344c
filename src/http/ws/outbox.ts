import { WebSocket } from 'ws';
import type { KeptBytes, Unread } from '../unread.ts';
import type { SocketLimits } from './socket-limits.ts';

type OutboxLimits = Pick<SocketLimits, 'unreadBytesMax' | 'unreadMessagesMax'>;

/** What goes out on one socket. It takes everything, and says when that is more than the client reads. */
export class Outbox {
  readonly #ws: WebSocket;
  readonly #limits: OutboxLimits;
  readonly #onRelief: () => void;
  readonly #kept: KeptBytes;
  /** Messages that the system has not taken yet. */
  #unread = 0;
  #wasFull = false;
  #reliefs = 0;

  /**
   * @param unread counts what it holds, and cuts the socket when that is too much
   * @param onRelief is called when it is no longer full
   */
  constructor(ws: WebSocket, limits: OutboxLimits, unread: Unread, onRelief: () => void) {
    this.#ws = ws;
    this.#limits = limits;
    this.#onRelief = onRelief;
    this.#kept = unread.keep(() => ws.terminate());
    ws.once('close', () => this.#kept[Symbol.dispose]());
  }

  /** Whether the client has to read before more is made for it. */
  get isFull(): boolean {
    const { unreadBytesMax, unreadMessagesMax } = this.#limits;
    const isFull = this.#unread >= unreadMessagesMax || this.#ws.bufferedAmount > unreadBytesMax;
    this.#wasFull ||= isFull;
    return isFull;
  }

  /** How often the client has read a full outbox empty enough: a sign that it is there. */
  get reliefs(): number {
    return this.#reliefs;
  }

  send(text: string): void {
    this.#pass((done) => this.#ws.send(text, done));
  }

  ping(): void {
    this.#pass((done) => this.#ws.ping(undefined, undefined, done));
  }

  /** @param data of the ping, to be echoed */
  pong(data: Buffer): void {
    this.#pass((done) => this.#ws.pong(data, undefined, done));
  }

  /** What is sent on a socket that is closing goes nowhere. */
  #pass(send: (done: () => void) => void): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return;
    this.#unread += 1;
    send(() => {
      this.#unread -= 1;
      this.#count();
      if (!this.#wasFull || this.isFull) return;
      this.#wasFull = false;
      this.#reliefs += 1;
      this.#onRelief();
    });
    this.#count();
  }

  #count(): void {
    this.#kept.set(this.#ws.bufferedAmount);
  }
}
