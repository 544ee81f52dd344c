import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendBytes, sendNothing, sendText } from '../reply.ts';
import { takesGzip } from '../takes-gzip.ts';
import { readUi, type UiFile } from './ui-files.ts';

/**
 * The page draws what apps and destinations wrote, so that nothing but its own files may run, be styled by, or be asked;
 * nobody may put it into a frame, and no text becomes HTML or code (`require-trusted-types-for`; `worker` is the address of
 * the check of the ledger).
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types worker',
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  vary: 'accept-encoding',
};
/** A hashed name never means another content. The page itself names those files, and is asked for each time. */
const FOR_EVER = 'public, max-age=31536000, immutable';
const ASK_AGAIN = 'no-cache';

const NOT_BUILT =
  "The owner's page is not built. In the folder of this service run `npm run build:ui`, then start it again.\n";

/** The owner's page. Its files tell nothing that is the owner's: what it shows it asks for, with the owner's session. */
export function addUiRoutes(app: FastifyInstance, folder?: string): void {
  const files = readUi(folder);
  // Relative: a proxy may have put a path in front.
  app.get('/ui', (_request, reply) => sendNothing(reply.header('location', './ui/'), 308));
  if (files.length === 0) {
    app.get('/ui/', (_request, reply) => sendText(reply.code(503).headers(HEADERS), NOT_BUILT));
    return;
  }
  for (const file of files) app.get(`/ui/${file.path}`, (request, reply) => sendFile(request, reply, file));
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: UiFile): FastifyReply {
  const { contentType, bytes, gzipped, isHashed } = file;
  reply.headers({ ...HEADERS, 'cache-control': isHashed ? FOR_EVER : ASK_AGAIN });
  if (!takesGzip(request)) return sendBytes(reply, contentType, bytes);
  return sendBytes(reply.header('content-encoding', 'gzip'), contentType, gzipped);
}
