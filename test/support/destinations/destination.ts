import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** 0 for the first connection that was accepted. */
  readonly connection: number;
}

/** A server on 127.0.0.1 that a test can look into. */
export interface TestDestination extends AsyncDisposable {
  /** Ends in a path, `/in`. */
  readonly url: string;
  readonly port: number;
  /** Requests that arrived whole, in order. */
  readonly received: readonly ReceivedRequest[];
  /** Connections accepted so far. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly openConnections: number;
  /** Resolves as soon as `count` requests have arrived whole. */
  arrived(count: number): Promise<void>;
  /** Resolves as soon as `count` connections have been accepted. */
  accepted(count: number): Promise<void>;
  /** Resolves as soon as no connection is open. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

/** Does whatever the destination is there for. Called for every request, with the raw socket. */
export type RequestListener = (socket: Socket, request: ReceivedRequest) => void;

export interface DestinationOptions {
  readonly onConnection?: (socket: Socket) => void;
  readonly onRequest?: RequestListener;
  readonly tls?: TlsOptions;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default a free one. */
  readonly port?: number;
}

/**
 * Starts a server that speaks by hand, so that it can say what no HTTP library would let it. A closed one has closed
 * all its connections.
 */
export async function startDestination(options: DestinationOptions): Promise<TestDestination> {
  const destination = new RawDestination(options);
  await destination.listen(options.host ?? '127.0.0.1', options.port ?? 0);
  return destination;
}

class RawDestination implements TestDestination {
  readonly #options: DestinationOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiters = new Set<() => void>();
  readonly received: ReceivedRequest[] = [];
  connections = 0;

  constructor(options: DestinationOptions) {
    this.#options = options;
    this.#server = options.tls ? createTlsServer(options.tls) : createServer();
    this.#server.on(options.tls ? 'secureConnection' : 'connection', (socket) => this.#serve(socket));
    // A client that does not trust us goes away in the handshake, as it should.
    this.#server.on('tlsClientError', () => {});
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    const host = address.includes(':') ? `[${address}]` : address;
    return `${this.#options.tls ? 'https' : 'http'}://${host}:${port}/in`;
  }

  async listen(host: string, port: number): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  arrived(count: number): Promise<void> {
    return this.#until(() => this.received.length >= count);
  }

  accepted(count: number): Promise<void> {
    return this.#until(() => this.connections >= count);
  }

  quiet(): Promise<void> {
    return this.#until(() => this.#sockets.size === 0);
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #serve(socket: Socket): void {
    const connection = this.connections++;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#wake();
    });
    this.#options.onConnection?.(socket);
    readRequests(socket, connection, (request) => {
      this.received.push(request);
      this.#options.onRequest?.(socket, request);
      this.#wake();
    });
    this.#wake();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}

function readRequests(
  socket: Socket,
  connection: number,
  onRequest: (request: ReceivedRequest) => void,
): void {
  let unread = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    for (let parsed = parseRequest(unread); parsed !== null; parsed = parseRequest(unread)) {
      unread = unread.subarray(parsed.length);
      onRequest({ ...parsed.request, connection });
    }
  });
}

/** The first request in `bytes`; null while it is not whole. Knows `content-length` alone, all that we send. */
function parseRequest(
  bytes: Buffer,
): { length: number; request: Omit<ReceivedRequest, 'connection'> } | null {
  const headLength = bytes.indexOf('\r\n\r\n') + 4;
  if (headLength < 4) return null;
  const [requestLine = '', ...fields] = bytes.toString('latin1', 0, headLength - 4).split('\r\n');
  const [method = '', path = ''] = requestLine.split(' ');
  const headers = Object.fromEntries(fields.map(parseField));
  const length = headLength + Number(headers['content-length'] ?? 0);
  if (bytes.length < length) return null;
  return { length, request: { method, path, headers, body: bytes.subarray(headLength, length) } };
}

function parseField(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

/** An answer as it goes over the wire, with its `content-length`. */
export function answerText(
  status: string,
  body: string | Uint8Array = '',
  headers: Record<string, string> = {},
): Buffer {
  const content = typeof body === 'string' ? Buffer.from(body) : body;
  const fields = { 'content-length': String(content.length), ...headers };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${head.join('')}\r\n`, 'latin1'), content]);
}
