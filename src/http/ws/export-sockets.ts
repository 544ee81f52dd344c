import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { WebSocket, WebSocketServer } from 'ws';
import { presentedToken } from '../../auth/credentials.ts';
import { ExportError } from '../../export/errors.ts';
import { Seats } from '../../export/seats.ts';
import { owesAnswer } from '../client-error.ts';
import { peerOf } from '../peer.ts';
import { NO_SUCH_PATH } from '../problem.ts';
import { requestPath } from '../request-path.ts';
import { ExportSocket, type ExportSocketParts } from './export-socket.ts';
import { FrameEndpoint, type FrameEndpointParts, SOCKET_PATH } from './frame-endpoint.ts';
import { checkHandshake, WEBSOCKET_VERSION } from './handshake.ts';
import { SOCKET_LIMITS, type SocketLimits } from './socket-limits.ts';

export interface ExportSocketsParts extends FrameEndpointParts {
  /** Those that are left out are {@link SOCKET_LIMITS}'. */
  readonly socketLimits?: Partial<SocketLimits>;
}

/**
 * `GET /ws/export`: judges handshakes, and keeps the sockets that come of them.
 *
 * Node asks {@link accepts} whether a request becomes a WebSocket. One that does not goes to the route of this path like
 * any other request, and is refused there; so refusals are ordinary answers on a connection that lives on.
 */
export class ExportSockets {
  readonly #parts: ExportSocketsParts;
  readonly #limits: SocketLimits;
  readonly #endpoint: FrameEndpoint;
  readonly #server: WebSocketServer;
  readonly #seats: Seats;
  readonly #sockets = new Set<ExportSocket>();
  /** Why a handshake was not accepted, until its route asks. */
  readonly #refusals = new WeakMap<IncomingMessage, unknown>();
  #isClosing = false;

  constructor(parts: ExportSocketsParts) {
    this.#parts = parts;
    this.#limits = { ...SOCKET_LIMITS, ...parts.socketLimits };
    this.#endpoint = new FrameEndpoint(parts);
    this.#server = createWebSocketServer(parts.settings.bodyBytesMax, this.#limits.closeTimeoutMs);
    this.#seats = new Seats(this.#limits.watchedMax);
  }

  /** Whether this request, whose headers ask for an upgrade, becomes a WebSocket. */
  accepts(request: IncomingMessage): boolean {
    // Everything else goes its usual way, as if it had not asked.
    if (request.method !== 'GET' || requestPath(request.url ?? '') !== SOCKET_PATH) return false;
    try {
      this.#judge(request);
      return true;
    } catch (error) {
      this.#refusals.set(request, error);
      return false;
    }
  }

  /** Adds the route, which refuses, and takes over the handshakes that were accepted. */
  attach(app: FastifyInstance): void {
    app.get(SOCKET_PATH, { exposeHeadRoute: false }, (request, reply) => {
      reply.header('sec-websocket-version', WEBSOCKET_VERSION);
      throw this.#refusal(request.raw);
    });
    app.server.on('upgrade', (request: IncomingMessage, connection: Socket, head: Buffer) => {
      // We speak no subprotocol, so what a client offers is not looked at.
      delete request.headers['sec-websocket-protocol'];
      this.#server.handleUpgrade(request, connection, head, (ws) =>
        this.#open(ws, request, {
          connection,
          headBytes: head.length,
          uploads: app.uploads,
          unread: app.unread,
        }),
      );
    });
  }

  /** How many are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Says goodbye to every client and lets nobody new in. */
  close(): void {
    this.#isClosing = true;
    for (const socket of this.#sockets) socket.leave();
  }

  /** Cuts off whoever has not left. */
  terminate(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  #refusal(request: IncomingMessage): unknown {
    if (requestPath(request.url ?? '') !== SOCKET_PATH) return new ExportError('not_found', NO_SUCH_PATH);
    const known = this.#refusals.get(request);
    if (known !== undefined) return known;
    try {
      this.#judge(request);
    } catch (error) {
      return error;
    }
    return new ExportError('invalid_request', 'The request is no WebSocket handshake.');
  }

  /** In the order of judgement of any request: token, then fields, then limits. */
  #judge(request: IncomingMessage): void {
    this.#endpoint.admit(presentedToken(request.headersDistinct));
    checkHandshake(request);
    if (owesAnswer(request.socket)) {
      throw new ExportError('invalid_request', 'The handshake came before the answer to the last request.');
    }
    if (this.#isClosing) {
      throw new ExportError('shutting_down', 'The service is stopping. Try again in a moment.');
    }
  }

  #open(
    ws: WebSocket,
    request: IncomingMessage,
    below: Pick<ExportSocketParts, 'connection' | 'headBytes' | 'uploads' | 'unread'>,
  ): void {
    const { service, clock } = this.#parts;
    const seats = new Seats(this.#limits.watchedPerSocketMax, this.#seats);
    const socket = new ExportSocket({
      ws,
      ...below,
      tokenText: presentedToken(request.headersDistinct),
      peer: peerOf(request),
      endpoint: this.#endpoint,
      watch: (id, wake) => service.watch(id, wake),
      takeSeat: () => seats.take(),
      clock,
      limits: this.#limits,
    });
    this.#sockets.add(socket);
    ws.once('close', () => this.#sockets.delete(socket));
  }
}

/** As the original does, a client that closes without a code is answered with 1000, and any other with its own. */
class ClosingSocket extends WebSocket {
  override close(code = 1_000, reason?: string | Buffer): void {
    super.close(code, reason);
  }
}

function createWebSocketServer(frameBytesMax: number, closeTimeoutMs: number): WebSocketServer {
  const options = {
    noServer: true,
    clientTracking: false,
    WebSocket: ClosingSocket,
    maxPayload: frameBytesMax,
    // A client could make us inflate, and keep a window in memory for each of its sockets.
    perMessageDeflate: false,
    // Ours go through the outbox.
    autoPong: false,
    closeTimeout: closeTimeoutMs,
  };
  return new WebSocketServer(options);
}
