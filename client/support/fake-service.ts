import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the client sent. */
export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** What the fake answers: JSON with a status, a connection cut off, or nothing at all. */
export type Reply =
  | { status?: number; json?: unknown; text?: string; headers?: Record<string, string> }
  | 'cut off'
  | 'silence';

export interface FakeService extends AsyncDisposable {
  url: string;
  seen: SeenRequest[];
}

/** What is answered to each request. */
export type Judge = (request: SeenRequest) => Reply | Promise<Reply>;

/**
 * A real HTTP server that answers as it is told: by a function, or with one scripted reply after the other; asked once
 * too often it answers 500.
 */
export async function startFakeService(script: Reply[] | Judge): Promise<FakeService> {
  const seen: SeenRequest[] = [];
  const scripted = (): Reply =>
    (script as Reply[])[seen.length - 1] ?? { status: 500, text: 'the script has no more replies' };
  const judge = typeof script === 'function' ? script : scripted;
  const server = createServer(async (request, response) => {
    const read = await readRequest(request);
    seen.push(read);
    reply(response, await judge(read));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function readRequest(request: IncomingMessage): Promise<SeenRequest> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  const { method = '', url = '', headers } = request;
  return { method, path: url, headers, body: text === '' ? undefined : JSON.parse(text) };
}

function reply(response: ServerResponse, reply: Reply): void {
  if (reply === 'silence') return;
  if (reply === 'cut off') {
    response.destroy();
    return;
  }
  response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
  response.end(reply.text ?? JSON.stringify(reply.json));
}
