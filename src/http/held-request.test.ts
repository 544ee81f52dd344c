/** Bodies that wait to be read, and what they take meanwhile. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { HttpFixture, tokenWith } from '../../test/support/http/http-fixture.ts';
import { until } from '../../test/support/until.ts';
import { HeldRequest } from './held-request.ts';

const TOKEN = tokenWith();
const BYTES = 50_000;
/** JSON of that many bytes, each in a chunk of its own. */
const CHUNKS = [...JSON.stringify({ uri: 'https://receiver.example/in', data: '1' }).padEnd(BYTES)]
  .map((character) => `1\r\n${character}\r\n`)
  .join('');
const CHUNKED_POST = `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n${CHUNKS}0\r\n\r\n`;

function poll(id: string): string {
  const text = JSON.stringify({ id });
  return `POST /lp/export HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
}

describe('a request whose body comes in many small chunks', () => {
  it('keeps them in one piece, asks for no more, and gives all of it to whoever reads', async () => {
    const request = new HeldRequest(new Socket());
    const held: number[] = [];
    request.onHeld = (more) => held.push(more);
    const readsOn = Array.from({ length: BYTES }, (_, n) => request.push(Buffer.from([n & 0xff])));
    assert.deepEqual([readsOn[8_191], readsOn[8_192], readsOn.at(-1)], [true, false, false]);
    assert.equal(request.readableLength, 0);
    assert.ok(request.heldBytes >= BYTES && request.heldBytes <= 2 * BYTES, String(request.heldBytes));
    assert.equal(
      held.reduce((sum, more) => sum + more),
      request.heldBytes,
    );
    request.push(null);
    const body = Buffer.concat(await request.toArray());
    assert.deepEqual(body, Buffer.from(Uint8Array.from({ length: BYTES }, (_, n) => n & 0xff)));
    assert.equal(request.heldBytes, 0);
  });

  it('ends at once when it has no body', async () => {
    const request = new HeldRequest(new Socket());
    request.push(null);
    assert.deepEqual(await request.toArray(), []);
  });

  it('may have the rest of it come while it is read', async () => {
    const request = new HeldRequest(new Socket());
    request.push(Buffer.from('a'));
    const reading = request.toArray();
    await new Promise(setImmediate);
    request.push(Buffer.from('b'));
    request.push(null);
    assert.equal(Buffer.concat(await reading).toString(), 'ab');
  });

  it('is taken in over a connection, alone and behind another that waits, and what it holds there counts', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const socket = await fixture.connect();
    socket.write(poll(id));
    await fixture.untilWaiting(1);
    assert.equal(fixture.server.unreadBytes, 0);
    socket.write(CHUNKED_POST);
    // What is read at once holds eleven thousand of them.
    await until(() => fixture.server.unreadBytes > 8_192);
    assert.ok(fixture.server.unreadBytes < 2 * BYTES, String(fixture.server.unreadBytes));
    assert.equal(fixture.store.inserted.length, 1);
    fixture.clock.advance(5_000);
    await until(() => fixture.store.inserted.length === 2);
    await until(() => fixture.server.unreadBytes === 0 && fixture.server.uploadedBytes === 0);
    const alone = await fixture.exchange(CHUNKED_POST.replace('host: x', 'host: x\r\nconnection: close'));
    assert.match(alone, /^HTTP\/1\.1 200 /);
    socket.destroy();
  });

  it('cuts off whoever sends too much behind an answer that has not come', async () => {
    await using fixture = await HttpFixture.start({ serverLimits: { unreadBytesMax: 4_000 } });
    const id = await fixture.submit();
    const sockets = [await fixture.connect(), await fixture.connect()];
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of sockets)
      socket
        .on('error', () => {})
        .resume()
        .write(poll(id));
    await fixture.untilWaiting(2);
    for (const socket of sockets) socket.write(CHUNKED_POST);
    // The second one is too much by itself, and stays: what came last is never cut off.
    await Promise.race(closed);
    fixture.clock.advance(5_000);
    for (const socket of sockets) socket.destroy();
  });
});
