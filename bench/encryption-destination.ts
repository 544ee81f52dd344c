/** A part of bench/encryption.ts: answers every export at once. Prints its port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const ANSWER = '{"stored":true}';
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume().on('end', () => response.writeHead(200, { 'content-length': ANSWER.length }).end(ANSWER));
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
