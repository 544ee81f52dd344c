/** Clients that send too slowly: the time-outs of headers and bodies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import {
  DESTINATION,
  HttpFixture,
  NO_LEDGER,
  NO_OWNER,
  ROOT_KEY,
  tokenWith,
} from '../../test/support/http/http-fixture.ts';
import { Authorizer } from '../auth/authorizer.ts';
import { createHttpServer, SERVER_LIMITS, type ServerLimits } from './server.ts';

const BODY = JSON.stringify({ uri: DESTINATION, data: '1' });
const HEAD = `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${tokenWith()}\r\ncontent-length: ${BODY.length}\r\n\r\n`;
/** Longer than any test runs. */
const NEVER_MS = 600_000;
const SOON_MS = 50;

interface Slow extends AsyncDisposable {
  readonly fixture: HttpFixture;
  readonly unexpected: readonly unknown[];
  connect(): Promise<Socket>;
}

async function serverThatWaits(limits: Partial<ServerLimits>): Promise<Slow> {
  const fixture = await HttpFixture.start();
  const unexpected: unknown[] = [];
  const server = await createHttpServer({
    service: fixture.service,
    owner: NO_OWNER,
    ledger: NO_LEDGER,
    authorizer: new Authorizer({
      keys: () => [ROOT_KEY],
      target: 'export-service',
      requireDestination: true,
    }),
    settings: { bodyBytesMax: 10_000, longPollMaxMs: 1_000, attemptsMax: 9 },
    readiness: async () => ({ isReady: true }),
    log: { unexpectedError: (error) => unexpected.push(error) },
    clock: fixture.clock,
    limits: { timeoutsCheckedEveryMs: 10, headersTimeoutMs: NEVER_MS, requestTimeoutMs: NEVER_MS, ...limits },
  });
  const { port } = await server.listen('127.0.0.1', 0);
  return {
    fixture,
    unexpected,
    async connect() {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await fixture[Symbol.asyncDispose]();
    },
  };
}

/** All that comes until the connection is over. */
async function readAll(socket: Socket): Promise<string> {
  return Buffer.concat(await socket.toArray()).toString();
}

function assertTimedOut(answer: string): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  assert.match(head, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assert.match(head, /\r\ncontent-type: application\/problem\+json\r\n/);
  assert.match(head, /\r\nconnection: close/);
  const { status, code, type, title, detail } = JSON.parse(body);
  assert.deepEqual(
    { status, code, type },
    { status: 408, code: 'invalid_request', type: '/docs#invalid_request' },
  );
  assert.ok(title.length > 0 && detail.includes('Send it again'));
}

/** The server goes on, and what was sent too slowly left nothing behind. */
async function assertOnlyThisIsQueued(slow: Slow): Promise<void> {
  assert.equal(slow.fixture.store.inserted.length, 0);
  const socket = await slow.connect();
  socket.write(HEAD + BODY);
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK\r\n/);
  socket.destroy();
  assert.equal(slow.fixture.store.inserted.length, 1);
  assert.deepEqual(slow.unexpected, []);
}

describe('a client that is too slow', () => {
  const beginnings: [what: string, bytes: string][] = [
    ['has sent nothing', ''],
    ['is in the request line', 'POST /exp'],
    ['is in a header', HEAD.slice(0, 60)],
    ['lacks the last byte of its head', HEAD.slice(0, -1)],
  ];
  for (const [what, bytes] of beginnings) {
    it(`with its headers hears 408 when it ${what}`, async () => {
      await using slow = await serverThatWaits({ headersTimeoutMs: SOON_MS });
      const socket = await slow.connect();
      socket.write(bytes);
      assertTimedOut(await readAll(socket));
      await assertOnlyThisIsQueued(slow);
    });
  }

  it('with its headers on a connection that has been used hears it too', async () => {
    await using slow = await serverThatWaits({ headersTimeoutMs: SOON_MS });
    const socket = await slow.connect();
    socket.write('GET /status HTTP/1.1\r\nhost: x\r\n\r\nPOST /exp');
    const answers = (await readAll(socket)).split(/(?=HTTP\/1\.1 )/);
    assert.match(answers[0] ?? '', /^HTTP\/1\.1 200 OK\r\n/);
    assertTimedOut(answers[1] ?? '');
  });

  for (const sent of [0, 1, BODY.length - 1]) {
    it(`with its body hears 408 when ${sent} of ${BODY.length} bytes have come`, async () => {
      await using slow = await serverThatWaits({ headersTimeoutMs: SOON_MS, requestTimeoutMs: SOON_MS });
      const socket = await slow.connect();
      socket.write(HEAD + BODY.slice(0, sent));
      assertTimedOut(await readAll(socket));
      await assertOnlyThisIsQueued(slow);
    });
  }

  it('with a chunked body hears it, however steadily it drips', async () => {
    await using slow = await serverThatWaits({ headersTimeoutMs: SOON_MS, requestTimeoutMs: SOON_MS });
    const socket = await slow.connect();
    socket.write(`${HEAD.replace(/content-length: \d+/, 'transfer-encoding: chunked')}`);
    const drip = setInterval(() => socket.write('1\r\n \r\n'), 5);
    socket.on('error', () => {}).on('close', () => clearInterval(drip));
    const [first] = await once(socket, 'data');
    clearInterval(drip);
    socket.destroy();
    assertTimedOut(String(first));
    await assertOnlyThisIsQueued(slow);
  });

  it('with a body that was refused already is cut off without a second answer', async () => {
    await using slow = await serverThatWaits({ headersTimeoutMs: SOON_MS, requestTimeoutMs: SOON_MS });
    const socket = await slow.connect();
    socket.write('POST /export HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n{');
    const answer = await readAll(socket);
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
    assert.match(answer, /^HTTP\/1\.1 401 /);
    await assertOnlyThisIsQueued(slow);
  });
});

describe('a client that is in time', () => {
  it('may wait for its answer longer than it may send', async () => {
    await using slow = await serverThatWaits({ headersTimeoutMs: SOON_MS, requestTimeoutMs: SOON_MS });
    const socket = await slow.connect();
    const withWait = HEAD.replace('\r\n\r\n', '\r\nprefer: wait=1\r\n\r\n');
    socket.write(withWait + BODY);
    await slow.fixture.untilWaiting(1);
    // Another one runs into the time-out meanwhile, so that time has certainly passed.
    assertTimedOut(await readAll(await slow.connect()));
    slow.fixture.clock.advance(1_000);
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK\r\n/);
    socket.destroy();
  });

  it('has 20 seconds for its headers and two minutes for all by default, give or take five', () => {
    const { headersTimeoutMs, requestTimeoutMs, timeoutsCheckedEveryMs } = SERVER_LIMITS;
    assert.deepEqual([headersTimeoutMs, requestTimeoutMs, timeoutsCheckedEveryMs], [20_000, 120_000, 5_000]);
  });
});
