/**
 * The disk's limit: `node:http`, and a file that bodies are appended to. Whatever arrives while a flush is under way shares
 * the next one. Answered when the flush is done; nothing is delivered.
 */
import { fdatasync, openSync, writev } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const ANSWER = '{"id":"019ab3f2-7c00-7000-8000-000000000000","state":"Pending","ext_response":{}}';
const { directory } = JSON.parse(process.argv[2] ?? '{}') as { directory: string };
const file = openSync(join(directory, 'exports.log'), 'a');

let waiting: { readonly body: Buffer; readonly response: ServerResponse }[] = [];
let isFlushing = false;

function flush(): void {
  if (isFlushing || waiting.length === 0) return;
  isFlushing = true;
  const batch = waiting;
  waiting = [];
  writev(
    file,
    batch.map(({ body }) => body),
    (writeError) => {
      if (writeError) throw writeError;
      fdatasync(file, (flushError) => {
        if (flushError) throw flushError;
        isFlushing = false;
        for (const { response } of batch) {
          response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length });
          response.end(ANSWER);
        }
        flush();
      });
    },
  );
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    JSON.parse(body.toString());
    waiting.push({ body, response });
    setImmediate(flush);
  });
});
server.listen(0, '127.0.0.1', () =>
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
);
process.on('disconnect', () => process.exit(0));
