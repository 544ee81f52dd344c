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
  return reply.code(status).header('content-type', contentType).serializer(identity).send(json);
}

export function sendText(reply: FastifyReply, text: string): FastifyReply {
  closeWhenStopping(reply);
  return reply.header('content-type', 'text/plain; charset=utf-8').send(text);
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
