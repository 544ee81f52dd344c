import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { VERSION } from '../../version.ts';
import type { HttpSettings } from '../http-settings.ts';
import { lazily } from '../lazily.ts';
import { sendBytes } from '../reply.ts';
import { takesGzip } from '../takes-gzip.ts';
import { docsPage } from './docs-page.ts';
import { openApiDocument } from './document.ts';

/** What draws the reference; assets/README.md says where it comes from. */
const REDOC_VERSION = '2.5.4';
/** Of the script, not compressed. */
export const REDOC_SHA256 = 'dcaf76612bc4a3fbcc923a8966dee2f6146a5f32e5ce1b6f02dd60cbbf89500b';
const REDOC_PATH = `docs/redoc-${REDOC_VERSION}.js`;

/**
 * Nothing comes from elsewhere: a box may have no way out. Redoc writes its styles into the page, and searches in a
 * worker that it makes of a blob.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
/** Whose name holds its version never changes; the others are asked for again. */
const FOR_EVER = { 'cache-control': 'public, max-age=31536000, immutable' };
const ASK_AGAIN = { 'cache-control': 'no-cache' };

const JAVASCRIPT = 'text/javascript; charset=utf-8';

/** The API page and what it is made from. No token is needed: it tells what anybody may know. */
export function addDocsRoutes(app: FastifyInstance, settings: HttpSettings): void {
  const document = JSON.stringify(openApiDocument(VERSION, settings));
  serve(app, '/openapi.json', 'application/json', Buffer.from(document));
  serve(app, '/docs', 'text/html; charset=utf-8', Buffer.from(docsPage(VERSION, REDOC_PATH)), PAGE_HEADERS);
  serve(app, '/docs/page.css', 'text/css; charset=utf-8', asset('docs-page.css'));
  serve(app, '/docs/page.js', JAVASCRIPT, asset('docs-page.js'));
  const redoc = asset(`redoc-${REDOC_VERSION}.standalone.js.gz`);
  // One copy for all: anybody may ask, and it is a megabyte.
  const plain = lazily(() => gunzipSync(redoc));
  app.get(`/${REDOC_PATH}`, (request, reply) => {
    reply.headers({ ...FOR_EVER, vary: 'accept-encoding' });
    if (!takesGzip(request)) return sendBytes(reply, JAVASCRIPT, plain());
    return sendBytes(reply.header('content-encoding', 'gzip'), JAVASCRIPT, redoc);
  });
}

function serve(
  app: FastifyInstance,
  path: string,
  contentType: string,
  content: Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  app.get(
    path,
    (_request, reply): FastifyReply =>
      sendBytes(reply.headers({ ...ASK_AGAIN, ...headers }), contentType, content),
  );
}

function asset(name: string): Buffer {
  return readFileSync(new URL(`assets/${name}`, import.meta.url));
}
