/** Method: bytes as no client library would send them, on a socket that has shaken hands (RFC 6455). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DESTINATION, HttpFixture } from '../../../test/support/http/http-fixture.ts';
import {
  closePayload,
  type FrameOptions,
  frameBytes,
  OPCODE,
  RawSocket,
} from '../../../test/support/http/raw-socket.ts';
import { SocketClient } from '../../../test/support/http/socket-client.ts';
import { until } from '../../../test/support/until.ts';

const FRESH = JSON.stringify({ uri: DESTINATION, data: '{}' });

/** After whatever happened, another client is served as ever. */
async function assertAlive(fixture: HttpFixture): Promise<void> {
  await using client = await SocketClient.open(fixture.port);
  assert.equal((await client.ask(FRESH)).state, 'Pending');
  assert.deepEqual(fixture.unexpected, []);
}

/** The state in the next message. */
async function nextState(raw: RawSocket): Promise<string | undefined> {
  const frame = await raw.nextData();
  assert.equal(frame?.opcode, OPCODE.text);
  return JSON.parse(String(frame?.payload)).state;
}

describe('a message', () => {
  it('may come in the same piece as the handshake', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port, frameBytes(FRESH));
    assert.equal(await nextState(raw), 'Pending');
  });

  it('may come byte by byte', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.socket.setNoDelay();
    for (const byte of frameBytes(FRESH)) {
      raw.write(Buffer.of(byte));
      await fixture.send({ method: 'GET', path: '/healthz' });
    }
    assert.equal(await nextState(raw), 'Pending');
  });

  it('may come in fragments, with a ping between them and a character cut in two', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    const text = Buffer.from(JSON.stringify({ uri: DESTINATION, data: '"é"' }));
    const cut = text.indexOf(0xc3) + 1;
    raw.write(
      frameBytes(text.subarray(0, cut), { fin: false }),
      frameBytes('are you there', { opcode: OPCODE.ping }),
      frameBytes('', { opcode: OPCODE.more, fin: false }),
      frameBytes(text.subarray(cut), { opcode: OPCODE.more }),
    );
    const pong = await raw.next();
    assert.deepEqual([pong?.opcode, String(pong?.payload)], [OPCODE.pong, 'are you there']);
    assert.equal(await nextState(raw), 'Pending');
    assert.deepEqual(fixture.queuedData, ['"é"']);
  });

  it('of exactly the size of a body is read, whole and in fragments', async () => {
    await using fixture = await HttpFixture.start({ settings: { bodyBytesMax: 500 } });
    using raw = await RawSocket.open(fixture.port);
    const largest = FRESH.padEnd(500);
    raw.write(
      frameBytes(largest),
      frameBytes(largest.slice(0, 100), { fin: false }),
      frameBytes(largest.slice(100), { opcode: OPCODE.more }),
    );
    assert.equal(await nextState(raw), 'Pending');
    assert.equal(await nextState(raw), 'Pending');
  });

  const large = ' '.repeat(501);
  const tooLarge: [what: string, bytes: Buffer[]][] = [
    ['one byte larger', [frameBytes(large)]],
    ['larger by its length alone', [frameBytes('x', { length: 2n ** 40n })]],
    ['longer than numbers reach', [frameBytes('x', { length: 2n ** 63n - 1n })]],
    [
      'larger as a whole',
      [
        frameBytes(large.slice(0, 400), { fin: false }),
        frameBytes(large.slice(0, 101), { opcode: OPCODE.more }),
      ],
    ],
    ['binary and larger', [frameBytes(large, { opcode: OPCODE.binary })]],
  ];
  for (const [what, bytes] of tooLarge) {
    it(`${what} than a body may be closes with 1009, and nothing of it is taken in`, async () => {
      await using fixture = await HttpFixture.start({ settings: { bodyBytesMax: 500 } });
      using raw = await RawSocket.open(fixture.port);
      raw.write(...bytes);
      assert.equal(await raw.closeCode(), 1009);
      assert.deepEqual(fixture.store.inserted, []);
      await assertAlive(fixture);
    });
  }
});

