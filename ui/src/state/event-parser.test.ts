import assert from 'node:assert/strict';
import { it } from 'node:test';
import { EventParser } from './event-parser.ts';

const STREAM =
  'retry: 2000\nid: life-0\n\n:\n\nid: life-1\nevent: export\ndata: {"id":"a: b"}\n\nid: life-2\r\nevent: reset\r\ndata:{}\r\n\r\ndata: one\ndata: two\n\n';
const EVENTS = [
  { name: 'export', data: '{"id":"a: b"}' },
  { name: 'reset', data: '{}' },
  { name: 'message', data: 'one\ntwo' },
];

it('reads events, comments and names of places, whatever pieces they come in', () => {
  for (const size of [1, 2, 3, 7, 50, STREAM.length]) {
    const parser = new EventParser();
    const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
    assert.deepEqual(
      pieces.flatMap((piece) => parser.push(piece)),
      EVENTS,
      `pieces of ${size}`,
    );
    assert.equal(parser.lastEventId, 'life-2');
  }
});

it('knows the place before the first event, and not that of an event that was cut off', () => {
  const parser = new EventParser();
  parser.push('id: life-0\n\n');
  assert.equal(parser.lastEventId, 'life-0');
  parser.push('id: life-1\nevent: export\ndata: {');
  assert.equal(parser.lastEventId, 'life-0');
});
