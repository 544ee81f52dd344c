import { isIP } from 'node:net';
import type { Request } from 'zeromq';
import type { Clock } from '../export/clock.ts';
import { type Progress, refused, unanswered, unreadable, unresolved } from './arbiter-error.ts';
import { type ArbiterConnection, ArbiterWatch } from './arbiter-watch.ts';
import type { ArbiterCredentials } from './credentials.ts';
import {
  CONTENT_FORMATS,
  decodeAnswer,
  encodeRequest,
  MalformedZestError,
  ZEST_CODES,
  ZEST_FRAME_BYTES_MAX,
  type ZestAnswer,
  type ZestRequest,
} from './zest.ts';

type ZeroMq = typeof import('zeromq');

export interface ArbiterClientParts {
  /** Such as `tcp://arbiter:4444`. */
  readonly endpoint: string;
  /** The name the box knows us by. */
  readonly identity: string;
  readonly credentials: ArbiterCredentials;
  readonly clock: Clock;
  /**
   * The address of a name; rejects with what says why there is none, at the latest by a deadline of its own. An ask
   * waits {@link ASK_TIMEOUT_MS} in all. ZeroMQ is given addresses alone: it resolves a name in its one thread, where
   * nothing can call it off, and a process does not end before that thread does.
   */
  readonly resolve: (hostname: string) => Promise<string>;
}

/** A request of the arbiter's interface. */
export type Ask = Pick<ZestRequest, 'method' | 'path' | 'payload'>;

/** From the first attempt to connect to the answer. */
export const ASK_TIMEOUT_MS = 5_000;
/** An endpoint that may have a name in it. */
const NAMED = /(?<=^tcp:\/\/)[^[\]:]+(?=:\d+$)/;
/** A real one has 36 characters, a UUID. */
const SECRET = /^[\x21-\x7e]{1,256}$/;
/** CURVE adds some 40 bytes to a frame. */
const WIRE_BYTES_MAX = ZEST_FRAME_BYTES_MAX + 1_024;
/** How long ZeroMQ waits before it tries to connect again. */
const RECONNECT_MS = 500;
/**
 * An arbiter whose machine or network is gone closes nothing. TCP asks after 30 s of silence, three times, so that we
 * know after a minute. (ZeroMQ's own heartbeats would cut off an arbiter whose library is older than they are.)
 */
const KEEPALIVE = {
  tcpKeepalive: 1,
  tcpKeepaliveIdle: 30,
  tcpKeepaliveInterval: 10,
  tcpKeepaliveCount: 3,
} as const;

/** Asks the box's arbiter: Zest over ZeroMQ with CURVE. */
export class ArbiterClient {
  readonly #zeromq: ZeroMq;
  readonly #parts: ArbiterClientParts;

  private constructor(zeromq: ZeroMq, parts: ArbiterClientParts) {
    this.#zeromq = zeromq;
    this.#parts = parts;
  }

  /**
   * Loads ZeroMQ, which is native code: only who has an arbiter loads it.
   *
   * @throws Error when this machine has none
   */
  static async load(parts: ArbiterClientParts): Promise<ArbiterClient> {
    try {
      return new ArbiterClient(await import('zeromq'), parts);
    } catch (cause) {
      throw new Error(`ZeroMQ cannot be loaded on this machine: ${(cause as Error).message}`, { cause });
    }
  }

  get endpoint(): string {
    return this.#parts.endpoint;
  }

