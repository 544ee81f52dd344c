/** Server-sent events, taken apart as HTML says (section 9.2.6). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventParser } from './event-source.ts';

const STREAM =
  'retry: 2000\nid: a-0\n\n:\n\nid: a-1\nevent: rule\ndata: {"a":1}\n\n' +
  'id: a-2\r\nevent: export\r\ndata: {"b":\r\ndata: 2}\r\n\r\ndata\n\nevent: reset\n\ndata:x\rdata: y\r\r\n';
const EVENTS = [
  { id: 'a-1', name: 'rule', data: '{"a":1}' },
  { id: 'a-2', name: 'export', data: '{"b":\n2}' },
  { id: 'a-2', name: 'message', data: '' },
  { id: 'a-2', name: 'message', data: 'x\ny' },
];

test('a stream is the same however it is cut into pieces', () => {
  for (let size = 1; size <= STREAM.length; size += 1) {
    const parser = new EventParser();
    const events = [];
    for (let start = 0; start < STREAM.length; start += size)
      events.push(...parser.push(STREAM.slice(start, start + size)));
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
  }
});

test('an id without a message says where the stream is', () => {
  const parser = new EventParser('old');
  assert.equal(parser.lastId, 'old');
  assert.deepEqual(parser.push('id: new\n\n'), []);
  assert.equal(parser.lastId, 'new');
});

test('a message that is not complete is not told', () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push('event: rule\ndata: 1\n'), []);
  assert.equal(parser.push('\n').length, 1);
});

test('a line that does not end is refused', () => {
  const parser = new EventParser();
  parser.push(`data: ${'x'.repeat(3_999_000)}`);
  assert.throws(() => parser.push('x'.repeat(2_000)), RangeError);
});

test('a stream that is cut in the middle of a message goes on before that message', () => {
  const whole = STREAM.slice(0, STREAM.indexOf('data\n\nevent: reset'));
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const first = new EventParser();
    const told = first.push(whole.slice(0, cut));
    const ids = new Set(told.map(({ id }) => id));
    for (const id of ['a-1', 'a-2']) assert.equal(first.lastId >= id, ids.has(id), `cut at ${cut}, ${id}`);
  }
});
