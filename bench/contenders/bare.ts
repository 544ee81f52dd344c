/**
 * The bare limit: `node:http`, which reads the body, parses its JSON and answers. Nothing is kept. Requests to `/lp/export`
 * stay open, for the bench of idle long polls.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = '{"id":"019ab3f2-7c00-7000-8000-000000000000","state":"Finished","ext_response":{}}';

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString());
    if (request.url?.startsWith('/lp/export')) return;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length });
    response.end(ANSWER);
  });
});
server.maxConnections = 0x7fff;
server.listen(0, '127.0.0.1', () =>
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
);
process.on('disconnect', () => process.exit(0));
