import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import type { Connector } from './connector.ts';
import type { PhaseTimes } from './phase-times.ts';

/** Of an answer's head. Node's own limit, and what common servers allow requests. */
const HEAD_BYTES_MAX = 16 * 1024;

/**
 * How long an unused connection is kept when the destination says nothing about it. Common servers close after 5 s: we
 * go first, because a request sent just when the other side closes is lost.
 */
const IDLE_DEFAULT_MS = 4_000;
/** The same with a `Keep-Alive: timeout=N`: at most this, and this much less than N. */
const IDLE_MAX_MS = 10_000;
const IDLE_HINT_MARGIN_MS = 1_000;

export interface PoolLimits {
  /** Unused connections that are kept to one origin. How many are in use is up to whoever makes the attempts. */
  readonly idlePerOriginMax: number;
  /** Unused connections that are kept at all. */
  readonly idleMax: number;
  /** How long one is kept when the destination says nothing about it; {@link IDLE_DEFAULT_MS} when left out. */
  readonly idleMs?: number;
}

export type RequestOptions = Omit<Dispatcher.RequestOptions, 'origin'>;

/** The request was not opened, because it may not leave any more. */
export class HeldBackError extends Error {
  override readonly name = 'HeldBackError';
}

/**
 * A connection to one origin that carries one request at a time.
 *
 * It is an undici `Client` of its own rather than a place in undici's `Agent`: an agent does not tell which socket a
 * request used, and cannot let go of a request whose connection is still being opened.
 */
export class Connection {
  readonly origin: string;
  readonly #client: Client;
  readonly #connector: Connector;
  #socket: Socket | null = null;
  #address: string | null = null;
  #tlsFingerprint: string | null = null;
  #isReady = false;
  /** What had been read from the socket when the present request was given to it; null when it had yet to be opened. */
  #bytesReadBefore: number | null = null;
  #mayLeave: () => boolean = () => true;
  #times: PhaseTimes | null = null;

  constructor(
    url: URL,
    connector: Connector,
    idleMs: number,
    onDisconnect: (connection: Connection) => void,
  ) {
    this.origin = url.origin;
    this.#connector = connector;
    this.#client = new Client(url.origin, {
      connect: (origin, callback) => {
        this.#open(origin, callback);
      },
      allowH2: false,
      pipelining: 1,
      maxHeaderSize: HEAD_BYTES_MAX,
      // The attempt has one deadline over everything; two more clocks would only compete with it.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: idleMs,
      keepAliveMaxTimeout: IDLE_MAX_MS,
      keepAliveTimeoutThreshold: IDLE_HINT_MARGIN_MS,
    });
    this.#client.on('disconnect', () => onDisconnect(this));
  }

  get isOpen(): boolean {
    return this.#isReady && this.#socket?.destroyed === false;
  }

  /** The far end of the socket; null before there was one. */
  get address(): string | null {
    return this.#address;
  }

  /**
   * SHA-256 of the certificate that the far end has shown, in lower-case hex: of one that was refused too. Null without
   * TLS, and when it had shown none.
   */
  get tlsFingerprint(): string | null {
    return this.#tlsFingerprint;
  }

  /** Whether the request may have been written. */
  get mayHaveSent(): boolean {
    return this.#isReady;
  }

  /** Whether anything came back for the present request. */
  get hasAnswerBegun(): boolean {
    return this.#socket !== null && this.#socket.bytesRead > (this.#bytesReadBefore ?? 0);
  }

  /**
   * @param mayLeave asked just before the request is written: at once over an open connection, or when it has been opened
   * @param times told what the request comes to, up to its being written
   * @throws HeldBackError when it may not
   */
  async request(
    options: RequestOptions,
    mayLeave: () => boolean,
    times: PhaseTimes | null = null,
  ): Promise<Dispatcher.ResponseData> {
    this.#mayLeave = mayLeave;
    this.#times = times;
    if (!this.isOpen) this.#forgetSocket();
    else if (!mayLeave()) throw new HeldBackError();
    else times?.begin('wait');
    this.#bytesReadBefore = this.#socket?.bytesRead ?? null;
    return this.#client.request(options);
  }

  /** Lets go at once, whatever the connection is doing; resolves when it is closed. Harmless when repeated. */
  async destroy(): Promise<void> {
    // undici leaves a socket that is still being opened to itself.
    this.#socket?.destroy();
    await this.#client.destroy();
  }

  #open(origin: Parameters<Connector['open']>[0], callback: (...result: ConnectResult) => void): void {
    this.#forgetSocket();
    const times = this.#times;
    this.#socket = this.#connector.open(origin, {
      onLookUp: () => times?.begin('dns'),
      onConnect: () => times?.begin('connect'),
      onAddress: (address) => {
        this.#address = address;
        if (origin.protocol === 'https:') times?.begin('tls');
      },
      onCertificate: (certificate) => {
        this.#tlsFingerprint = fingerprintOf(certificate);
      },
      onReady: (socket) => {
        if (!this.#mayLeave()) {
          socket.destroy();
          callback(new HeldBackError(), null);
          return;
        }
        this.#isReady = true;
        times?.begin('wait');
        callback(null, socket);
      },
      onFailed: (error) => callback(error, null),
    });
  }

  /** undici opens another one by itself when the old one turns out to be closed before it has written. */
  #forgetSocket(): void {
    this.#socket = null;
    this.#address = null;
    this.#tlsFingerprint = null;
    this.#isReady = false;
    this.#bytesReadBefore = null;
  }
}

function fingerprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

type ConnectResult = [null, Socket] | [Error, null];

/** Connections, those in use and those kept for the next attempt to the same origin. */
export class ConnectionPool implements AsyncDisposable {
  readonly #connector: Connector;
  readonly #limits: PoolLimits;
  readonly #all = new Set<Connection>();
  readonly #idle = new IdleConnections();
  #isDisposed = false;

  constructor(connector: Connector, limits: PoolLimits) {
    this.#connector = connector;
    this.#limits = limits;
  }

  /** A connection for one request, the one used last if any is kept. To be given to `release` or `discard`. */
  acquire(url: URL): Connection {
    return this.#idle.takeNewest(url.origin) ?? this.open(url);
  }

  /** A connection whose socket is yet to be opened. */
  open(url: URL): Connection {
    const { idleMs = IDLE_DEFAULT_MS } = this.#limits;
    const connection = new Connection(url, this.#connector, idleMs, (closed) => {
      if (this.#idle.delete(closed)) this.discard(closed);
    });
    this.#all.add(connection);
    return connection;
  }

  /** How many connections are kept unused. */
  get idle(): number {
    return this.#idle.size;
  }

  /** Takes a connection back whose answer was read to the end. */
  release(connection: Connection): void {
    if (this.#isDisposed || !connection.isOpen) {
      this.discard(connection);
      return;
    }
    this.#idle.add(connection);
    for (const surplus of this.#idle.takeSurplus(connection.origin, this.#limits)) this.discard(surplus);
  }

  /** Closes a connection at once. Harmless when repeated. */
  discard(connection: Connection): void {
    this.#idle.delete(connection);
    this.#all.delete(connection);
    void connection.destroy();
  }

  /** Closes all connections, those in use too. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await Promise.all([...this.#all].map((connection) => connection.destroy()));
  }
}

/** Unused connections by origin; origins and connections each with the one used longest ago first. */
class IdleConnections {
  readonly #byOrigin = new Map<string, Connection[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(connection: Connection): void {
    const kept = this.#byOrigin.get(connection.origin) ?? [];
    kept.push(connection);
    // Again at the end: a map keeps the order of insertion.
    this.#byOrigin.delete(connection.origin);
    this.#byOrigin.set(connection.origin, kept);
    this.#size += 1;
  }

  delete(connection: Connection): boolean {
    const kept = this.#byOrigin.get(connection.origin);
    const at = kept?.lastIndexOf(connection) ?? -1;
    if (kept === undefined || at === -1) return false;
    kept.splice(at, 1);
    if (kept.length === 0) this.#byOrigin.delete(connection.origin);
    this.#size -= 1;
    return true;
  }

  takeNewest(origin: string): Connection | undefined {
    const newest = this.#byOrigin.get(origin)?.at(-1);
    if (newest !== undefined) this.delete(newest);
    return newest;
  }

  /** What is over the limits after a connection to `origin` was added. */
  takeSurplus(origin: string, limits: PoolLimits): Connection[] {
    const surplus: Connection[] = [];
    const take = (connection: Connection | undefined): void => {
      if (connection !== undefined && this.delete(connection)) surplus.push(connection);
    };
    const toOrigin = this.#byOrigin.get(origin) ?? [];
    if (toOrigin.length > limits.idlePerOriginMax) take(toOrigin[0]);
    if (this.#size > limits.idleMax) take(this.#byOrigin.values().next().value?.[0]);
    return surplus;
  }
}
