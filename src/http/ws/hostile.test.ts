/** Method: clients that do not read, do not answer, or never stop; the clock stands still until a test turns it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DESTINATION, HttpFixture } from '../../../test/support/http/http-fixture.ts';
import {
  closePayload,
  frameBytes,
  handshake,
  OPCODE,
  RawSocket,
} from '../../../test/support/http/raw-socket.ts';
import { SocketClient } from '../../../test/support/http/socket-client.ts';
import { until } from '../../../test/support/until.ts';
import { SOCKET_LIMITS } from './socket-limits.ts';

const FRESH = { id: '', uri: DESTINATION, data: '{}' };
const MANY = { limits: { pendingMax: 100_000 } };
const { pingIntervalMs } = SOCKET_LIMITS;

/** How an export ends whose destination answers with so much. */
function deliveredWith(body: string) {
  const result = { kind: 'answer', answer: { status: 200, body, truncated: false } } as const;
  return { state: 'delivered', attempts: 1, finishedAt: 1, result } as const;
}

const LARGE = deliveredWith('x'.repeat(60_000));

/** Resolves when the server does nothing more by itself. */
async function untilQuiet(fixture: HttpFixture): Promise<void> {
  let gets = -1;
  let quietTrips = 0;
  await until(async () => {
    quietTrips = gets === fixture.store.gets ? quietTrips + 1 : 0;
    gets = fixture.store.gets;
    await fixture.send({ method: 'GET', path: '/healthz' });
    return quietTrips === 20;
  });
}

/** A client that handed in many exports and then stopped reading. */
async function deafClient(fixture: HttpFixture, exports: number): Promise<RawSocket> {
  const raw = await RawSocket.open(fixture.port);
  for (let n = 0; n < exports; n += 1) raw.write(frameBytes(JSON.stringify(FRESH)));
  for (let n = 0; n < exports; n += 1) await raw.next();
  return raw;
}

describe('clients that begin messages and never end them', () => {
  const HALF = Buffer.alloc(3_000, '[');
  const BOUND = { serverLimits: { uploadsBytesMax: 10_000 }, settings: { bodyBytesMax: 2_500 } };

  /** A text frame of the largest size, as far as it goes. */
  const begun = (bytes: number): Buffer =>
    frameBytes(HALF.toString('latin1', 0, 2_500)).subarray(0, 8 + bytes);

  it('take no more of memory than all bodies may: the largest goes, with 1013', async () => {
    await using fixture = await HttpFixture.start(BOUND);
    const raws: RawSocket[] = [];
    // 2,407 bytes each with their headers: four of them, and the fifth is one too many.
    for (const bytes of [2_400, 2_399, 2_390, 2_380]) {
      const raw = await RawSocket.open(fixture.port);
      raws.push(raw);
      raw.write(begun(bytes));
    }
    await until(async () => {
      await fixture.send({ method: 'GET', path: '/healthz' });
      return fixture.server.uploadedBytes > 9_000;
    });
    await using other = await SocketClient.open(fixture.port);
    other.send(FRESH);
    await other.next();
    const fifth = await RawSocket.open(fixture.port);
    raws.push(fifth);
    fifth.write(begun(1_000));
    const [closed] = raws;
    assert.equal((await closed?.next())?.payload.readUInt16BE(0), 1_013);
    // A whole body goes through, and who is not the largest stays.
    assert.equal((await fixture.send({ method: 'GET', path: '/healthz' })).status, 200);
    assert.ok(fixture.server.uploadedBytes < 9_000, `${fixture.server.uploadedBytes}`);
    for (const raw of raws) raw[Symbol.dispose]();
    await until(async () => {
      await fixture.send({ method: 'GET', path: '/healthz' });
      return fixture.server.uploadedBytes === 0;
    });
  });

  it('what has ended does not count, whole or in pieces, with pings between', async () => {
    await using fixture = await HttpFixture.start(BOUND);
    using raw = await RawSocket.open(fixture.port);
    const text = JSON.stringify(FRESH);
    for (let n = 0; n < 200; n += 1) {
      raw.write(frameBytes(text));
      await raw.next();
      raw.write(frameBytes('', { opcode: OPCODE.ping }));
      await raw.next();
      raw.write(frameBytes(text.slice(0, 9), { fin: false }));
      raw.write(frameBytes(text.slice(9), { opcode: OPCODE.more }));
      await raw.next();
    }
    assert.ok(fixture.server.uploadedBytes < 200, `${fixture.server.uploadedBytes}`);
  });
});

