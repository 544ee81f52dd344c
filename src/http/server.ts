import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { type Clock, systemClock } from '../export/clock.ts';
import type { ExportService } from '../export/export-service.ts';
import { answerUnreadable } from './client-error.ts';
import { addExportRoutes } from './export-routes.ts';
import type { HttpSettings } from './http-settings.ts';
import { addProbes, type Readiness } from './probes.ts';
import { notFound } from './problem.ts';
import { answerErrors, type HttpLog, refuseUnknownRoutes } from './refusals.ts';
import { sendProblem } from './reply.ts';
import type { RequestAuthorizer } from './request-authorizer.ts';

export type { HttpSettings } from './http-settings.ts';
export type { Readiness } from './probes.ts';
export type { HttpLog } from './refusals.ts';

export interface HttpServerParts {
  readonly service: ExportService;
  readonly authorizer: RequestAuthorizer;
  readonly settings: HttpSettings;
  readonly readiness: () => Promise<Readiness>;
  readonly log: HttpLog;
  /** Certificate and key; left out, plain HTTP is served. */
  readonly tls?: SecureContextOptions;
  /** Left out, the system's. */
  readonly clock?: Clock;
}

/** The HTTP side of the service. */
export interface HttpServer extends AsyncDisposable {
  /** Begins to accept. Port 0 picks a free one. */
  listen(host: string, port: number): Promise<{ address: string; port: number }>;
  /**
   * Accepts nothing more, lets what is in flight end and closes idle connections; what has not ended
   * {@link CLOSE_GRACE_MS} later is cut off. Calling it twice, or before `listen`, is harmless.
   */
  close(): Promise<void>;
}

/** A token of 8 KiB takes 11 as the user name of HTTP Basic; the rest is for everything else. */
const HEADER_BYTES_MAX = 24 * 1_024;
/** A client that is slower than this to send its headers, or all of its request, is cut off (408). */
const HEADERS_TIMEOUT_MS = 20_000;
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than what clients and proxies keep a connection for, so that it is they who close it. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** How long `close` waits for requests in flight. */
export const CLOSE_GRACE_MS = 10_000;

/** Builds the server. It accepts nothing before `listen`. */
export async function createHttpServer(parts: HttpServerParts): Promise<HttpServer> {
  const clock = parts.clock ?? systemClock;
  const app = createFastify(parts);
  refuseUnknownRoutes(app);
  answerErrors(app, parts.log, parts.settings.bodyBytesMax);
  addProbes(app, parts.readiness);
  addExportRoutes(app, { ...parts, clock });
  await app.ready();
  return new FastifyHttpServer(app, clock);
}

function createFastify({ tls, settings }: HttpServerParts): FastifyInstance {
  const limits = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_TIMEOUT_MS };
  return Fastify({
    logger: false,
    bodyLimit: settings.bodyBytesMax,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // While we stop, requests on open connections are answered like any other: the service knows what it refuses.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket as Socket),
    // A path that cannot be decoded, or is too long for the router, is a path that we do not have.
    frameworkErrors: (_error, _request, reply) => sendProblem(reply as FastifyReply, notFound()),
    ...(tls === undefined ? { http: limits } : { https: { ...tls, ...limits } }),
  }) as unknown as FastifyInstance;
}

class FastifyHttpServer implements HttpServer {
  readonly #app: FastifyInstance;
  readonly #clock: Clock;
  #closed: Promise<void> | undefined;

  constructor(app: FastifyInstance, clock: Clock) {
    this.#app = app;
    this.#clock = clock;
  }

  async listen(host: string, port: number): Promise<{ address: string; port: number }> {
    await this.#app.listen({ host, port });
    return this.#app.server.address() as AddressInfo;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { server } = this.#app;
    const cancelCut = this.#clock.schedule(CLOSE_GRACE_MS, () => server.closeAllConnections());
    await this.#app.close();
    cancelCut();
  }
}
