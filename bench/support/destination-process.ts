/**
 * A part of the benches: where exports go. It counts them, and answers each at once, or with `{"silent": true}` as its
 * argument never.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = '{"stored":true}';
const { silent = false } = JSON.parse(process.argv[2] ?? '{}') as { silent?: boolean };
let arrived = 0;

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume().on('end', () => {
    arrived += 1;
    if (!silent) response.writeHead(200, { 'content-length': ANSWER.length }).end(ANSWER);
  });
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('message', () => process.send?.({ arrived }));
process.on('disconnect', () => process.exit(0));
