/** The receiver of docs/receivers.md, run as it stands there, and a real service that delivers to it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { request } from 'undici';
import { runMain } from '../support/captured-io.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import { clientFor, ServiceProcess } from '../support/service.ts';

const PAGE = new URL('../../docs/receivers.md', import.meta.url);
const CLIENT = new URL('../../client/index.ts', import.meta.url);

/** What the page's receiver has printed, as `console.log` got it. */
type Printed = (line: [id: string, data: unknown]) => void;

/** Runs the page's code on a free port; only the package's name, the key and the port are put in. */
async function startReceiver(key: string, printed: Printed): Promise<Server> {
  const page = await readFile(PAGE, 'utf8');
  const code = /```js\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const source = code
    .replace("'databox-export-client'", `'${CLIENT.href}'`)
    .replace('process.env.BOX_KEY', `'${key}'`)
    .replace('console.log(', 'globalThis.printedByReceiver(')
    .replace('createServer(async', 'export const server = createServer(async')
    .replace('.listen(9000)', ".listen(0, '127.0.0.1')");
  Object.assign(globalThis, { printedByReceiver: (...line: [string, unknown]) => printed(line) });
  const { server } = (await import(`data:text/javascript,${encodeURIComponent(source)}`)) as {
    server: Server;
  };
  if (!server.listening) await once(server, 'listening');
  return server;
}

it('the receiver of the page has ten lines of code, believes the service and nobody else', async () => {
  await using service = await ServiceProcess.start();
  const key = (await runMain(['key', 'show', '--data-dir', service.dataDir])).stdout.trim();
  const lines: [string, unknown][] = [];
  await using server = await startReceiver(key, (line) => lines.push(line));
  const destination = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;
  const client = clientFor(service.url, destination);

  const json = '{ "temperature": 36.60,\n  "room": "Küche" }';
  const { id } = await client.submit({ destination, json });
  assert.equal((await client.wait(id)).answer.status, 204);
  assert.deepEqual(lines, [[id, { temperature: 36.6, room: 'Küche' }]]);

  // The same delivery, copied on its way by somebody who changes a digit.
  await using copying = await startDestination({ onRequest: (socket) => socket.write(answerText('200 OK')) });
  const copied = clientFor(service.url, copying.url);
  await copied.submit({ destination: copying.url, json });
  await copying.arrived(1);
  const [delivery] = copying.received;
  const { host: _, connection: __, 'content-length': ___, ...headers } = delivery?.headers ?? {};
  const replay = async (body: string, changed: Record<string, string> = {}) =>
    (await request(destination, { method: 'POST', headers: { ...headers, ...changed }, body })).statusCode;
  assert.equal(await replay(json.replace('36.60', '36.61')), 401);
  assert.equal(await replay(json, { 'webhook-id': id }), 401);
  assert.equal(await replay(json, { 'webhook-signature': 'v1a,' }), 401);
  assert.equal(lines.length, 1);
  assert.equal(
    await replay(json),
    204,
    'unchanged and at once it is believed: its id tells that it is a repeat',
  );
  assert.equal(lines[1]?.[0], headers['webhook-id']);
  server.closeAllConnections();
});