describe('clients that do not read', () => {
  it('take no more of memory than all answers may: who has not read for the longest is cut off', async () => {
    const answerBytes = 16 * 1_024 ** 2;
    await using fixture = await HttpFixture.start({ serverLimits: { unreadBytesMax: 2.5 * answerBytes } });
    const id = await fixture.submit();
    fixture.store.change(id, deliveredWith('x'.repeat(answerBytes)));
    const raws: RawSocket[] = [];
    for (let n = 0; n < 4; n += 1) {
      const raw = await RawSocket.open(fixture.port);
      raws.push(raw);
      const gets = fixture.store.gets;
      raw.write(frameBytes(JSON.stringify({ id })));
      await until(
        () => fixture.store.gets > gets && fixture.server.unreadBytes > Math.min(n + 0.5, 1.5) * answerBytes,
      );
      assert.ok(fixture.server.unreadBytes <= 2.5 * answerBytes, `${fixture.server.unreadBytes}`);
    }
    for (const raw of raws.slice(0, 2)) await raw.closed();
    assert.ok(((await raws[2]?.next())?.payload.length ?? 0) > answerBytes);
    for (const raw of raws) raw[Symbol.dispose]();
    await until(() => fixture.server.unreadBytes === 0);
  });
});

describe('a client that does not read', () => {
  it('is pushed to no further than its outbox, and all the rest when it reads again', async () => {
    await using fixture = await HttpFixture.start(MANY);
    using raw = await deafClient(fixture, 1_000);
    const before = fixture.store.gets;
    // 60 MB, of which the system takes a few.
    for (const { id } of fixture.store.inserted) fixture.store.change(id, LARGE);
    await untilQuiet(fixture);
    const read = fixture.store.gets - before;
    assert.ok(read < 500, `${read} results were read for a client that takes none`);
    const finished = new Set<string>();
    while (finished.size < 1_000) {
      const { id, state } = JSON.parse(String((await raw.nextData())?.payload));
      if (state === 'Finished') finished.add(id);
    }
    assert.equal(fixture.store.gets - before, 1_000);
  });

  it('and asks on is not read from any more', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, LARGE);
    using raw = await RawSocket.open(fixture.port);
    const poll = frameBytes(JSON.stringify({ id }));
    const polls = Buffer.concat(Array(1_000).fill(poll));
    let isStuck = false;
    // Until our own side does not take any more: what is under way is what the system buffers.
    await until(async () => {
      for (let n = 0; n < 20 && !isStuck; n += 1) isStuck = !raw.socket.write(polls);
      await fixture.send({ method: 'GET', path: '/healthz' });
      return isStuck && raw.socket.writableLength > 0;
    });
    await untilQuiet(fixture);
    const { gets } = fixture.store;
    assert.ok(gets * 60_000 < 64 * 2 ** 20, `${gets} answers were made for a client that takes none`);
    assert.equal(JSON.parse(String((await raw.nextData())?.payload)).state, 'Finished');
  });

  it('is cut off between one and two intervals later, and its results stay', async () => {
    await using fixture = await HttpFixture.start(MANY);
    using raw = await deafClient(fixture, 500);
    for (const { id } of fixture.store.inserted) fixture.store.change(id, LARGE);
    await untilQuiet(fixture);
    fixture.clock.advance(pingIntervalMs);
    await untilQuiet(fixture);
    assert.equal(fixture.clock.scheduled, 1, 'still there');
    fixture.clock.advance(pingIntervalMs);
    await until(() => fixture.clock.scheduled === 0);
    await raw.closed();
    const id = fixture.store.inserted.at(-1)?.id;
    assert.equal((await fixture.send({ body: { id } })).json.state, 'Finished');
  });

  it('for a while, and then does, is kept: reading is a sign too', async () => {
    await using fixture = await HttpFixture.start(MANY);
    using raw = await deafClient(fixture, 500);
    for (const { id } of fixture.store.inserted) fixture.store.change(id, LARGE);
    await untilQuiet(fixture);
    fixture.clock.advance(pingIntervalMs);
    const { gets } = fixture.store;
    while (fixture.store.gets === gets) await raw.next();
    fixture.clock.advance(pingIntervalMs);
    assert.equal(fixture.clock.scheduled, 1);
  });

  it('but pings is answered as far as it reads, and costs no more than a piece of its pings', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    const ping = frameBytes('', { opcode: OPCODE.ping });
    raw.write(...Array(50_000).fill(ping), frameBytes(JSON.stringify(FRESH)));
    let pongs = 0;
    for (let frame = await raw.next(); frame?.opcode === OPCODE.pong; frame = await raw.next()) pongs += 1;
    assert.equal(pongs, 50_000);
    assert.equal(fixture.store.inserted.length, 1);
  });
});

