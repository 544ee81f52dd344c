/** An app that uploads on every connection it can open, and never ends: the memory it takes is bounded, and others go on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { it } from 'node:test';
import { pidOfService, processFigures } from '../soak/figures.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { frameBytes, handshake } from '../support/http/raw-socket.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';

const UPLOADS = 1_500;
const SOCKETS = 1_000;
/** All but the last byte of the largest body there is. */
const BODY_BYTES = 1_024 ** 2;
const MIB = 1_024 ** 2;
/** The bound of all uploads is 256 MiB; the rest is what the heap has not given back yet. */
const GROWTH_BYTES_MAX = 700 * MIB;

it(`${UPLOADS} uploads of a megabyte that never end take a bounded part of memory, and another app is served`, async () => {
  await using service = await ServiceProcess.start(['--log-level', 'warn']);
  await using destination = await nasty.answers();
  const pid = pidOfService(service.dataDir);
  const before = processFigures(pid).rssBytes;
  const token = tokenFor({ destination: 'https://slow.example/', path: '/export' });
  const head = `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${token}\r\ncontent-length: ${BODY_BYTES}\r\n\r\n`;
  const most = Buffer.alloc(BODY_BYTES - 1, '[');
  const sockets: Socket[] = [];
  let refused = 0;
  for (let n = 0; n < UPLOADS; n += 1) {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    socket.once('data', (answer) => {
      if (/^HTTP\/1\.1 429 [\s\S]*"code":"rate_limited"/.test(String(answer))) refused += 1;
    });
    socket.write(head);
    if (!socket.write(most)) await once(socket, 'drain');
  }

  const client = clientFor(service.url, destination.url);
  const { id } = await client.submit({ destination: destination.url, data: 'small' });
  assert.equal((await client.wait(id)).answer.status, 200);
  const grown = processFigures(pid).rssBytes - before;
  console.log(
    `${UPLOADS} uploads of 1 MiB, ${refused} refused: memory grew by ${(grown / MIB).toFixed(0)} MiB`,
  );
  assert.ok(refused >= UPLOADS - 300, `${refused} were refused`);
  assert.ok(grown < GROWTH_BYTES_MAX, `${(grown / MIB).toFixed(0)} MiB`);
  for (const socket of sockets) socket.destroy();
});

it(`${SOCKETS} WebSocket messages of a megabyte that never end take a bounded part of it too`, async () => {
  await using service = await ServiceProcess.start(['--log-level', 'warn']);
  await using destination = await nasty.answers();
  const pid = pidOfService(service.dataDir);
  const before = processFigures(pid).rssBytes;
  const token = tokenFor({ destination: 'https://slow.example/', path: '/ws/export', method: 'GET' });
  const most = frameBytes('['.repeat(BODY_BYTES)).subarray(0, BODY_BYTES);
  const sockets: Socket[] = [];
  let refused = 0;
  for (let n = 0; n < SOCKETS; n += 1) {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => {});
    sockets.push(socket);
    socket.write(handshake({ 'x-api-key': token }));
    await once(socket, 'data');
    socket.on('close', () => {
      refused += 1;
    });
    if (!socket.write(most)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  }

  const client = clientFor(service.url, destination.url);
  const { id } = await client.submit({ destination: destination.url, data: 'small' });
  assert.equal((await client.wait(id)).answer.status, 200);
  const grown = processFigures(pid).rssBytes - before;
  console.log(`${SOCKETS} messages, ${refused} refused: memory grew by ${(grown / MIB).toFixed(0)} MiB`);
  assert.ok(refused >= SOCKETS - 300, `${refused} were refused`);
  assert.ok(grown < GROWTH_BYTES_MAX, `${(grown / MIB).toFixed(0)} MiB`);
  for (const socket of sockets) socket.destroy();
});
