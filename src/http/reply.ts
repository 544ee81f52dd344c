import type { FastifyReply } from 'fastify';
import type { ProblemAnswer, ProblemCode } from './problem.ts';
import type { Unread } from './unread.ts';

declare module 'fastify' {
  interface FastifyInstance {
    unread: Unread;
    /** Hears the code of each refusal. */
    refused: (code: ProblemCode) => void;
  }
}

/** About what the head of an answer takes. */
const HEAD_BYTES = 512;

const identity = (payload: unknown): string => payload as string;

/**
 * Sends JSON text as it is. The original's `content-type` has no charset, and Fastify adds one unless a reply brings
 * its own serialiser.
 */
export function sendJson(
  reply: FastifyReply,
  status: number,
  contentType: string,
  json: string,
): FastifyReply {
  prepare(reply, Buffer.byteLength(json));
  return reply.code(status).header('content-type', contentType).serializer(identity).send(json);
}

export function sendText(reply: FastifyReply, text: string): FastifyReply {
  prepare(reply, Buffer.byteLength(text));
  return reply.header('content-type', 'text/plain; charset=utf-8').send(text);
}

/** Sends a file that is kept in memory. */
export function sendBytes(reply: FastifyReply, contentType: string, bytes: Buffer): FastifyReply {
  prepare(reply, bytes.length);
  return reply.header('content-type', contentType).send(bytes);
}

/** Sends an answer without a body: that it was done, where `status` says nothing else. */
export function sendNothing(reply: FastifyReply, status = 204): FastifyReply {
  prepare(reply, 0);
  return reply.code(status).send();
}

/** Refuses a request. */
export function sendProblem(reply: FastifyReply, problem: ProblemAnswer): FastifyReply {
  reply.server.refused(problem.code);
  return sendState(reply, problem);
}

/** Says in the form of a refusal how the service is; nothing is refused. */
export function sendState(reply: FastifyReply, problem: ProblemAnswer): FastifyReply {
  return sendJson(reply.headers(problem.headers), problem.status, problem.contentType, problem.body);
}

/** What every answer needs: it is kept in memory until its client reads it. */
function prepare(reply: FastifyReply, bytes: number): void {
  closeWhenStopping(reply);
  reply.server.unread.answer(reply.raw, HEAD_BYTES + bytes);
}

/**
 * A connection that is busy when the server closes would be kept alive after its answer, and so keep the server from
 * ending: Node closes only those that are idle at that moment.
 */
function closeWhenStopping(reply: FastifyReply): void {
  if (!reply.server.server.listening) reply.header('connection', 'close');
}
