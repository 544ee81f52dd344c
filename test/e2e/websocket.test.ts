/** Method: the service as a process, a destination on this machine, and the `ws` client or bare bytes between them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { frameBytes, OPCODE, RawSocket } from '../support/http/raw-socket.ts';
import { SocketClient } from '../support/http/socket-client.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';

function socketToken(destination: string): string {
  return tokenFor({ destination, method: 'GET', path: '/ws/export' });
}

function openSocket(service: ServiceProcess, destination: string): Promise<SocketClient> {
  return SocketClient.open(Number(new URL(service.url).port), { token: socketToken(destination) });
}

describe('an export over a WebSocket, end to end', () => {
  it('is told Pending, Processing and Finished, and arrives byte for byte', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers('201 Created', 'thanks');
    await using client = await openSocket(service, destination.url);
    const { id, state } = await client.ask({ id: '', uri: destination.url, data: '{ "a" : 1.10 }' });
    assert.equal(state, 'Pending');
    assert.deepEqual(await client.next(), { id, state: 'Processing', ext_response: {} });
    assert.deepEqual(await client.next(), {
      id,
      state: 'Finished',
      ext_response: { status: '201 Created', body: 'thanks' },
    });
    assert.equal(destination.received[0]?.body.toString(), '{ "a" : 1.10 }');
    assert.equal(destination.received[0]?.headers['webhook-id'], id);
  });

  it('by the thousand arrives in the order of the frames, and each is told all its states', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    await using client = await openSocket(service, destination.url);
    const states = new Map<string, string[]>();
    const ids: string[] = [];
    for (let n = 0; n < 1_000; n += 1) client.send({ uri: destination.url, data: n });
    for (let n = 0; n < 3_000; n += 1) {
      const { id, state } = await client.next();
      if (state === 'Pending') ids.push(id);
      states.set(id, [...(states.get(id) ?? []), state]);
    }
    for (const told of states.values()) assert.deepEqual(told, ['Pending', 'Processing', 'Finished']);
    assert.deepEqual(
      destination.received.map(({ body }) => Number(body)),
      Array.from({ length: 1_000 }, (_, n) => n),
    );
    assert.deepEqual(
      destination.received.map(({ headers }) => headers['webhook-id']),
      ids,
    );
  });

  it('that was answered outlives a kill, and a new socket asks how it went', async () => {
    await using service = await ServiceProcess.start();
    let isUp = false;
    await using destination = await startDestination({
      onRequest: (socket) => isUp && socket.write(answerText('200 OK', 'at last')),
    });
    const first = await openSocket(service, destination.url);
    const { id } = await first.ask({ uri: destination.url, data: 1 });
    await destination.arrived(1);
    await service.end('SIGKILL');
    await first.closed;
    isUp = true;
    await service.start();
    await destination.arrived(2);
    await clientFor(service.url, destination.url).wait(id);
    await using second = await openSocket(service, destination.url);
    assert.deepEqual((await second.ask({ id })).ext_response, { status: '200 OK', body: 'at last' });
  });

  it('is not stopped by frames that broke the original: the process lives', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    await using client = await openSocket(service, destination.url);
    for (const frame of [
      { id: 'no-uuid', uri: destination.url, data: '{}' },
      { uri: destination.url, data: 'text' },
    ]) {
      assert.equal((await client.ask(frame)).code, 'invalid_request');
    }
    const port = Number(new URL(service.url).port);
    for (const bytes of [frameBytes('{'), frameBytes('{}', { isMasked: false }), Buffer.from([0xff, 0xff])]) {
      using raw = await RawSocket.open(port, bytes, { 'x-api-key': socketToken(destination.url) });
      await raw.nextData();
    }
    assert.equal((await request(`${service.url}/healthz`)).statusCode, 200);
    assert.equal((await client.ask({ uri: destination.url, data: 1 })).state, 'Pending');
  });
});

describe('a process that is told to stop', () => {
  it('says 1001 to its sockets and ends with 0, though exports are watched', async () => {
    await using service = await ServiceProcess.start(['--drain-max', '0s']);
    await using destination = await nasty.neverAnswers();
    const client = await openSocket(service, destination.url);
    await client.ask({ uri: destination.url, data: 1 });
    await destination.arrived(1);
    assert.equal(await service.end('SIGTERM'), 0);
    assert.equal((await client.closed)[0], 1001);
  });

  it('does not wait longer than --drain-max for a socket that says nothing', async () => {
    await using service = await ServiceProcess.start(['--drain-max', '1ms']);
    const port = Number(new URL(service.url).port);
    const token = socketToken('https://receiver.example/in');
    using raw = await RawSocket.open(port, Buffer.alloc(0), { 'x-api-key': token });
    assert.equal(await service.end('SIGTERM'), 0);
    for (let frame = await raw.next(); frame !== null; frame = await raw.next()) {
      assert.equal(frame.opcode, OPCODE.close);
    }
  });
});
