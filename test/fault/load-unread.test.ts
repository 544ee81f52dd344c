/** Clients that ask without end and never read: what is kept for them is bounded, and another app is served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import { processFigures } from '../soak/figures.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';

const CLIENTS = 150;
/** Of the service: what these clients ask for is many times as much. */
const HEAP_MIB = 160;
const EXPORTS = 20;
/** How long a client is given to send what it has: the service reads no further when it should not. */
const SEND_MS_MAX = 200;
const MIB = 1_024 ** 2;
/** The bound of what is unread is 64 MiB; each connection has 64 KiB and more in the hands of Node, and the heap has slack. */
const GROWTH_BYTES_MAX = 500 * MIB;

const ANSWER = 'y'.repeat(64 * 1_024);

function post(token: string, body: string): string {
  return `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${token}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

/** Asks as often as the service takes it in, and reads nothing. */
async function askWithoutEnd(url: string, bytes: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  if (!socket.write(bytes))
    await Promise.race([once(socket, 'drain'), once(socket, 'close'), delay(SEND_MS_MAX)]);
  return socket;
}

/** What one client sends. */
const KINDS: Readonly<Record<string, (token: string, id: string) => string>> = {
  'polls, one behind the other': (token, id) => post(token, JSON.stringify({ id })).repeat(1_000),
  'polls in batches of 7 MiB': (token, id) =>
    post(token, JSON.stringify(Array.from({ length: 110 }, () => ({ id })))).repeat(10),
  'pages, without a token': () => 'GET /docs/redoc-2.5.4.js HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(4_000),
};

for (const [kind, bytesOf] of Object.entries(KINDS)) {
  it(`${CLIENTS} clients that ask for ${kind}, and never read, end no service with a heap of ${HEAP_MIB} MiB`, async () => {
    await using service = await ServiceProcess.start(['--log-level', 'warn'], undefined, {
      NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
    });
    await using destination = await nasty.answers('200 OK', ANSWER);
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submit({ destination: destination.url, data: 'first' });
    assert.equal((await client.wait(id)).answer.body, ANSWER);
    const before = processFigures(service.pid).rssBytes;
    const asked = bytesOf(tokenFor({ destination: destination.url }), id);

    const sockets: Socket[] = [];
    const exported: Promise<void>[] = [];
    for (let n = 0; n < CLIENTS; n += 1) {
      sockets.push(await askWithoutEnd(service.url, asked));
      if (n % Math.floor(CLIENTS / EXPORTS) === 0) exported.push(exportOne());
    }
    await Promise.all(exported);
    const grown = processFigures(service.pid).peakRssBytes - before;
    console.log(`${kind}: memory grew by ${(grown / MIB).toFixed(0)} MiB at most`);
    assert.equal((await request(`${service.url}/readyz`)).statusCode, 200);
    assert.ok(grown < GROWTH_BYTES_MAX, `${(grown / MIB).toFixed(0)} MiB`);
    for (const socket of sockets) socket.destroy();
    assert.equal(await service.end('SIGTERM'), 0);

    async function exportOne(): Promise<void> {
      const { id } = await client.submit({ destination: destination.url, data: 'another' });
      assert.equal((await client.wait(id, { timeoutMs: 60_000 })).answer.body, ANSWER);
    }
  });
}