describe('a frame that breaks the protocol', () => {
  const options: [what: string, code: number, payload: string | Uint8Array, options: FrameOptions][] = [
    ['is not masked', 1002, FRESH, { isMasked: false }],
    ['has the first reserved bit, of a compression nobody agreed to', 1002, FRESH, { reserved: 4 }],
    ['has the second reserved bit', 1002, FRESH, { reserved: 2 }],
    ['has the third reserved bit', 1002, FRESH, { reserved: 1 }],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): (typeof options)[number] => [
      `has the unknown opcode ${opcode}`,
      1002,
      '',
      { opcode },
    ]),
    ['goes on where nothing began', 1002, FRESH, { opcode: OPCODE.more }],
    ['is a ping in fragments', 1002, '', { opcode: OPCODE.ping, fin: false }],
    ['is a ping of 126 bytes', 1002, 'x'.repeat(126), { opcode: OPCODE.ping }],
    ['is a close in fragments', 1002, closePayload(1000), { opcode: OPCODE.close, fin: false }],
    ['is a close with half a code', 1002, 'x', { opcode: OPCODE.close }],
    ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code): (typeof options)[number] => [
      `is a close with the code ${code}, which nobody may send`,
      1002,
      closePayload(code),
      { opcode: OPCODE.close },
    ]),
    ['is a text that is not UTF-8', 1007, Buffer.from([0x22, 0xff, 0x22]), {}],
    ['is a text with half a surrogate pair', 1007, Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), {}],
    ['is a text that ends within a character', 1007, Buffer.from([0xc3]), {}],
    ['is a close whose reason is not UTF-8', 1007, Buffer.from([3, 232, 0xff]), { opcode: OPCODE.close }],
  ];
  for (const [what, code, payload, frame] of options) {
    it(`because it ${what} closes with ${code}, and the service lives on`, async () => {
      await using fixture = await HttpFixture.start();
      using raw = await RawSocket.open(fixture.port);
      raw.write(frameBytes(payload, frame));
      assert.equal(await raw.closeCode(), code);
      assert.deepEqual(fixture.store.inserted, []);
      await assertAlive(fixture);
    });
  }

  it('because a message begins within another closes with 1002', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes(FRESH, { fin: false }), frameBytes(FRESH));
    assert.equal(await raw.closeCode(), 1002);
    assert.deepEqual(fixture.store.inserted, []);
  });

  it('because it comes in more pieces than anybody needs closes with 1008', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    const piece = frameBytes('', { opcode: OPCODE.more, fin: false });
    raw.write(frameBytes('', { fin: false }), ...Array(17_000).fill(piece));
    assert.equal(await raw.closeCode(), 1008);
    await assertAlive(fixture);
  });

  it('does not undo what came before it, and what comes after it is not read', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes(FRESH), frameBytes(FRESH, { isMasked: false }), frameBytes(FRESH));
    await raw.closeCode();
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('leaves the connection no longer than a goodbye may take', async () => {
    await using fixture = await HttpFixture.start({ socketLimits: { closeTimeoutMs: 1 } });
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes(FRESH, { isMasked: false }));
    assert.equal(await raw.closeCode(), 1002);
    assert.equal(await raw.next(), null);
    await raw.closed();
  });

  for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x02\x00\x01', 'hello', '\xff\xff\xff\xff']) {
    it(`because it is ${JSON.stringify(garbage)} closes with 1002`, async () => {
      await using fixture = await HttpFixture.start();
      using raw = await RawSocket.open(fixture.port);
      raw.write(Buffer.from(garbage, 'latin1'));
      assert.equal(await raw.closeCode(), 1002);
      await assertAlive(fixture);
    });
  }
});

describe('a ping', () => {
  it('is answered with a pong that echoes it, each of several', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    const pings = ['', 'a', 'b'.repeat(125)];
    raw.write(...pings.map((payload) => frameBytes(payload, { opcode: OPCODE.ping })));
    for (const payload of pings) {
      const pong = await raw.next();
      assert.deepEqual([pong?.opcode, String(pong?.payload)], [OPCODE.pong, payload]);
    }
  });

  it('that nobody asked for, or a pong, changes nothing', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes('unasked', { opcode: OPCODE.pong }), frameBytes(FRESH));
    assert.equal(await nextState(raw), 'Pending');
  });
});

describe('a close', () => {
  for (const code of [1000, 1001, 1011, 3000, 4999]) {
    it(`with ${code} is answered with ${code}, and the connection ends`, async () => {
      await using fixture = await HttpFixture.start();
      using raw = await RawSocket.open(fixture.port);
      raw.write(frameBytes(closePayload(code, 'bye'), { opcode: OPCODE.close }));
      assert.equal(await raw.closeCode(), code);
      assert.equal(await raw.next(), null);
    });
  }

  it('without a code is answered with 1000, as the original does', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes('', { opcode: OPCODE.close }));
    assert.equal(await raw.closeCode(), 1000);
    assert.equal(await raw.next(), null);
  });

  it('is the last thing that is read', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes(closePayload(1000), { opcode: OPCODE.close }), frameBytes(FRESH));
    assert.equal(await raw.closeCode(), 1000);
    assert.deepEqual(fixture.store.inserted, []);
  });
});

describe('a connection that ends without a goodbye', () => {
  it('by a half close is closed, and what it had sent is taken in', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.socket.end(frameBytes(FRESH));
    await raw.closed();
    assert.equal(fixture.store.inserted.length, 1);
    await assertAlive(fixture);
  });

  it('by a reset is forgotten, in the middle of a frame too', async () => {
    await using fixture = await HttpFixture.start({ serverLimits: { connectionsMax: 2 } });
    for (const bytes of [frameBytes(FRESH), frameBytes(FRESH).subarray(0, 9), Buffer.alloc(0)]) {
      using raw = await RawSocket.open(fixture.port);
      raw.write(bytes);
      await fixture.send({ method: 'GET', path: '/healthz' });
      raw.socket.resetAndDestroy();
    }
    await assertAlive(fixture);
    // No heart beats for a socket that is gone.
    await until(() => fixture.clock.scheduled === 0);
  });
});
