import { lookup } from 'node:dns/promises';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { type Clock, systemClock } from '../export/clock.ts';
import type { ExportService } from '../export/export-service.ts';
import type { PublicSigningKey } from '../export/signer.ts';
import { readBodiesAsBytes } from './awaited-body.ts';
import { answerUnreadable, refuseTunnel } from './client-error.ts';
import { ConnectionLimit, type ConnectionLimits } from './connection-limit.ts';
import { addExportRoutes } from './export-routes.ts';
import { HeldRequest } from './held-request.ts';
import { refuseBadHosts } from './host-check.ts';
import type { HttpSettings } from './http-settings.ts';
import { addDocsRoutes } from './openapi/docs-routes.ts';
import { EVENT_STREAM_LIMITS, type EventStreamLimits, EventStreams } from './owner/event-streams.ts';
import { judgeOwner } from './owner/owner-judge.ts';
import { addSessionRoutes } from './owner/session-routes.ts';
import type { LedgerActions } from './owner-ledger.ts';
import { addOwnerRoutes, type OwnerActions } from './owner-routes.ts';
import { addProbes, type MetricsPage, type Readiness } from './probes.ts';
import { notFound, type ProblemCode } from './problem.ts';
import { answerErrors, type HttpLog, refuseUnknownRoutes } from './refusals.ts';
import { sendProblem } from './reply.ts';
import type { RequestAuthorizer } from './request-authorizer.ts';
import { addSigningKeys } from './signing-keys.ts';
import { secureContext, type TlsIdentity, TlsSide } from './tls-side.ts';
import { Turns } from './turns.ts';
import { addUiRoutes } from './ui/ui-routes.ts';
import { Unread, type UnreadLimits } from './unread.ts';
import type { UploadLimits } from './uploads.ts';
import { ExportSockets } from './ws/export-sockets.ts';
import type { SocketLimits } from './ws/socket-limits.ts';

export type { HttpSettings } from './http-settings.ts';
export type { OwnerActions } from './owner-routes.ts';
export type { Readiness } from './probes.ts';
export type { HttpLog } from './refusals.ts';

export interface HttpServerParts {
  readonly service: ExportService;
  readonly owner: OwnerActions;
  readonly ledger: LedgerActions;
  readonly authorizer: RequestAuthorizer;
  readonly settings: HttpSettings;
  readonly readiness: () => Promise<Readiness>;
  readonly log: HttpLog;
  /** What Prometheus reads; left out, there is no such path. */
  readonly metrics?: MetricsPage;
  /** Hears the code of each refusal; left out, nobody does. */
  readonly onRefused?: (code: ProblemCode) => void;
  /** What deliveries are signed with; left out, nobody is told. */
  readonly signingKeys?: () => readonly PublicSigningKey[];
  /** Certificate and key; left out, plain HTTP is served. */
  readonly tls?: TlsIdentity;
  /** Where the owner's page was built; left out, in the folder of the build. */
  readonly uiFolder?: string;
  /** Left out, the system's. */
  readonly clock?: Clock;
  /** Those that are left out are {@link SERVER_LIMITS}'. */
  readonly limits?: Partial<ServerLimits>;
  /** The same for WebSockets. */
  readonly socketLimits?: Partial<SocketLimits>;
  /** The same for the owner's streams of events. */
  readonly eventStreamLimits?: Partial<EventStreamLimits>;
}

/** How many may be connected, how slow they may be, and how much may be kept for them. */
export interface ServerLimits extends ConnectionLimits, UnreadLimits {
  /** A client that is slower than this to send its headers, or all of its request, is cut off (408). */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** A TLS handshake that takes longer is cut off, without a word. */
  readonly handshakeTimeoutMs: number;
  /** How often the two are looked at. */
  readonly timeoutsCheckedEveryMs: number;
  /** How long `close` waits for requests in flight. */
  readonly closeGraceMs: number;
  /** All bodies together that are in memory, in bytes; never less than four of the largest. */
  readonly uploadsBytesMax: number;
}

/** How much there is of something, and how much there can be. */
interface Measured {
  readonly now: number;
  readonly max: number;
}

