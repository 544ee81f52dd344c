/** Method: the real server on a real socket; the `ws` client where it can ask, and bare HTTP where it would not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { certificate, TEST_CA } from '../../../test/support/destinations/certificates.ts';
import {
  DESTINATION,
  HttpFixture,
  type RequestOptions,
  tokenWith,
} from '../../../test/support/http/http-fixture.ts';
import { handshake } from '../../../test/support/http/raw-socket.ts';
import { SOCKET_TOKEN, SocketClient } from '../../../test/support/http/socket-client.ts';

const FRESH = { uri: DESTINATION, data: '1' };
const HANDSHAKE = {
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
};

describe('a handshake on /ws/export', () => {
  const basic = Buffer.from(`${SOCKET_TOKEN}:`).toString('base64');
  const forms: [what: string, headers: Record<string, string>][] = [
    ['X-Api-Key', { 'X-Api-Key': SOCKET_TOKEN }],
    ['the user name of Basic', { authorization: `Basic ${basic}` }],
    ['Bearer', { authorization: `Bearer ${SOCKET_TOKEN}` }],
  ];
  for (const [what, headers] of forms) {
    it(`opens with the token as ${what}`, async () => {
      await using fixture = await HttpFixture.start();
      await using client = await SocketClient.open(fixture.port, { token: null, headers });
      assert.equal((await client.ask(FRESH)).state, 'Pending');
    });
  }

  it('opens over TLS', async () => {
    await using fixture = await HttpFixture.start({ tls: certificate('localhost') });
    await using client = await SocketClient.open(fixture.port, { scheme: 'wss', ca: TEST_CA });
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('opens with a query, which no caveat is about', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port, { path: '/ws/export?x=1' });
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('gets no compression and no subprotocol, whatever it offers', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.exchangeHead(
      handshake({
        'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
        'sec-websocket-protocol': 'databox, ,"',
      }),
    );
    assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.doesNotMatch(answer, /sec-websocket-(?:extensions|protocol)/i);
  });

  const foreign = tokenWith({ rootKey: Buffer.from('other') });
  const refusals: [what: string, code: string, status: number, token: string | null][] = [
    ['no token', 'missing_token', 401, null],
    ['a token that is none', 'malformed_token', 401, 'garbage'],
    ['a token signed by somebody else', 'invalid_token', 401, foreign],
    ['a token for POST', 'caveat_refused', 401, tokenWith({ path: '/ws/export' })],
    ['a token for another path', 'caveat_refused', 401, tokenWith({ method: 'GET', path: '/export' })],
    ['a token for another service', 'caveat_refused', 401, tokenWith({ method: 'GET', target: 'store' })],
    ['a token without a path', 'caveat_missing', 401, tokenWith({ method: 'GET', path: null })],
    [
      'a token whose time is over',
      'caveat_refused',
      401,
      tokenWith({ method: 'GET', more: ['time < 2026-03-01T12:00:00Z'] }),
    ],
  ];
  for (const [what, code, status, token] of refusals) {
    it(`with ${what} is answered with ${status} ${code}`, async () => {
      await using fixture = await HttpFixture.start();
      const refusal = await SocketClient.refused(fixture.port, { token });
      assert.equal(refusal.status, status);
      assert.equal(refusal.problem.code, code);
      assert.equal(refusal.headers['content-type'], 'application/problem+json');
      assert.equal(refusal.headers['www-authenticate'], 'Bearer realm="export-service"');
    });
  }

  it('is answered with 503 no_root_key and Retry-After while there is no key', async () => {
    await using fixture = await HttpFixture.start({ keys: [] });
    const refusal = await SocketClient.refused(fixture.port, { token: null });
    assert.equal(refusal.status, 503);
    assert.equal(refusal.problem.code, 'no_root_key');
    assert.ok(Number(refusal.headers['retry-after']) > 0);
  });

  it('on another path is answered with 404, also when the path only decodes to ours', async () => {
    await using fixture = await HttpFixture.start();
    for (const path of ['/ws', '/ws/export/', '/ws/%65xport', '/WS/export', '/ws/exports']) {
      const refusal = await SocketClient.refused(fixture.port, { path });
      assert.equal(refusal.status, 404, path);
      assert.equal(refusal.problem.code, 'not_found');
    }
  });

  it('on a path that takes POST is answered with 405', async () => {
    await using fixture = await HttpFixture.start();
    const refusal = await SocketClient.refused(fixture.port, { path: '/export' });
    assert.equal(refusal.status, 405);
    assert.equal(refusal.headers.allow, 'POST');
  });

  const without = (name: string) =>
    Object.fromEntries(Object.entries(HANDSHAKE).filter(([key]) => key !== name));
  const bad: [what: string, field: string, headers: Record<string, string>, more?: RequestOptions][] = [
    ['no handshake at all', 'Upgrade', {}],
    ['no Upgrade', 'Upgrade', without('upgrade')],
    ['no Connection', 'Connection', without('connection')],
    ['another protocol', 'Upgrade', { ...HANDSHAKE, upgrade: 'h2c' }],
    ['no version', 'Sec-WebSocket-Version', without('sec-websocket-version')],
    ['an old version', 'Sec-WebSocket-Version', { ...HANDSHAKE, 'sec-websocket-version': '8' }],
    ['no key', 'Sec-WebSocket-Key', without('sec-websocket-key')],
    ['a short key', 'Sec-WebSocket-Key', { ...HANDSHAKE, 'sec-websocket-key': 'c2hvcnQ=' }],
    ['a body', 'body', { ...HANDSHAKE, 'content-length': '2' }, { body: '{}' }],
    ['a body in chunks', 'body', { ...HANDSHAKE, 'transfer-encoding': 'chunked' }, { body: '{}' }],
  ];
  for (const [what, field, headers, more] of bad) {
    it(`with ${what} is answered with 400 invalid_request that names it`, async () => {
      await using fixture = await HttpFixture.start();
      const options = { method: 'GET', path: '/ws/export', token: SOCKET_TOKEN, headers, ...more };
      const answer = await fixture.send(options);
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.json.code, 'invalid_request');
      assert.ok(answer.json.detail.includes(field), answer.json.detail);
      assert.equal(answer.headers['sec-websocket-version'], '13');
      const unauthorised = await fixture.send({ ...options, token: null });
      assert.equal(unauthorised.json.code, 'missing_token', 'the token is judged first');
    });
  }

  it('may have more than one connection option, and any case', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.exchangeHead(
      handshake({ upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' }),
    );
    assert.match(answer, /^HTTP\/1\.1 101 /);
  });

  it('with another method is answered with 405, and with HTTP/1.0 with 400', async () => {
    await using fixture = await HttpFixture.start();
    for (const method of ['POST', 'PUT', 'HEAD', 'OPTIONS']) {
      const answer = await fixture.send({ method, path: '/ws/export', token: null, headers: HANDSHAKE });
      assert.equal(answer.status, 405, method);
      assert.equal(answer.headers.allow, 'GET');
    }
    const old = await fixture.exchange(handshake({}, 'GET /ws/export HTTP/1.0'));
    assert.match(old, /^HTTP\/1\.1 400 [\s\S]*HTTP\/1\.1/);
  });

  it('that is refused leaves its connection as good as before', async () => {
    await using fixture = await HttpFixture.start();
    const socket = await fixture.connect();
    for (const [status, request] of [
      [401, handshake({ 'x-api-key': 'garbage' })],
      [200, 'GET /status HTTP/1.1\r\nhost: x\r\n\r\n'],
      [101, handshake()],
    ] as const) {
      socket.write(request);
      const [answer] = await once(socket, 'data');
      assert.ok(String(answer).startsWith(`HTTP/1.1 ${status} `), String(answer));
    }
    socket.destroy();
  });

  it('before the answer to the last request is refused, in its turn', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const body = JSON.stringify({ id });
    const poll =
      `POST /lp/export?timeout=3 HTTP/1.1\r\nhost: x\r\nx-api-key: ${tokenWith()}\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`;
    const answers = fixture.exchange(poll + handshake({ connection: 'Upgrade, close' }));
    await fixture.untilWaiting(1);
    fixture.clock.advance(3_000);
    assert.match(await answers, /^HTTP\/1\.1 200 OK[\s\S]*"Pending"[\s\S]*HTTP\/1\.1 400 Bad Request/);
  });

  it('counts as a connection as long as its socket lives', async () => {
    await using fixture = await HttpFixture.start({ serverLimits: { connectionsMax: 1 } });
    const first = await SocketClient.open(fixture.port);
    assert.equal((await first.ask(FRESH)).state, 'Pending');
    const second = SocketClient.open(fixture.port);
    // The second waits: it is the first that is answered.
    assert.equal((await first.ask(FRESH)).state, 'Pending');
    await first[Symbol.asyncDispose]();
    await using opened = await second;
    assert.equal((await opened.ask(FRESH)).state, 'Pending');
  });
});

describe('a request that asks for an upgrade elsewhere', () => {
  it('is answered as if it had not asked', async () => {
    await using fixture = await HttpFixture.start();
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' };
    const fresh = await fixture.send({ body: FRESH, headers });
    assert.equal(fresh.status, 200, fresh.text);
    assert.equal(fresh.json.state, 'Pending');
    assert.equal((await fixture.send({ method: 'GET', path: '/status', headers })).text, 'active');
    assert.equal(fixture.store.inserted.length, 1);
  });
});
