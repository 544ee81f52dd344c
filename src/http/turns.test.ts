/** Many requests on one connection, and clients that do not read. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { HttpFixture, tokenWith } from '../../test/support/http/http-fixture.ts';
import { until } from '../../test/support/until.ts';
import type { ServerLimits } from './server.ts';

const TOKEN = tokenWith();
/** More than what two systems' buffers between a client and us take. */
const ANSWER_BYTES = 16 * 1_024 * 1_024;
const STATUS = 'GET /status HTTP/1.1\r\nhost: x\r\n\r\n';

function post(path: string, body: object): string {
  const text = JSON.stringify(body);
  return `POST ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}

/** Asks and does not read. */
async function askAndRest(fixture: HttpFixture, bytes: string): Promise<Socket> {
  const socket = await fixture.connect();
  socket.on('error', () => {}).pause();
  socket.write(bytes);
  return socket;
}

/** A service with an export that has ended with a long answer. */
async function withLongAnswer(
  serverLimits: Partial<ServerLimits>,
): Promise<{ fixture: HttpFixture; id: string }> {
  const fixture = await HttpFixture.start({ serverLimits });
  const id = await fixture.submit();
  const answer = { status: 200, body: 'x'.repeat(ANSWER_BYTES), truncated: false };
  fixture.store.change(id, { state: 'delivered', result: { kind: 'answer', answer } });
  return { fixture, id };
}

describe('requests on one connection', () => {
  it('are all answered, in their order, also when thousands come at once', async () => {
    await using fixture = await HttpFixture.start();
    const count = 3_000;
    const socket = await fixture.connect();
    socket.write(STATUS.repeat(count) + STATUS.replace('host', 'connection: close\r\nhost'));
    const text = Buffer.concat(await socket.toArray()).toString();
    assert.equal(text.split('\r\n\r\nactive').length - 1, count + 1);
    const ids = [await fixture.submit(), await fixture.submit()];
    const polls = await fixture.connect();
    polls.end([...ids, ...ids].map((id) => post('/export', { id })).join(''));
    const answers = Buffer.concat(await polls.toArray()).toString();
    assert.deepEqual(
      [...answers.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id),
      [...ids, ...ids],
    );
  });

  it('begin one after the other: what comes behind a wait is not looked at before its answer', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const socket = await askAndRest(
      fixture,
      post('/lp/export', { id }) + post('/export', { uri: 'https://receiver.example/in', data: '1' }),
    );
    await fixture.untilWaiting(1);
    await fixture.send({ method: 'GET', path: '/status' });
    assert.equal(fixture.store.inserted.length, 1);
    fixture.clock.advance(5_000);
    await until(() => fixture.store.inserted.length === 2);
    socket.destroy();
  });

  it('that come behind one whose answer ends the connection are not begun', async () => {
    await using fixture = await HttpFixture.start();
    const fresh = post('/export', { uri: 'https://receiver.example/in', data: '1' });
    const answer = await fixture.exchange(STATUS.replace('host', 'connection: close\r\nhost') + fresh);
    assert.match(answer, /active$/);
    await fixture.send({ method: 'GET', path: '/status' });
    assert.equal(fixture.store.inserted.length, 0);
  });
});

describe('answers that nobody reads', () => {
  it('are one for each connection, whatever it asks, and what it asks waits unparsed', async () => {
    const { fixture, id } = await withLongAnswer({ unreadBytesMax: 1_024 ** 3 });
    await using _ = fixture;
    const poll = post('/export', { id });
    const sockets = [];
    for (let n = 0; n < 3; n += 1) sockets.push(await askAndRest(fixture, poll.repeat(1_000)));
    await until(() => fixture.server.unreadBytes > 3 * ANSWER_BYTES);
    for (let n = 0; n < 20; n += 1) await fixture.send({ method: 'GET', path: '/status' });
    // What is read at once holds a few hundred requests.
    assert.ok(fixture.server.unreadBytes < 3 * (ANSWER_BYTES + 1_024 ** 2), `${fixture.server.unreadBytes}`);
    for (const socket of sockets) socket.destroy();
    await until(() => fixture.server.unreadBytes === 0);
  });

  it('cut off whoever has not read for the longest when all together are too many', async () => {
    const { fixture, id } = await withLongAnswer({ unreadBytesMax: 2.5 * ANSWER_BYTES });
    await using _ = fixture;
    const closed: number[] = [];
    const sockets = [];
    for (let n = 0; n < 5; n += 1) {
      const socket = await askAndRest(fixture, post('/export', { id }));
      socket.on('close', () => closed.push(n));
      sockets.push(socket);
      await until(() => fixture.server.unreadBytes >= Math.min(n + 1, 2) * ANSWER_BYTES);
      assert.ok(fixture.server.unreadBytes < 2.5 * ANSWER_BYTES);
      // Who reads is served.
      assert.equal((await fixture.send({ body: { id } })).text.length > ANSWER_BYTES, true);
    }
    // A socket that rests hears of its end once it reads.
    for (const socket of sockets.slice(0, 3)) socket.resume();
    await until(() => closed.length === 3);
    assert.deepEqual(closed.toSorted(), [0, 1, 2]);
    for (const socket of sockets) socket.destroy();
  });

  it('end the connection in time, also when each is short', async () => {
    await using fixture = await HttpFixture.start({ serverLimits: { readTimeoutMs: 50 } });
    const socket = await askAndRest(fixture, '');
    // Short answers pile up only behind full buffers of two systems.
    const pump = (): void => {
      while (!socket.destroyed && socket.write(STATUS.repeat(1_000)));
    };
    socket.on('drain', pump);
    pump();
    await new Promise((resolve) => socket.once('close', resolve));
    await until(() => fixture.server.unreadBytes === 0);
  });
});
