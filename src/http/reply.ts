import type { FastifyReply } from 'fastify';
import type { ProblemAnswer } from './problem.ts';

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
  closeWhenStopping(reply);
  if (json.length > LONG_ANSWER_LENGTH) cutOffUnlessRead(reply);
  return reply.code(status).header('content-type', contentType).serializer(identity).send(json);
}

export function sendText(reply: FastifyReply, text: string): FastifyReply {
  closeWhenStopping(reply);
  return reply.header('content-type', 'text/plain; charset=utf-8').send(text);
}

/** Sends a file that is kept in memory. */
export function sendBytes(reply: FastifyReply, contentType: string, bytes: Buffer): FastifyReply {
  closeWhenStopping(reply);
  cutOffUnlessRead(reply);
  return reply.header('content-type', contentType).send(bytes);
}

export function sendProblem(reply: FastifyReply, problem: ProblemAnswer): FastifyReply {
  return sendJson(reply.headers(problem.headers), problem.status, problem.contentType, problem.body);
}

/**
 * A connection that is busy when the server closes would be kept alive after its answer, and so keep the server from
 * ending: Node closes only those that are idle at that moment.
 */
function closeWhenStopping(reply: FastifyReply): void {
  if (!reply.server.server.listening) reply.header('connection', 'close');
}

/** What a socket takes without being read: a shorter answer costs nothing to keep. */
const LONG_ANSWER_LENGTH = 64 * 1_024;
/** A client that has not read a long answer by then is gone, whatever its connection says. */
const READ_TIMEOUT_MS = 60_000;

/** An answer stays in memory until it is read, and a client that never reads it would keep it there for ever. */
function cutOffUnlessRead({ raw }: FastifyReply): void {
  const timer = setTimeout(() => raw.destroy(), READ_TIMEOUT_MS);
  timer.unref();
  raw.once('close', () => clearTimeout(timer));
}
