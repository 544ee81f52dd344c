import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { problemAnswer } from './problem.ts';
import { sendProblem } from './reply.ts';

/** A name or an address, IPv6 in brackets, and perhaps a port (RFC 9110, section 7.2). It may be empty. */
const HOST = /^(?:[\w.~!$&'()*+,;=%-]*|\[[\da-f:.]+\])(?::\d*)?$/i;

/**
 * Refuses what RFC 9112, section 3.2, says to refuse: HTTP/1.1 without a host, and any request with two or with one that
 * is none. Node would answer the first with an empty body and let the others pass, and a proxy in front of us may have
 * read another of the two.
 */
export function refuseBadHosts(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (hasGoodHost(request.raw)) return done();
    // Nobody knows for whom the rest of this connection is.
    sendProblem(reply.header('connection', 'close'), BAD_HOST);
  });
}

const BAD_HOST = problemAnswer(
  'invalid_request',
  'The request must name its host exactly once, in a Host header such as "export-service:8080".',
);

function hasGoodHost({ headersDistinct, httpVersion }: IncomingMessage): boolean {
  const hosts = headersDistinct.host ?? [];
  const [host] = hosts;
  if (host === undefined) return httpVersion === '1.0';
  return hosts.length === 1 && HOST.test(host);
}
