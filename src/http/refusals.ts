import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { ExportError } from '../export/errors.ts';
import { notFound, type ProblemAnswer, problemAnswer, refusalAnswer } from './problem.ts';
import { sendProblem } from './reply.ts';
import { requestPath } from './request-path.ts';

/** Where the HTTP side reports what apps are not told. */
export interface HttpLog {
  /** An exception that is no refusal: our own mistake. The app got a 500 without a reason. */
  unexpectedError(error: unknown): void;
}

/**
 * How much of a body that was refused is read and thrown away. Closing the connection instead would make many a client
 * lose the refusal: it is still sending when the reset comes.
 */
const DISCARDED_BYTES_MAX = 64 * 1_024 * 1_024;

/** Answers requests for a path or a method that we do not have, before anything else is looked at. */
export function refuseUnknownRoutes(app: FastifyInstance): void {
  const routes = new KnownRoutes();
  app.addHook('onRoute', ({ method, path }) => routes.add(path, [method].flat()));
  // In a hook, because Fastify reads the body before its handler for unknown routes.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    const methods = routes.methodsOf(requestPath(request.raw.url ?? ''));
    discardBody(request.raw);
    sendProblem(
      methods === undefined ? reply : reply.header('allow', methods.join(', ')),
      methods === undefined ? notFound() : methodNotAllowed(methods),
    );
  });
}

/** Which methods a path has, also where a part of it may be anything, as in `/owner/exports/:id`. */
class KnownRoutes {
  readonly #methods = new Map<string, string[]>();
  readonly #patterns = new Map<string, RegExp>();

  add(path: string, methods: readonly string[]): void {
    this.#methods.set(path, [...(this.#methods.get(path) ?? []), ...methods]);
    if (!path.includes(':')) return;
    const parts = path.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : RegExp.escape(part)));
    this.#patterns.set(path, new RegExp(`^${parts.join('/')}$`));
  }

  methodsOf(path: string): readonly string[] | undefined {
    const pattern = [...this.#patterns].find(([, shape]) => shape.test(path))?.[0];
    return this.#methods.get(path) ?? this.#methods.get(pattern ?? path);
  }
}

/** Makes problem details of everything that is thrown. */
export function answerErrors(app: FastifyInstance, log: HttpLog): void {
  app.setErrorHandler((error, request, reply) => {
    // Fastify closes the connection when a body was refused; see DISCARDED_BYTES_MAX.
    reply.removeHeader('connection');
    discardBody(request.raw);
    if (error instanceof ExportError) return sendProblem(reply, refusalAnswer(error));
    log.unexpectedError(error);
    return sendProblem(reply, OUR_MISTAKE);
  });
}

/** The answer to what nobody foresaw. */
export const OUR_MISTAKE = problemAnswer(
  'internal_error',
  'Something went wrong that should not have. Whether an export was queued is not known; the log of the service says more.',
);

function methodNotAllowed(methods: readonly string[]): ProblemAnswer {
  return problemAnswer('method_not_allowed', `This path takes ${methods.join(', ')} only.`);
}

/** Reads on to the end of a body nobody wants, up to a bound. */
function discardBody(request: IncomingMessage): void {
  if (request.complete) return;
  let leftBytes = DISCARDED_BYTES_MAX;
  request.on('error', () => {});
  request.on('data', (chunk: Uint8Array) => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) request.socket.destroy();
  });
}