describe('a client that is gone without a word', () => {
  it('is asked every interval, and cut off when it gives no sign from one to the next', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    fixture.clock.advance(pingIntervalMs);
    assert.equal((await raw.next())?.opcode, OPCODE.ping);
    fixture.clock.advance(pingIntervalMs - 1);
    assert.equal(fixture.clock.scheduled, 1);
    fixture.clock.advance(1);
    assert.equal(await raw.next(), null);
    assert.equal(fixture.clock.scheduled, 0);
  });

  it('is kept for as long as it answers, or says anything at all', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    const signs = [
      frameBytes('', { opcode: OPCODE.pong }),
      frameBytes(JSON.stringify(FRESH)),
      frameBytes('', { opcode: OPCODE.binary }),
      // A part of a frame that takes its time.
      frameBytes('x'.repeat(1_000)).subarray(0, 3),
      Buffer.from('x'),
    ];
    for (const sign of signs) {
      fixture.clock.advance(pingIntervalMs);
      raw.write(sign);
      await fixture.send({ method: 'GET', path: '/healthz' });
      await untilQuiet(fixture);
    }
    fixture.clock.advance(pingIntervalMs);
    assert.equal(fixture.clock.scheduled, 1);
  });

  it('answers by itself where a library does: nobody has to think of it', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    for (let n = 0; n < 5; n += 1) {
      const asked = once(client.ws, 'ping');
      fixture.clock.advance(pingIntervalMs);
      await asked;
      await client.unread();
    }
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('is not taken for gone while it is we who are slow', async () => {
    await using fixture = await HttpFixture.start({ socketLimits: { framesUnderWayMax: 1 } });
    const stored = fixture.store.holdInserts();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes(JSON.stringify(FRESH)));
    await until(() => fixture.store.insertsUnderWay === 1);
    for (let n = 0; n < 5; n += 1) fixture.clock.advance(pingIntervalMs);
    stored.resolve();
    assert.equal(JSON.parse(String((await raw.nextData())?.payload)).state, 'Pending');
  });
});

