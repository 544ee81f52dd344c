import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { VerifiedToken } from '../auth/authorizer.ts';
import { presentedToken } from '../auth/credentials.ts';
import type { Clock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import type { ExportService } from '../export/export-service.ts';
import { awaitBody, forgetBody, JSON_CONTENT_TYPE } from './awaited-body.ts';
import { clearedToken } from './cleared-token.ts';
import { type ExportCall, readExportCall } from './export-call.ts';
import { ExportEndpoint, type Patience } from './export-endpoint.ts';
import type { HttpSettings } from './http-settings.ts';
import { peerOf } from './peer.ts';
import { NO_SUCH_PATH } from './problem.ts';
import { sendJson } from './reply.ts';
import type { RequestAuthorizer } from './request-authorizer.ts';
import { requestPath } from './request-path.ts';
import { longPollTimeoutMs, preferredWaitSeconds } from './waiting.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The token, once it has cleared the request; null on routes that ask for none. */
    token: VerifiedToken | null;
  }
}

export interface ExportRoutesParts {
  readonly service: ExportService;
  readonly authorizer: RequestAuthorizer;
  readonly clock: Clock;
  readonly settings: HttpSettings;
}

const PATHS = ['/export', '/lp/export'] as const;
type ExportPath = (typeof PATHS)[number];

/** The routes for apps. */
export function addExportRoutes(app: FastifyInstance, parts: ExportRoutesParts): void {
  const endpoint = new ExportEndpoint(parts);
  app.decorateRequest('token', null);
  for (const path of PATHS) {
    app.post(
      path,
      { onRequest: (request, reply, done) => done(judgeBeforeBody(request, reply, path, parts)) },
      (request, reply) => answerCall(request, reply, path, endpoint, parts.settings),
    );
  }
}

/**
 * The stages before the body: path, token, and those of its caveats that do not need the body. Nothing is read, and
 * nothing is asked for with `100 Continue`, for a request that does not pass.
 *
 * @returns why it does not
 */
function judgeBeforeBody(
  request: FastifyRequest,
  reply: FastifyReply,
  path: ExportPath,
  parts: ExportRoutesParts,
): Error | undefined {
  const { raw } = request;
  // The router decodes paths: `/%65xport` comes here too, and is not what a token for `/export` is about.
  if (requestPath(raw.url ?? '') !== path) return new ExportError('not_found', NO_SUCH_PATH);
  try {
    const tokenText = presentedToken(raw.headersDistinct);
    request.token = clearedToken(parts, { tokenText, method: request.method, path });
  } catch (error) {
    return error as Error;
  }
  awaitBody(raw, reply, parts.settings.bodyBytesMax);
  return undefined;
}

async function answerCall(
  request: FastifyRequest,
  reply: FastifyReply,
  path: ExportPath,
  endpoint: ExportEndpoint,
  { attemptsMax, longPollMaxMs }: HttpSettings,
): Promise<FastifyReply> {
  const { token, headers } = request;
  if (token === null) throw new TypeError('A request reached its handler without a token.');
  const call = readExportCall(request.body as Uint8Array | undefined, {
    idempotencyHeader: keyHeader(headers),
    attemptsMax,
    takesBatches: true,
  });
  const waitSeconds = call.isBatch ? undefined : appliedWaitSeconds(headers.prefer, longPollMaxMs);
  const patience = patienceOf(call, path, request, waitSeconds, longPollMaxMs);
  const json = await endpoint.answer({
    call,
    token,
    peer: peerOf(request.raw),
    traceParent: traceParentOf(request),
    patience,
    whenGone: () => goneSignal(reply),
    onTakenIn: () => forgetBody(request),
  });
  if (waitSeconds !== undefined) reply.header('preference-applied', `wait=${waitSeconds}`);
  return sendJson(reply, 200, JSON_CONTENT_TYPE, json);
}

function traceParentOf({ headers }: FastifyRequest): string | null {
  return (headers.traceparent as string | undefined) ?? null;
}

/** Node joins a header that came twice with a comma and a blank, which no key may have: so two keys are refused. */
function keyHeader(headers: FastifyRequest['headers']): string | undefined {
  return headers['idempotency-key'] as string | undefined;
}

/** What `Prefer: wait` asks for, as far as it is granted: whole seconds are all the answer can name. */
function appliedWaitSeconds(
  prefer: FastifyRequest['headers'][string],
  longPollMaxMs: number,
): number | undefined {
  const seconds = preferredWaitSeconds(prefer as string | undefined);
  return seconds === undefined ? undefined : Math.min(seconds, Math.floor(longPollMaxMs / 1_000));
}

function patienceOf(
  call: ExportCall,
  path: ExportPath,
  request: FastifyRequest,
  waitSeconds: number | undefined,
  longPollMaxMs: number,
): Patience {
  if (waitSeconds !== undefined) return { kind: 'end', ms: waitSeconds * 1_000 };
  if (call.kind !== 'poll' || call.isBatch || path !== '/lp/export') return { kind: 'none' };
  return { kind: 'change', ms: longPollTimeoutMs(timeoutParameter(request.query), longPollMaxMs) };
}

/** Of several the first counts, as in the original. */
function timeoutParameter(query: unknown): string | undefined {
  const { timeout } = query as Record<string, string | string[] | undefined>;
  return Array.isArray(timeout) ? timeout[0] : timeout;
}

/** Aborts when the app has hung up (or has its answer). */
function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  if (reply.raw.destroyed) gone.abort();
  return gone.signal;
}