/** What is kept for clients, as it is now. */
export interface HttpFigures {
  readonly connections: Measured;
  /** Connections that wait for another one to close. */
  readonly connectionsQueued: number;
  readonly webSockets: number;
  readonly uploadsBytes: Measured;
  readonly unreadBytes: Measured;
}

/** The HTTP side of the service. */
export interface HttpServer extends AsyncDisposable {
  /** Of bodies that are in memory. */
  readonly uploadedBytes: number;
  /** Of answers, and of requests behind them, that wait for clients to read. */
  readonly unreadBytes: number;
  readonly figures: HttpFigures;
  /** Begins to accept. Port 0 picks a free one. */
  listen(host: string, port: number): Promise<{ address: string; port: number }>;
  /** New connections are served with this certificate; open ones live on with theirs. Only where TLS is spoken. */
  renewTls(tls: TlsIdentity): void;
  /**
   * Accepts nothing more, lets what is in flight end, closes idle connections and WebSockets; what has not ended
   * {@link ServerLimits.closeGraceMs} later is cut off. Calling it twice, or before `listen`, is harmless.
   */
  close(): Promise<void>;
}

/** A token of 8 KiB takes 11 as the user name of HTTP Basic; the rest is for everything else. */
const HEADER_BYTES_MAX = 24 * 1_024;
export const SERVER_LIMITS: ServerLimits = {
  connectionsMax: 15_000,
  // The backlog that Node asks the kernel for.
  connectionsQueuedMax: 511,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 120_000,
  handshakeTimeoutMs: 20_000,
  timeoutsCheckedEveryMs: 5_000,
  closeGraceMs: 10_000,
  uploadsBytesMax: 256 * 1_024 * 1_024,
  // Eight of the longest answers to a batch. Who reads leaves nothing of it here for longer than a moment.
  unreadBytesMax: 64 * 1_024 * 1_024,
  readTimeoutMs: 60_000,
};
/** Longer than what clients and proxies keep a connection for, so that it is they who close it. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;

/** Builds the server. It accepts nothing before `listen`. */
export async function createHttpServer(parts: HttpServerParts): Promise<HttpServer> {
  const clock = parts.clock ?? systemClock;
  const limits = { ...SERVER_LIMITS, ...parts.limits };
  const sockets = new ExportSockets({ ...parts, clock });
  const streams = eventStreams(parts, clock);
  const app = createFastify(parts, limits, sockets);
  refuseBadHosts(app);
  refuseUnknownRoutes(app);
  answerErrors(app, parts.log);
  readBodiesAsBytes(app, uploadLimits(parts.settings, limits));
  const unread = new Unread(limits);
  app.decorate('unread', unread);
  app.decorate('refused', parts.onRefused ?? ignore);
  addProbes(app, parts.readiness, parts.metrics);
  addDocsRoutes(app, parts.settings);
  addUiRoutes(app, parts.uiFolder);
  if (parts.signingKeys !== undefined) addSigningKeys(app, parts.signingKeys);
  addExportRoutes(app, { ...parts, clock });
  addOwnerRoutes(app, { ...parts, clock, streams });
  addSessionRoutes(app, { ...parts, sessions: parts.owner.sessions, now: () => clock.now() });
  sockets.attach(app);
  app.server.on('connect', (_request, socket) => refuseTunnel(socket, parts.onRefused));
  await app.ready();
  new Turns(app.server, unread);
  // Before the limit on connections, which hands each of them on to all who listen by then.
  const tlsSide = parts.tls === undefined ? null : new TlsSide(app.server as unknown as TlsServer);
  const connectionLimit = new ConnectionLimit(app.server, limits);
  const { closeGraceMs } = limits;
  const bounds = {
    connectionsMax: limits.connectionsMax,
    uploadsBytesMax: uploadLimits(parts.settings, limits).uploadsBytesMax,
    unreadBytesMax: limits.unreadBytesMax,
  };
  return new FastifyHttpServer({
    app,
    sockets,
    streams,
    tlsSide,
    clock,
    connectionLimit,
    closeGraceMs,
    bounds,
  });
}

