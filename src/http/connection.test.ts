/** Connections that break, bytes that are no HTTP, and the end of the server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  DESTINATION,
  HttpFixture,
  NO_LEDGER,
  NO_OWNER,
  tokenWith,
} from '../../test/support/http/http-fixture.ts';
import { Authorizer } from '../auth/authorizer.ts';
import { createHttpServer, SERVER_LIMITS } from './server.ts';

const FRESH = { uri: DESTINATION, data: '1' };
const TOKEN = tokenWith();

function head(length: number | string, more = ''): string {
  return `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\n${more}content-length: ${length}\r\n\r\n`;
}

/** Resolves when the connection is over, by a reset too. */
function closedSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve());
  });
}

describe('an upload', () => {
  it('that breaks off queues nothing, and the server lives on', async () => {
    await using fixture = await HttpFixture.start();
    const body = JSON.stringify(FRESH);
    for (const bytes of [head(body.length + 1) + body, head(body.length) + body.slice(0, -1)]) {
      const socket = await fixture.connect();
      const closed = closedSocket(socket);
      socket.end(bytes);
      socket.resume();
      await closed;
    }
    const chunked = `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n`;
    const socket = await fixture.connect();
    socket.write(`${chunked}${body.length.toString(16)}\r\n${body}\r\n`);
    await setImmediate();
    socket.resetAndDestroy();
    assert.equal((await fixture.send({ body: FRESH })).status, 200);
    assert.equal(fixture.store.inserted.length, 1);
    assert.deepEqual(fixture.unexpected, []);
  });

  it('in bad chunks is answered with 400, and the connection ends', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.exchange(
      `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.equal(fixture.store.inserted.length, 0);
  });

  it('that is too large hears 413 at any size, and the connection can be used again', async () => {
    await using fixture = await HttpFixture.start();
    const large = Buffer.alloc(16 << 20, ' ');
    for (const headers of [{ 'content-length': large.length }, { 'transfer-encoding': 'chunked' }]) {
      const answer = await fixture.send({ body: large, headers });
      assert.equal(answer.status, 413);
      assert.equal(answer.json.code, 'payload_too_large');
      assert.ok(answer.json.detail.includes('65536'));
    }
  });

  it('of exactly the limit is read', async () => {
    await using fixture = await HttpFixture.start({ settings: { bodyBytesMax: 1_000 } });
    const body = JSON.stringify(FRESH).padEnd(1_000, ' ');
    assert.equal((await fixture.send({ body })).status, 200);
    assert.equal((await fixture.send({ body: `${body} ` })).status, 413);
    const chunked = { 'transfer-encoding': 'chunked' };
    assert.equal((await fixture.send({ body, headers: chunked })).status, 200);
    assert.equal((await fixture.send({ body: `${body} `, headers: chunked })).status, 413);
  });

  it('without a good token is refused before the body has come', async () => {
    await using fixture = await HttpFixture.start();
    const socket = await fixture.connect();
    socket.write('POST /export HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n{');
    const [first] = await once(socket, 'data');
    assert.match(String(first), /^HTTP\/1\.1 401 /);
    socket.destroy();
  });

  it('that never ends is cut off after it was refused', async () => {
    await using fixture = await HttpFixture.start();
    const socket = await fixture.connect();
    const closed = closedSocket(socket);
    socket.resume();
    socket.write('POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n');
    const piece = Buffer.alloc(1 << 20);
    const pump = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on('drain', pump);
    pump();
    await closed;
    assert.ok(socket.bytesWritten < 256 << 20, String(socket.bytesWritten));
  });
});

describe('Expect: 100-continue', () => {
  it('is answered once the token has cleared, and then the body is read', async () => {
    await using fixture = await HttpFixture.start();
    const body = JSON.stringify(FRESH);
    const socket = await fixture.connect();
    socket.write(head(body.length, 'expect: 100-continue\r\n'));
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    socket.write(body);
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK\r\n/);
    socket.destroy();
  });

  it('is answered with the refusal where there is one', async () => {
    await using fixture = await HttpFixture.start();
    const expect = 'expect: 100-continue\r\n';
    const requests: [status: number, head: string][] = [
      [401, `POST /export HTTP/1.1\r\nhost: x\r\n${expect}content-length: 5\r\n\r\n`],
      [413, head(99_999_999, expect)],
      [404, `POST /x HTTP/1.1\r\nhost: x\r\n${expect}content-length: 5\r\n\r\n`],
    ];
    for (const [status, bytes] of requests) {
      const socket = await fixture.connect();
      socket.write(bytes);
      assert.match(String((await once(socket, 'data'))[0]), new RegExp(`^HTTP/1\\.1 ${status} `));
      socket.destroy();
    }
  });

  it('is the only expectation there is: others are ignored', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ body: FRESH, headers: { expect: 'the unexpected' } });
    assert.equal(answer.status, 200);
  });
});

describe('bytes that are no HTTP', () => {
  const cases: [what: string, bytes: string, status: number][] = [
    ['garbage', 'hello\r\n\r\n', 400],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['headers without end', `GET /status HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(40_000)}`, 431],
    [
      'two lengths',
      'POST /export HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      400,
    ],
  ];
  for (const [what, bytes, status] of cases) {
    it(`are answered with ${status} and a problem when they are ${what}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.exchange(Buffer.from(bytes, 'latin1'));
      const [headers = '', body = ''] = answer.split('\r\n\r\n');
      assert.ok(headers.startsWith(`HTTP/1.1 ${status} `), answer);
      assert.ok(headers.includes('content-type: application/problem+json'));
      assert.equal(JSON.parse(body).code, 'invalid_request');
      assert.equal(JSON.parse(body).status, status);
      assert.equal((await fixture.send({ body: FRESH })).status, 200);
    });
  }
});

