/** Frames of the box's arbiter: read or refused, and what was read is written and read again as the same. */
import assert from 'node:assert/strict';
import {
  decodeAnswer,
  decodeMessage,
  decodeRequest,
  encodeAnswer,
  encodeMessage,
  encodeRequest,
  MalformedZestError,
} from '../../../src/arbiter/zest.ts';
import { type FuzzTarget, mustBe } from '../target.ts';

const NOTHING = new Uint8Array(0);

export function open(): FuzzTarget {
  return {
    seeds: [
      encodeRequest({
        method: 'GET',
        path: '/store/secret',
        identity: 'export-service',
        contentFormat: 50,
        token: Buffer.from('cTMoMHdvcmQ='),
        payload: NOTHING,
      }),
      encodeRequest({
        method: 'POST',
        path: '/token',
        identity: 'приложение',
        contentFormat: 0,
        token: Buffer.alloc(44, 'x'),
        payload: Buffer.from('{"target":"export-service"}'),
      }),
      encodeAnswer({
        code: 69,
        contentFormat: 0,
        payload: Buffer.from('bdcd6cbf-b60e-4b3c-be9f-ff664cbc2372'),
      }),
      encodeAnswer({ code: 129, contentFormat: null, payload: NOTHING }),
      encodeMessage({
        code: 1,
        token: NOTHING,
        options: [{ number: 2048, value: Buffer.alloc(40) }],
        payload: NOTHING,
      }),
    ],
    dictionary: [
      '\x00\x00',
      '\xff\xff',
      '\x00\x0b',
      '\x00\x03',
      '\x00\x0c\x00\x02',
      '/store/secret',
      '\xf4\x90\x80\x80',
    ],
    check(input) {
      const readers = [decodeMessage, decodeRequest, decodeAnswer];
      const read = readers.filter((reader) => isRead(reader, input)).length;
      if (read === 0) return 'malformed';
      assert.deepEqual(Buffer.from(encodeMessage(decodeMessage(input))), Buffer.from(input));
      return read === readers.length ? 'a request' : 'a message';
    },
  };
}

function isRead(reader: (frame: Uint8Array) => unknown, frame: Uint8Array): boolean {
  try {
    reader(frame);
    return true;
  } catch (error) {
    mustBe(error, MalformedZestError);
    return false;
  }
}
