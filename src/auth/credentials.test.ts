import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { presentedToken } from './credentials.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

test('the token comes by X-Api-Key, as the user name of Basic, or by Bearer', () => {
  assert.equal(presentedToken({ 'x-api-key': ['T'] }), 'T');
  assert.equal(presentedToken({ authorization: [basic('T:')] }), 'T');
  assert.equal(presentedToken({ authorization: [basic('T:anything:at all')] }), 'T');
  assert.equal(presentedToken({ authorization: ['Bearer T'] }), 'T');
  assert.equal(presentedToken({ authorization: ['bEaReR  T'] }), 'T');
  assert.equal(presentedToken({ authorization: [basic('T:').replace('Basic', 'BASIC')] }), 'T');
});

test('X-Api-Key wins, even when what is in it is no token', () => {
  assert.equal(presentedToken({ 'x-api-key': ['no token'], authorization: ['Bearer T'] }), 'no token');
});

test('of several X-Api-Key headers the last counts', () => {
  assert.equal(presentedToken({ 'x-api-key': ['first', 'last'] }), 'last');
  assert.equal(presentedToken({ 'x-api-key': ['first', ''] }), undefined);
});

test('an empty X-Api-Key is none', () => {
  assert.equal(presentedToken({ 'x-api-key': [''], authorization: ['Bearer T'] }), 'T');
});

test('what names no token presents none', () => {
  for (const authorization of [
    '',
    'Basic',
    'Bearer',
    'Bearer ',
    'T',
    'Digest T',
    basic('T'),
    basic(':T'),
    basic(''),
  ]) {
    assert.equal(presentedToken({ authorization: [authorization] }), undefined, authorization);
  }
  assert.equal(presentedToken({}), undefined);
  assert.equal(presentedToken({ 'x-api-key': undefined, authorization: [] }), undefined);
});

test('v2 JSON comes whole by X-Api-Key, Bearer and Basic, though it has colons of its own', () => {
  const json = '{"v": 2, "s64": "x"}';
  assert.equal(presentedToken({ 'x-api-key': [json] }), json);
  assert.equal(presentedToken({ authorization: [`Bearer ${json}`] }), json);
  for (const password of ['', 'x', 'a:b']) {
    assert.equal(presentedToken({ authorization: [basic(`${json}:${password}`)] }), json);
  }
});

test('any header at all presents some token or none', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.string()), (authorization, apiKeys) => {
      assert.notEqual(presentedToken({ authorization: [authorization], 'x-api-key': apiKeys }), '');
    }),
  );
});

test('what node gives us for a header of UTF-8 bytes is read as the UTF-8 it was, the last of two', async () => {
  const server = createServer((request, response) => {
    response.end(JSON.stringify(presentedToken(request.headersDistinct)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.end(
      Buffer.from(
        'GET / HTTP/1.1\r\nHost: a\r\nX-Api-Key: 1\r\nx-api-key: {"i":"ü日"}\r\nConnection: close\r\n\r\n',
      ),
    );
    const answer = Buffer.concat(await socket.toArray()).toString();
    assert.ok(answer.includes(JSON.stringify('{"i":"ü日"}')), answer);
  } finally {
    server.close();
  }
});
