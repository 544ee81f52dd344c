import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type ClientOptions, WebSocket } from 'ws';
import type { WireExport, WireProblem } from '../../../client/wire.ts';
import { DESTINATION, tokenWith } from './http-fixture.ts';

export type WireFrame = WireExport & WireProblem;

/** As the box would grant it for `/ws/export`. */
export const SOCKET_TOKEN = tokenWith({ method: 'GET', path: '/ws/export' });

export interface SocketOptions extends ClientOptions {
  /** The token; null for none. */
  readonly token?: string | null;
  /** `wss` where the server speaks TLS. */
  readonly scheme?: 'ws' | 'wss';
  readonly path?: string;
  readonly protocols?: string[];
}

/** A refusal of the handshake. */
export interface Refusal {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly problem: WireProblem;
}

/** An app's WebSocket, by a client that we have not written, which keeps what it receives. */
export class SocketClient implements AsyncDisposable {
  readonly ws: WebSocket;
  /** Resolves with the close code, and the reason. */
  readonly closed: Promise<[code: number, reason: string]>;
  /** Every text frame so far. */
  readonly texts: string[] = [];
  #taken = 0;
  #arrived = Promise.withResolvers<void>();

  private constructor(ws: WebSocket) {
    this.ws = ws;
    this.closed = new Promise((resolve) => {
      ws.once('close', (code, reason) => resolve([code, reason.toString()]));
    });
    ws.on('message', (data) => {
      this.texts.push(String(data));
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    });
    ws.on('error', () => {});
  }

  /** Opens one; rejects when the handshake is refused. */
  static async open(port: number, options: SocketOptions = {}): Promise<SocketClient> {
    const client = new SocketClient(connect(port, options));
    await once(client.ws, 'open');
    return client;
  }

  /** Asks for one and gets the refusal. */
  static async refused(port: number, options: SocketOptions = {}): Promise<Refusal> {
    const ws = connect(port, options);
    const [, response] = (await once(ws, 'unexpected-response')) as [unknown, IncomingMessage];
    const text = Buffer.concat(await response.toArray()).toString();
    return { status: response.statusCode ?? 0, headers: response.headers, problem: JSON.parse(text) };
  }

  /** A frame: text as it is, and anything else as JSON. */
  send(frame: unknown): void {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The next text frame. */
  async nextText(): Promise<string> {
    while (this.texts.length <= this.#taken) {
      const isOver = Symbol('over');
      if ((await Promise.race([this.#arrived.promise, this.closed.then(() => isOver)])) === isOver)
        throw new Error('The socket closed before another frame came.');
    }
    this.#taken += 1;
    return this.texts[this.#taken - 1] ?? '';
  }

  /** The same, read as JSON. */
  async next(): Promise<WireFrame> {
    return JSON.parse(await this.nextText());
  }

  /** Sends a frame and gives the next one that comes. */
  ask(frame: unknown): Promise<WireFrame> {
    this.send(frame);
    return this.next();
  }

  /** Hands in an export and gives its id. */
  async submit(body: object = {}): Promise<string> {
    const { id, state } = await this.ask({ id: '', uri: DESTINATION, data: '{}', ...body });
    if (state === undefined) throw new Error(`Not taken in: ${this.texts.at(-1)}`);
    return id;
  }

  /** Frames that have come and that no test has looked at: what was sent by the time a ping came back. */
  async unread(): Promise<string[]> {
    const pong = once(this.ws, 'pong');
    this.ws.ping();
    await pong;
    return this.texts.slice(this.#taken);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ws.terminate();
    await this.closed;
  }
}

function connect(port: number, options: SocketOptions): WebSocket {
  const { token = SOCKET_TOKEN, scheme = 'ws', path = '/ws/export', protocols = [], ...rest } = options;
  return new WebSocket(`${scheme}://localhost:${port}${path}`, protocols, {
    family: 4,
    ...rest,
    headers: { ...(token === null ? {} : { 'x-api-key': token }), ...rest.headers },
  });
}