describe('a service that stops', () => {
  it('says goodbye with 1001 to every socket, and does not wait longer for it', async () => {
    await using fixture = await HttpFixture.start();
    const clients = [await SocketClient.open(fixture.port), await SocketClient.open(fixture.port)];
    const id = await clients[0]?.submit();
    await fixture.server.close();
    for (const client of clients) {
      assert.deepEqual(await client.closed, [1001, 'The service is stopping.']);
    }
    assert.equal(fixture.store.inserted[0]?.id, id);
  });

  it('answers the frames under way first, and takes in no others', async () => {
    await using fixture = await HttpFixture.start({ socketLimits: { framesUnderWayMax: 2 }, ...MANY });
    const stored = fixture.store.holdInserts();
    await using client = await SocketClient.open(fixture.port);
    for (let n = 0; n < 5; n += 1) client.send(FRESH);
    await until(() => fixture.store.insertsUnderWay === 2);
    const closed = fixture.server.close();
    stored.resolve();
    assert.equal((await client.next()).state, 'Pending');
    assert.equal((await client.next()).state, 'Pending');
    assert.equal((await client.closed)[0], 1001);
    await closed;
    assert.equal(client.texts.length, 2);
    assert.equal(fixture.store.inserted.length, 2);
  });

  it('cuts off who does not say goodbye when its time is over', async () => {
    await using fixture = await HttpFixture.start({ serverLimits: { closeGraceMs: 5_000 } });
    using raw = await RawSocket.open(fixture.port);
    const closed = fixture.server.close();
    assert.equal(await raw.closeCode(), 1001);
    fixture.clock.advance(5_000);
    await closed;
    assert.equal(await raw.next(), null);
  });

  it('cuts off who does not read its goodbye either', async () => {
    await using fixture = await HttpFixture.start({ serverLimits: { closeGraceMs: 5_000 }, ...MANY });
    using raw = await deafClient(fixture, 500);
    for (const { id } of fixture.store.inserted) fixture.store.change(id, LARGE);
    await untilQuiet(fixture);
    const closed = fixture.server.close();
    fixture.clock.advance(5_000);
    await closed;
    await raw.closed();
  });

  it('refuses a handshake on a connection that is still open', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const poll = fixture.send({ path: '/lp/export?timeout=3', body: { id } });
    await fixture.untilWaiting(1);
    // Its headers are not complete when the server closes, so its connection is not idle.
    const late = await fixture.connect();
    const request = handshake();
    late.write(request.slice(0, 40));
    await fixture.send({ method: 'GET', path: '/healthz' });
    const closed = fixture.server.close();
    late.write(request.slice(40));
    const [answer] = await once(late, 'data');
    assert.match(String(answer), /^HTTP\/1\.1 503 [\s\S]*"code":"shutting_down"/);
    fixture.clock.advance(3_000);
    await poll;
    late.destroy();
    await closed;
  });
});

describe('frames at random', () => {
  const payload = fc.oneof(
    fc.constant(JSON.stringify(FRESH)),
    fc.constant('[]'),
    fc.json(),
    fc.string(),
    fc.uint8Array({ maxLength: 300 }),
    fc.constant(closePayload(1000)),
  );
  const frame = fc
    .record({
      payload,
      opcode: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 1, 2, 8, 9, 10) }, fc.nat(15)),
      fin: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.boolean()),
      reserved: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, fc.nat(7)),
      isMasked: fc.oneof({ weight: 20, arbitrary: fc.constant(true) }, fc.boolean()),
    })
    .map((options) => frameBytes(options.payload, options));
  const bytes = fc.oneof({ weight: 10, arbitrary: frame }, fc.uint8Array({ maxLength: 40 }).map(Buffer.from));

  it('however they are cut get answers or a close, never a mistake of ours, and the service lives on', async () => {
    await using fixture = await HttpFixture.start({
      limits: { pendingMax: 1_000_000 },
      socketLimits: { closeTimeoutMs: 1 },
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(bytes, { maxLength: 12 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
        async (all, cuts) => {
          using raw = await RawSocket.open(fixture.port);
          let rest = Buffer.concat(all);
          for (const cut of cuts) {
            if (rest.length === 0) break;
            raw.write(rest.subarray(0, cut));
            rest = rest.subarray(cut);
          }
          raw.socket.end();
          for (let next = await raw.next(); next !== null; next = await raw.next()) {
            if (next.opcode === OPCODE.text) {
              const answer = JSON.parse(String(next.payload));
              assert.ok(answer.state !== undefined || answer.code !== undefined);
              assert.notEqual(answer.code, 'internal_error');
            }
          }
          assert.deepEqual(fixture.unexpected, []);
        },
      ),
      { numRuns: 300 },
    );
    await until(() => fixture.clock.scheduled === 0);
    await using client = await SocketClient.open(fixture.port);
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });
});