function eventStreams({ owner, authorizer, eventStreamLimits }: HttpServerParts, clock: Clock): EventStreams {
  const judgeParts = { authorizer, clock, sessions: owner.sessions };
  return new EventStreams({
    feed: owner.feed,
    clock,
    judge: async (request) => {
      await judgeOwner(request, judgeParts);
    },
    limits: { ...EVENT_STREAM_LIMITS, ...eventStreamLimits },
  });
}

function uploadLimits({ bodyBytesMax }: HttpSettings, { uploadsBytesMax }: ServerLimits): UploadLimits {
  return { bodyBytesMax, uploadsBytesMax: Math.max(uploadsBytesMax, 4 * bodyBytesMax) };
}

function createFastify(
  { tls, settings, onRefused }: HttpServerParts,
  limits: ServerLimits,
  sockets: ExportSockets,
): FastifyInstance {
  const options = {
    IncomingMessage: HeldRequest,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: limits.timeoutsCheckedEveryMs,
    shouldUpgradeCallback: (request: IncomingMessage) => sockets.accepts(request),
    // Its answer would have no body: `refuseBadHosts` says what is wrong.
    requireHostHeader: false,
  };
  return Fastify({
    logger: false,
    // Of a route that says none; `readBodiesAsBytes` keeps to it.
    bodyLimit: settings.bodyBytesMax,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: limits.requestTimeoutMs,
    // While we stop, requests on open connections are answered like any other: the service knows what it refuses.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket as Socket, onRefused),
    // A path that cannot be decoded, or is too long for the router, is a path that we do not have.
    frameworkErrors: (_error, _request, reply) => sendProblem(reply as FastifyReply, notFound()),
    ...(tls === undefined
      ? { http: options }
      : { https: { ...secureContext(tls), handshakeTimeout: limits.handshakeTimeoutMs, ...options } }),
  }) as unknown as FastifyInstance;
}

interface FastifyHttpServerParts {
  readonly app: FastifyInstance;
  readonly sockets: ExportSockets;
  readonly streams: EventStreams;
  readonly tlsSide: TlsSide | null;
  readonly clock: Clock;
  readonly connectionLimit: ConnectionLimit;
  readonly closeGraceMs: number;
  readonly bounds: Pick<ServerLimits, 'connectionsMax' | 'uploadsBytesMax' | 'unreadBytesMax'>;
}

function ignore(): void {}

class FastifyHttpServer implements HttpServer {
  readonly #parts: FastifyHttpServerParts;
  #closed: Promise<void> | undefined;

  constructor(parts: FastifyHttpServerParts) {
    this.#parts = parts;
  }

  get uploadedBytes(): number {
    return this.#parts.app.uploads.bytesHeld;
  }

  get unreadBytes(): number {
    return this.#parts.app.unread.bytesHeld;
  }

  get figures(): HttpFigures {
    const { connectionLimit, sockets, bounds } = this.#parts;
    return {
      connections: { now: connectionLimit.served, max: bounds.connectionsMax },
      connectionsQueued: connectionLimit.waiting,
      webSockets: sockets.size,
      uploadsBytes: { now: this.uploadedBytes, max: bounds.uploadsBytesMax },
      unreadBytes: { now: this.unreadBytes, max: bounds.unreadBytesMax },
    };
  }

  async listen(host: string, port: number): Promise<{ address: string; port: number }> {
    // Given the name, Fastify opens a second server for its other address, of which no limit here knows.
    const address = host === 'localhost' ? (await lookup(host)).address : host;
    await this.#parts.app.listen({ host: address, port });
    return this.#parts.app.server.address() as AddressInfo;
  }

  renewTls(tls: TlsIdentity): void {
    if (this.#parts.tlsSide === null) throw new TypeError('This server speaks plain HTTP.');
    this.#parts.tlsSide.renew(tls);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { app, sockets, streams, tlsSide, clock, connectionLimit, closeGraceMs } = this.#parts;
    connectionLimit[Symbol.dispose]();
    tlsSide?.[Symbol.dispose]();
    sockets.close();
    streams.close();
    const cancelCut = clock.schedule(closeGraceMs, () => {
      app.server.closeAllConnections();
      sockets.terminate();
    });
    await app.close();
    cancelCut();
  }
}