describe('the host of a request', () => {
  const request = (hosts: string, version = '1.1', target = '/status'): string =>
    `GET ${target} HTTP/${version}\r\n${hosts}connection: close\r\n\r\n`;

  for (const [what, bytes] of Object.entries({
    'is missing': request(''),
    'is there twice': request('host: a\r\nhost: b\r\n'),
    'is there twice, the same': request('host: a\r\nhost: a\r\n'),
    'has a blank': request('host: a b\r\n'),
    'has a path': request('host: a/b\r\n'),
    'has a user': request('host: u@a\r\n'),
    'has a port that is none': request('host: a:b\r\n'),
    'is missing beside a whole URL': request('', '1.1', 'http://a/status'),
    'is there twice in HTTP/1.0': request('host: a\r\nhost: b\r\n', '1.0'),
  })) {
    it(`is refused with a problem when it ${what}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.exchange(bytes);
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
      assert.match(answer, /\r\nconnection: close\r\n/i);
      const problem = JSON.parse(answer.split('\r\n\r\n')[1] ?? '');
      assert.deepEqual([problem.status, problem.code], [400, 'invalid_request']);
      assert.match(problem.detail, /host/);
    });
  }

  for (const host of [
    'x',
    'export-service:8080',
    '127.0.0.1:1',
    '[::1]:8080',
    '[::1]',
    'a.example.',
    'a:',
    '',
  ]) {
    it(`may be "${host}"`, async () => {
      await using fixture = await HttpFixture.start();
      assert.match(await fixture.exchange(request(`host: ${host}\r\n`)), /^HTTP\/1\.1 200 OK\r\n/);
    });
  }

  it('may be missing in HTTP/1.0', async () => {
    await using fixture = await HttpFixture.start();
    assert.match(await fixture.exchange(request('', '1.0')), /^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('CONNECT', () => {
  it('is refused in words: this is no proxy', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.exchange('CONNECT 10.0.0.1:22 HTTP/1.1\r\nhost: 10.0.0.1:22\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 405 Method Not Allowed\r\n/);
    assert.match(answer, /\r\nallow: GET, HEAD, POST\r\n/);
    assert.equal(JSON.parse(answer.split('\r\n\r\n')[1] ?? '').code, 'method_not_allowed');
    assert.equal((await fixture.send({ body: FRESH })).status, 200);
  });

  it('does not push in before the answer to an earlier request', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const body = JSON.stringify({ id });
    const poll = `POST /lp/export HTTP/1.1\r\nhost: x\r\nx-api-key: ${TOKEN}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    assert.equal(await fixture.exchange(`${poll}CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n`), '');
  });
});

describe('closing', () => {
  it('closes idle connections, also those that have asked nothing yet', async () => {
    await using fixture = await HttpFixture.start();
    await fixture.submit();
    const fresh = await fixture.connect();
    const closed = closedSocket(fresh.resume());
    await setImmediate();
    await fixture.send({ method: 'GET', path: '/status' });
    await fixture.server.close();
    await closed;
  });

  it('lets an upload end, answers it, and closes its connection then', async () => {
    await using fixture = await HttpFixture.start();
    const body = JSON.stringify(FRESH);
    const socket = await fixture.connect();
    socket.write(head(body.length) + body.slice(0, 5));
    await fixture.send({ method: 'GET', path: '/status' });
    const closed = fixture.server.close();
    socket.write(body.slice(5));
    const answer = Buffer.concat(await socket.toArray()).toString();
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /\r\nconnection: close\r\n/i);
    await closed;
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('lets who waits have an answer, once the service stops', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = fixture.send({ path: '/lp/export', body: { id } });
    await fixture.untilWaiting(1);
    const closed = fixture.server.close();
    fixture.service.stopAccepting();
    assert.equal((await answer).json.state, 'Pending');
    await closed;
  });

  it('cuts off what does not end', async () => {
    await using fixture = await HttpFixture.start();
    const socket = await fixture.connect();
    const cut = closedSocket(socket.resume());
    socket.write(head(100));
    await fixture.send({ method: 'GET', path: '/status' });
    const closed = fixture.server.close();
    await fixture.untilWaiting(1);
    fixture.clock.advance(SERVER_LIMITS.closeGraceMs);
    await cut;
    await closed;
  });

  it('can be done before the server has listened', async () => {
    await using fixture = await HttpFixture.start();
    const { service } = fixture;
    const authorizer = new Authorizer({ keys: () => [], target: 'x', requireDestination: true });
    const settings = { bodyBytesMax: 1, longPollMaxMs: 1, attemptsMax: 1 };
    const readiness = async () => ({ isReady: true }) as const;
    const log = { unexpectedError: () => {} };
    const server = await createHttpServer({
      service,
      owner: NO_OWNER,
      ledger: NO_LEDGER,
      authorizer,
      settings,
      readiness,
      log,
    });
    await server.close();
  });

  it('can be done twice', async () => {
    await using fixture = await HttpFixture.start();
    await Promise.all([fixture.server.close(), fixture.server.close()]);
  });
});