  /**
   * Asks for our secret, the root key of our tokens. The arbiter makes a new one each time, and from then on signs with
   * that one.
   *
   * @returns its text, to the byte
   * @throws ArbiterError when it gives none
   * @throws the signal's reason when it aborts
   */
  async fetchSecret(signal: AbortSignal): Promise<Uint8Array> {
    const answer = await this.ask(
      { method: 'GET', path: '/store/secret', payload: new Uint8Array(0) },
      signal,
    );
    if (answer.code !== ZEST_CODES.content) throw refused(this.#parts, answer.code);
    if (!SECRET.test(Buffer.from(answer.payload).toString('latin1'))) {
      throw unreadable(this.#parts, 'It is no secret of 1 to 256 visible ASCII characters.');
    }
    return answer.payload;
  }

  /**
   * Asks anything, as whom the parts say.
   *
   * @returns the answer, also one that refuses
   * @throws ArbiterError when there is none, or one that is no Zest
   * @throws the signal's reason when it aborts
   */
  ask({ method, path, payload }: Ask, signal: AbortSignal): Promise<ZestAnswer> {
    const { identity, credentials } = this.#parts;
    const { token } = credentials;
    // What the box's own libraries send; an answer's format says nothing.
    const contentFormat = CONTENT_FORMATS.json;
    return this.#exchange(encodeRequest({ method, path, identity, contentFormat, token, payload }), signal);
  }

  /**
   * Keeps a connection open on which nothing is asked.
   *
   * @param onConnected hears each time it has come about: at first, and again after it was lost
   */
  watch(onConnected: () => void): ArbiterConnection {
    return new ArbiterWatch({
      locate: () => this.#locate(),
      open: (endpoint) => this.#open(endpoint, KEEPALIVE),
      clock: this.#parts.clock,
      onConnected,
    });
  }

  /** One request, one answer, on a socket and with a key pair of their own, as every client of an arbiter does. */
  async #exchange(frame: Uint8Array, signal: AbortSignal): Promise<ZestAnswer> {
    signal.throwIfAborted();
    let progress: Progress = nameIn(this.#parts.endpoint) === null ? 'nothing' : 'name';
    // No Promise.withResolvers: the companion of the client runs this on Node 20 too.
    let giveUp: (reason: unknown) => void = () => {};
    const givenUp = new Promise<never>((_, reject) => {
      giveUp = reject;
    });
    const cancelTimeout = this.#parts.clock.schedule(ASK_TIMEOUT_MS, () =>
      giveUp(unanswered(this.#parts, progress, ASK_TIMEOUT_MS)),
    );
    const abort = (): void => giveUp(signal.reason);
    signal.addEventListener('abort', abort);
    let socket: Request | null = null;
    try {
      const endpoint = await Promise.race([this.#locate(), givenUp]);
      socket = this.#open(endpoint);
      follow(socket, (reached) => {
        progress = reached;
      });
      progress = 'nothing';
      socket.connect(endpoint);
      return this.#read(await Promise.race([ask(socket, frame), givenUp]));
    } finally {
      cancelTimeout();
      signal.removeEventListener('abort', abort);
      socket?.close();
    }
  }

  /** The endpoint, with the address that its name has now. */
  async #locate(): Promise<string> {
    const { endpoint, resolve } = this.#parts;
    const name = nameIn(endpoint);
    if (name === null) return endpoint;
    try {
      const address = await resolve(name);
      return endpoint.replace(NAMED, isIP(address) === 6 ? `[${address}]` : address);
    } catch (error) {
      throw unresolved(this.#parts, name, error);
    }
  }

  #open(endpoint: string, options: Partial<typeof KEEPALIVE> = {}): Request {
    const { credentials } = this.#parts;
    const { publicKey, secretKey } = this.#zeromq.curveKeyPair();
    return new this.#zeromq.Request({
      ...options,
      curveServerKey: credentials.serverKey,
      curvePublicKey: publicKey,
      curveSecretKey: secretKey,
      // What could not be sent keeps no process from ending.
      linger: 0,
      maxMessageSize: WIRE_BYTES_MAX,
      reconnectInterval: RECONNECT_MS,
      ipv6: endpoint.includes('['),
    });
  }

  #read(frames: readonly Uint8Array[]): ZestAnswer {
    const [frame, ...more] = frames;
    if (frame === undefined || more.length > 0) {
      throw unreadable(this.#parts, `It has ${frames.length} frames and not one.`);
    }
    try {
      return decodeAnswer(frame);
    } catch (error) {
      if (error instanceof MalformedZestError) throw unreadable(this.#parts, error.message);
      throw error;
    }
  }
}

async function ask(socket: Request, frame: Uint8Array): Promise<readonly Uint8Array[]> {
  await socket.send(Buffer.from(frame));
  return socket.receive();
}

/** The name in an endpoint; null when there is an address, or nothing that we know. */
function nameIn(endpoint: string): string | null {
  const [host] = NAMED.exec(endpoint) ?? [];
  return host === undefined || isIP(host) !== 0 ? null : host;
}

/** Tells how far a socket gets; what it reached stays reached. */
function follow(socket: Request, reached: (progress: Progress) => void): void {
  let isOver = false;
  socket.events.on('connect', () => {
    if (!isOver) reached('connected');
  });
  socket.events.on('handshake', () => {
    isOver = true;
    reached('handshake');
  });
}
