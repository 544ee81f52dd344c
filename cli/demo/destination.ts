/**
 * The receiving end of `export-service demo`, a process of its own: what arrives here has truly left the service. The
 * file with its certificate and key is its only argument.
 * `POST /in`, or a path below it, takes a delivery and answers with its size and hash; `GET /received` tells what came.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A delivery as `GET /received` tells it. */
export interface Delivery {
  headers: Record<string, string>;
  /** The very bytes, in base64. */
  body: string;
}

/** The oldest go first, so that a demo that is kept running does not grow for ever. */
const DELIVERIES_MAX = 20;
const BODY_BYTES_MAX = 64 * 1_024 ** 2;

/** Where deliveries go, and below it. */
const IN = /^POST \/in(?:\/|$)/;

const deliveries: Delivery[] = [];

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(request);
  if (body === null) return answer(response, 413, { error: `at most ${BODY_BYTES_MAX} bytes` });
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
  deliveries.push({ headers: Object.fromEntries(headers), body: body.toString('base64') });
  if (deliveries.length > DELIVERIES_MAX) deliveries.shift();
  const sha256 = createHash('sha256').update(body).digest('hex');
  answer(response, 200, { received: body.length, sha256 });
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, status: number, content: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(content));
}

const pem = readFileSync(process.argv[2] ?? '');
const server = createServer({ cert: pem, key: pem }, (request, response) => {
  const route = `${request.method} ${request.url}`;
  if (route === 'GET /received') return answer(response, 200, deliveries);
  if (!IN.test(route)) return answer(response, 404, { error: 'POST /in or GET /received' });
  take(request, response).catch(() => response.destroy());
});

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`demo destination listens on https://127.0.0.1:${port}\n`);
});

// Whoever started this holds the other end: when it is gone, however it went, so are we.
process.stdin.resume();
process.stdin.on('close', () => process.exit(0));
