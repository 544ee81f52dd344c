import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type UploadLimits, Uploads } from './uploads.ts';

export const JSON_CONTENT_TYPE = 'application/json';

declare module 'fastify' {
  interface FastifyInstance {
    uploads: Uploads;
  }
}

/**
 * Bodies are read as bytes, and whoever wants JSON reads it itself: Fastify's own parser reads numbers, and knows nothing
 * of our errors and of what all bodies together may take.
 */
export function readBodiesAsBytes(app: FastifyInstance, limits: UploadLimits): void {
  const uploads = new Uploads(limits);
  app.decorate('uploads', uploads);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(JSON_CONTENT_TYPE, async (request: FastifyRequest, body: IncomingMessage) =>
    uploads.read(body, request.routeOptions.bodyLimit),
  );
  acceptExpectations(app);
}

/** Lets go of a request's body before its answer: for one that waits. */
export function forgetBody(request: FastifyRequest): void {
  request.body = undefined;
  request.server.uploads.release(request.raw);
}

/** Lets the body come, once the request has passed what is judged before it. */
export function awaitBody(raw: IncomingMessage, reply: FastifyReply, bodyBytesMax: number): void {
  const { uploads } = reply.server;
  reply.raw.once('close', () => uploads.release(raw));
  // The type is not looked at, as in the original; Fastify would answer 415 to one that it cannot read.
  raw.headers['content-type'] = JSON_CONTENT_TYPE;
  if (waitsToContinue(raw) && !isTooLarge(raw.headers['content-length'], bodyBytesMax)) {
    reply.raw.writeContinue();
  }
}

/** Whether the client sends its body only after `100 Continue`. */
function waitsToContinue({ headers, httpVersion }: IncomingMessage): boolean {
  const { expect } = headers;
  return expect !== undefined && httpVersion === '1.1' && expect.toLowerCase() === '100-continue';
}

/** Whether a body that says how long it is says that it is too long. It is refused where it would be read. */
function isTooLarge(contentLength: string | undefined, bodyBytesMax: number): boolean {
  return contentLength !== undefined && Number(contentLength) > bodyBytesMax;
}

/**
 * Node would ask for every body that comes with `Expect: 100-continue` before the token is judged, and would refuse
 * other expectations, which may be ignored (RFC 9110, section 10.1.1).
 */
function acceptExpectations({ server }: FastifyInstance): void {
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
}
