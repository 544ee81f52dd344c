/** Frames of WebSocket clients, as bytes after a good handshake: answered or cut off, and the server goes on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { DESTINATION, HttpFixture } from '../../support/http/http-fixture.ts';
import { closePayload, frameBytes, handshake, OPCODE } from '../../support/http/raw-socket.ts';
import type { FuzzTarget } from '../target.ts';

const FRESH = JSON.stringify({ id: '', uri: DESTINATION, data: '{"a":1}' });
const HANDSHAKE = handshake();

export async function open(): Promise<FuzzTarget> {
  const fixture = await HttpFixture.start({ limits: { pendingMax: Number.MAX_SAFE_INTEGER } });
  return {
    seeds: [
      frameBytes(FRESH),
      Buffer.concat([frameBytes(FRESH), frameBytes(FRESH), frameBytes('', { opcode: OPCODE.close })]),
      Buffer.concat([frameBytes('{"id"', { fin: false }), frameBytes(':1}', { opcode: OPCODE.more })]),
      Buffer.concat([
        frameBytes('ping', { opcode: OPCODE.ping }),
        frameBytes('pong', { opcode: OPCODE.pong }),
      ]),
      frameBytes(closePayload(1_000, 'bye'), { opcode: OPCODE.close }),
      frameBytes(Buffer.alloc(300, 1), { opcode: OPCODE.binary }),
      frameBytes('x'.repeat(70_000)),
    ],
    dictionary: [
      ...[
        '\x81\x80',
        '\x88\x82',
        '\x89\xfe',
        '\x01\x80',
        '\xc1\x80',
        '\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05',
        '\x81\xff\xff\xff\xff\xff',
      ],
      ...['\x00\x00\x00\x00', '{"id":"', '\xff', '\xed\xa0\x80'],
    ],
    async check(input) {
      const answer = await exchange(fixture.port, input);
      assert.deepEqual(fixture.unexpected, []);
      assert.ok(answer.startsWith('HTTP/1.1 101 '), answer.slice(0, 200));
      return answer.includes('"state":"Pending"') ? 'something was taken in' : 'nothing was taken in';
    },
    close: () => fixture[Symbol.asyncDispose](),
  };
}

/** All that the server says until the connection is over. */
async function exchange(port: number, bytes: Uint8Array): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  socket.end(Buffer.concat([Buffer.from(HANDSHAKE), bytes]));
  await closed;
  return answer;
}
