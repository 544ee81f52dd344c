import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCaveat, parseCaveatText } from './caveats.ts';

test('the caveats we know are understood', () => {
  for (const [text, expected] of [
    ['target = export-service', { kind: 'target', value: 'export-service' }],
    ['method = post', { kind: 'method', value: 'post' }],
    ['path = /lp/*', { kind: 'path', value: '/lp/*' }],
    [
      'destination = https://a.example/in?x=a = b',
      { kind: 'destination', value: 'https://a.example/in?x=a = b' },
    ],
    ['destination = ', { kind: 'destination', value: '' }],
    ['time < 1970-01-01T00:00:01Z', { kind: 'time', beforeMs: 1000 }],
    ['data-bytes <= 0', { kind: 'data-bytes', bytesMax: 0 }],
    ['data-bytes <= 1048576', { kind: 'data-bytes', bytesMax: 1_048_576 }],
  ] as const) {
    assert.deepEqual(parseCaveatText(text), { ...expected, text });
  }
});

test('every other caveat is unknown, however near it comes', () => {
  for (const text of [
    '',
    '*',
    ' ',
    'path',
    'path =',
    'path=/export',
    'path  = /export',
    'path =  /export',
    'path = /export ',
    'path = /export\n',
    ' path = /export',
    'path\t= /export',
    'path == /export',
    'path < /export',
    'PATH = /export',
    'Method = POST',
    'method = POST ',
    'destination =  https://a.example/',
    'destination = https://a.example/\u00a0',
    'destinations = https://a.example/',
    'target != export-service',
    'time = 2030-01-01T00:00:00Z',
    'time <= 2030-01-01T00:00:00Z',
    'time > 2030-01-01T00:00:00Z',
    'time < 2030-01-01',
    'time < 2030-02-30T00:00:00Z',
    'time < tomorrow',
    'time < ',
    'data-bytes <= ',
    'data-bytes <= -1',
    'data-bytes <= +1',
    'data-bytes <= 1.0',
    'data-bytes <= 1e3',
    'data-bytes <= 0x10',
    'data-bytes <= 1 KiB',
    'data-bytes <= ٣',
    'data-bytes <= 9007199254740992',
    'data-bytes < 10',
    'data-bytes = 10',
    'constructor = x',
    '__proto__ = x',
    'undefined undefined x',
    '\ufeffpath = /export',
  ]) {
    assert.deepEqual(parseCaveatText(text), { kind: 'unknown', text });
  }
});

test('a caveat that is not UTF-8 is unknown, and a byte order mark is not swallowed', () => {
  const bytes = (...parts: (string | number)[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))));
  assert.equal(parseCaveat({ identifier: bytes('destination = https://a.example/', 0xff) }).kind, 'unknown');
  assert.equal(parseCaveat({ identifier: bytes('\ufeffpath = /export') }).kind, 'unknown');
  assert.equal(parseCaveat({ identifier: bytes('path = /export') }).kind, 'path');
});

test('a third-party caveat is one whatever it says', () => {
  const thirdParty = { location: 'https://auth.example/', verificationId: Buffer.from('v') };
  assert.deepEqual(parseCaveat({ identifier: Buffer.from('path = /export'), thirdParty }), {
    kind: 'third-party',
    text: 'https://auth.example/',
  });
});

test('any bytes at all are some caveat', () => {
  fc.assert(fc.property(fc.uint8Array(), (identifier) => assert.ok(parseCaveat({ identifier }).kind)));
});
