/** The client against an arbiter over real CURVE sockets, with a clock that stands still. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Reply } from 'zeromq';
import { makeCurveKeys } from '../../cli/demo/arbiter-server.ts';
import {
  answersBytes,
  answersCode,
  type Misbehaviour,
  TestArbiter,
} from '../../test/support/arbiter/test-arbiter.ts';
import { eventLoopTurns } from '../../test/support/event-loop.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { ArbiterClient, ASK_TIMEOUT_MS } from './arbiter-client.ts';
import { ArbiterError } from './arbiter-error.ts';
import { type ArbiterCredentials, readCredentials } from './credentials.ts';
import { encodeAnswer, encodeMessage, ZEST_CODES, ZEST_FRAME_BYTES_MAX } from './zest.ts';

const never = new AbortController().signal;

interface Setting {
  readonly client: ArbiterClient;
  readonly clock: ManualClock;
}

async function clientOf(
  { endpoint, secretsDir }: Pick<TestArbiter, 'endpoint' | 'secretsDir'>,
  changes: Partial<ArbiterCredentials & { identity: string; endpoint: string }> = {},
  resolve: (hostname: string) => Promise<string> = async (name) => assert.fail(`${name} is looked up`),
): Promise<Setting> {
  const clock = new ManualClock();
  const { identity = 'export-service', ...others } = changes;
  const credentials = { ...readCredentials(secretsDir), ...others };
  const parts = { endpoint: changes.endpoint ?? endpoint, identity, credentials, clock, resolve };
  return { client: await ArbiterClient.load(parts), clock };
}

function content(payload: string | Uint8Array): Misbehaviour {
  return answersBytes(encodeAnswer({ code: 69, contentFormat: 0, payload: Buffer.from(payload) }));
}

/** The same endpoint by a name. */
function named(endpoint: string): string {
  return endpoint.replace('127.0.0.1', 'arbiter.test');
}

/** The words of the error that asking ends with. */
async function refusal(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
  } catch (error) {
    assert.ok(error instanceof ArbiterError, String(error));
    return error.message;
  }
  assert.fail('it brought a secret');
}

/** A TCP server, on a free port unless told otherwise, which does what `accept` does with each connection. */
async function listen(
  accept: (socket: Socket) => void,
  host = '127.0.0.1',
  wantedPort = 0,
): Promise<Server & AsyncDisposable & { endpoint: string; port: number }> {
  const server = createServer(accept).listen(wantedPort, host);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return Object.assign(server, { endpoint: `tcp://${host}:${port}`, port });
}

/** Answers the first request with these frames, whatever it is. */
async function startBareServer(...frames: Buffer[]) {
  const keys = makeCurveKeys();
  const socket = new Reply({ curveServer: true, curveSecretKey: keys.secretKey, linger: 0 });
  const disconnected = new Promise<void>((resolve) => {
    socket.events.on('disconnect', () => resolve());
  });
  await socket.bind('tcp://127.0.0.1:*');
  const answered = socket.receive().then(() => socket.send(frames));
  return {
    disconnected,
    client: async () => {
      await using arbiter = await TestArbiter.start();
      return clientOf(arbiter, { endpoint: socket.lastEndpoint ?? '', serverKey: keys.publicKey });
    },
    async [Symbol.asyncDispose]() {
      await answered;
      socket.close();
    },
  };
}

describe('asking for the secret', () => {
  it('brings what the arbiter then signs tokens with, a new one each time', async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    const secrets = [await client.fetchSecret(never), await client.fetchSecret(never)].map(String);
    for (const secret of secrets) assert.match(secret, /^[\da-f-]{36}$/);
    assert.notEqual(secrets[0], secrets[1]);
    assert.notEqual(arbiter.tokenFor('https://a.example/in'), null);
  });

  it('takes the secret to the byte, whatever content format it comes in, up to 256 characters', async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    for (const secret of ['s', '~!secret', 'x'.repeat(256)]) {
      for (const contentFormat of [0, 50, null]) {
        arbiter.misbehaviour = answersBytes(
          encodeAnswer({ code: 69, contentFormat, payload: Buffer.from(secret) }),
        );
        assert.equal(Buffer.from(await client.fetchSecret(never)).toString(), secret);
      }
    }
  });

  it('leaves no timer and no connection behind, whatever comes of it', async () => {
    await using arbiter = await TestArbiter.start();
    const { client, clock } = await clientOf(arbiter);
    await client.fetchSecret(never);
    arbiter.misbehaviour = answersCode(129);
    await assert.rejects(client.fetchSecret(never), ArbiterError);
    assert.equal(clock.scheduled, 0);
    arbiter.misbehaviour = () => new Promise(() => {});
    await using relay = await listen(() => {});
    const other = await clientOf(arbiter, { endpoint: relay.endpoint });
    const asking = refusal(other.client.fetchSecret(never));
    const [socket] = (await once(relay, 'connection')) as [Socket];
    other.clock.advance(ASK_TIMEOUT_MS);
    await asking;
    socket.resume();
    if (!socket.closed) await once(socket, 'close');
  });

  it('resolves the name of the arbiter itself, anew for each ask: ZeroMQ could not be called off', async () => {
    await using arbiter = await TestArbiter.start();
    const asked: string[] = [];
    const { client } = await clientOf(arbiter, { endpoint: named(arbiter.endpoint) }, async (name) => {
      asked.push(name);
      return '127.0.0.1';
    });
    await client.fetchSecret(never);
    await client.fetchSecret(never);
    assert.deepEqual(asked, ['arbiter.test', 'arbiter.test']);
  });

  it('finds an arbiter that has an IPv6 address alone', async () => {
    await using arbiter = await TestArbiter.start();
    const { client, clock } = await clientOf(
      arbiter,
      { endpoint: 'tcp://arbiter.test:1' },
      async () => '::1',
    );
    const asking = refusal(client.fetchSecret(never));
    await eventLoopTurns();
    clock.advance(ASK_TIMEOUT_MS);
    assert.match(await asking, /no connection/, 'ZeroMQ takes the endpoint; nobody is there');
  });

  it('can be called off while the name is looked up', async () => {
    await using arbiter = await TestArbiter.start();
    const endpoint = named(arbiter.endpoint);
    const { client, clock } = await clientOf(arbiter, { endpoint }, () => new Promise(() => {}));
    const reason = new Error('enough');
    const enough = new AbortController();
    const asking = assert.rejects(client.fetchSecret(enough.signal), reason);
    enough.abort(reason);
    await asking;
    assert.equal(clock.scheduled, 0);
  });

  it('can be called off', async () => {
    await using arbiter = await TestArbiter.start();
    arbiter.misbehaviour = () => new Promise(() => {});
    const { client, clock } = await clientOf(arbiter);
    const reason = new Error('enough');
    const enough = new AbortController();
    const asking = assert.rejects(client.fetchSecret(enough.signal), reason);
    await arbiter.asked(1);
    enough.abort(reason);
    await asking;
    assert.equal(clock.scheduled, 0);
    await assert.rejects(client.fetchSecret(enough.signal), reason);
    assert.equal(arbiter.asks, 1);
  });
});

describe('when it brings none, the error says why and what to do', () => {
  it('each code of the arbiter has words of its own', async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    const words: [number, RegExp][] = [
      [ZEST_CODES.created, /without a secret \(65, created\)/],
      [ZEST_CODES.deleted, /without a secret \(66, deleted\)/],
      [ZEST_CODES.badRequest, /does not understand.*\(128, bad request\)/],
      [ZEST_CODES.unauthorized, /does not know "export-service".*\(129, unauthorized\).*register/],
      [ZEST_CODES.notAcceptable, /not acceptable \(134\)/],
      [ZEST_CODES.tooLarge, /too large \(141\)/],
      [ZEST_CODES.unsupportedFormat, /content format.*\(143\)/],
      [ZEST_CODES.internalError, /failed.*\(160, internal error\).*log/],
      [ZEST_CODES.unavailable, /not available \(163\)/],
      [70, /answered with code 70, which we do not know/],
      [0, /code 0/],
      [255, /code 255/],
    ];
    const seen = new Set<string>();
    for (const [code, expected] of words) {
      arbiter.misbehaviour = answersCode(code);
      const message = await refusal(client.fetchSecret(never));
      assert.match(message, expected);
      seen.add(message);
    }
    assert.equal(seen.size, words.length);
  });

  it('an error that comes with a payload is an error all the same', async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    arbiter.misbehaviour = answersBytes(
      encodeAnswer({ code: 129, contentFormat: 0, payload: Buffer.from('secret') }),
    );
    assert.match(await refusal(client.fetchSecret(never)), /129/);
  });

  it('garbage is none, and nothing of it is in the message', async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    const garbage: Misbehaviour[] = [
      answersBytes(''),
      answersBytes('HTTP/1.1 200 OK\r\n\r\nGARBAGE'),
      answersBytes(Buffer.from('4501', 'hex')),
      answersBytes(Buffer.from('45010000000c00ff', 'hex')),
      answersBytes(
        encodeMessage({
          code: 69,
          token: Buffer.of(),
          options: [{ number: 12, value: Buffer.of(1) }],
          payload: Buffer.from('GARBAGE'),
        }),
      ),
      content(''),
      content('GARBAGE with blanks'),
      content('GARBAGE\n'),
      content(Buffer.of(0xff, 0xfe)),
      content('x'.repeat(257)),
    ];
    for (const misbehaviour of garbage) {
      arbiter.misbehaviour = misbehaviour;
      const message = await refusal(client.fetchSecret(never));
      assert.match(message, /cannot be read\. .*arbiter|answered with code/);
      assert.doesNotMatch(message, /GARBAGE|xxx/);
    }
  });

  it('an answer that is too long cuts the connection, and ends as none', async () => {
    await using server = await startBareServer(Buffer.alloc(4 * ZEST_FRAME_BYTES_MAX));
    const { client, clock } = await server.client();
    const asking = refusal(client.fetchSecret(never));
    await server.disconnected;
    clock.advance(ASK_TIMEOUT_MS);
    assert.match(await asking, /did not answer within 5 s/);
  });

  it('an answer of several frames is none', async () => {
    const secret = encodeAnswer({ code: 69, contentFormat: 0, payload: Buffer.from('secret') });
    await using server = await startBareServer(Buffer.from(secret), Buffer.from('more'));
    const { client } = await server.client();
    assert.match(await refusal(client.fetchSecret(never)), /2 frames and not one/);
  });

  it('nobody there: says that there was no connection', async () => {
    await using arbiter = await TestArbiter.start();
    await arbiter.stop();
    const { client, clock } = await clientOf(arbiter);
    const asking = refusal(client.fetchSecret(never));
    clock.advance(ASK_TIMEOUT_MS - 1);
    assert.equal(clock.scheduled, 1);
    clock.advance(1);
    assert.match(await asking, /no connection to the arbiter at tcp:\S+ within 5 s.*--arbiter/);
  });

  it('a name that nobody has: says so at once', async () => {
    await using arbiter = await TestArbiter.start();
    const endpoint = 'tcp://arbiter.invalid:4444';
    const notFound = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const { client } = await clientOf(arbiter, { endpoint }, () => Promise.reject(notFound));
    assert.match(
      await refusal(client.fetchSecret(never)),
      /name "arbiter\.invalid" .* at tcp:\S+ could not be resolved \(ENOTFOUND\).*--arbiter/,
    );
  });

  it('a name about which no server answers: says so, in the time that an ask has', async () => {
    await using arbiter = await TestArbiter.start();
    const endpoint = 'tcp://arbiter.invalid:4444';
    const { client, clock } = await clientOf(arbiter, { endpoint }, () => new Promise(() => {}));
    const asking = refusal(client.fetchSecret(never));
    clock.advance(ASK_TIMEOUT_MS);
    assert.match(await asking, /No name server .* tcp:\/\/arbiter\.invalid:4444 within 5 s/);
    assert.equal(clock.scheduled, 0);
  });

  it("another key than the arbiter's: says that there was no handshake", async () => {
    await using arbiter = await TestArbiter.start();
    const port = Number(arbiter.endpoint.split(':').at(-1));
    const { promise: hungUp, resolve } = Promise.withResolvers<void>();
    // In between, to see the arbiter hang up.
    await using relay = await listen((near) => {
      const far = near.pipe(connect(port, '127.0.0.1'));
      far.pipe(near);
      far.once('close', () => resolve());
    });
    const wrong = { endpoint: relay.endpoint, serverKey: makeCurveKeys().publicKey };
    const { client, clock } = await clientOf(arbiter, wrong);
    const asking = refusal(client.fetchSecret(never));
    await hungUp;
    await eventLoopTurns();
    clock.advance(ASK_TIMEOUT_MS);
    assert.match(await asking, /no CURVE handshake within 5 s.*ZMQ_PUBLIC_KEY/);
    assert.equal(arbiter.asks, 0);
  });

  it('something that is no ZeroMQ: the same', async () => {
    await using arbiter = await TestArbiter.start();
    await using web = await listen((socket) => {
      socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const { client, clock } = await clientOf(arbiter, { endpoint: web.endpoint });
    const asking = refusal(client.fetchSecret(never));
    await once(web, 'connection');
    await eventLoopTurns();
    clock.advance(ASK_TIMEOUT_MS);
    assert.match(await asking, /no CURVE handshake/);
  });

  it('no answer: says that there was none', async () => {
    await using arbiter = await TestArbiter.start();
    arbiter.misbehaviour = () => new Promise(() => {});
    const { client, clock } = await clientOf(arbiter);
    const asking = refusal(client.fetchSecret(never));
    await arbiter.asked(1);
    await eventLoopTurns();
    clock.advance(ASK_TIMEOUT_MS);
    assert.match(await asking, /connected and did not answer within 5 s/);
  });

  it('another token or name than the box gave: 129, and neither is shown but the name', async () => {
    await using arbiter = await TestArbiter.start();
    const token = await clientOf(arbiter, { token: Buffer.from('THE-TOKEN') });
    const message = await refusal(token.client.fetchSecret(never));
    assert.match(message, /129/);
    assert.doesNotMatch(message, /THE-TOKEN/);
    const name = await clientOf(arbiter, { identity: 'somebody' });
    assert.match(await refusal(name.client.fetchSecret(never)), /"somebody".*129/);
  });
});

describe('watching the connection', () => {
  it('tells of each time it has come about, and not after it was closed', async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    let connections = 0;
    let hear = (): void => {};
    const next = () =>
      new Promise<void>((resolve) => {
        hear = resolve;
      });
    const first = next();
    const watch = client.watch(() => {
      connections += 1;
      hear();
    });
    assert.equal(watch.isConnected, false);
    await first;
    assert.equal(watch.isConnected, true);
    for (let restart = 0; restart < 2; restart += 1) {
      const again = next();
      await arbiter.restart();
      await again;
    }
    assert.equal(connections, 3);
    watch[Symbol.dispose]();
    assert.equal(watch.isConnected, false);
    await arbiter.restart();
    await client.fetchSecret(never);
    await eventLoopTurns();
    assert.equal(connections, 3);
    assert.equal(arbiter.asks, 1, 'watching asks for nothing');
  });

  it('looks where the arbiter is each time it has to connect again', async () => {
    await using arbiter = await TestArbiter.start();
    const port = Number(arbiter.endpoint.split(':').at(-1));
    const near: Socket[] = [];
    const relay = (socket: Socket): void => {
      near.push(socket);
      const far = socket.on('error', () => {}).pipe(connect(port, '127.0.0.1'));
      far.on('error', () => {}).pipe(socket);
    };
    await using before = await listen(relay);
    await using _after = await listen(relay, '127.0.0.2', before.port);
    let address = '127.0.0.1';
    const { client } = await clientOf(arbiter, { endpoint: named(before.endpoint) }, async () => address);
    const connected = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let connections = 0;
    using _watch = client.watch(() => connected[connections++]?.resolve());
    await connected[0]?.promise;
    address = '127.0.0.2';
    before.close();
    near[0]?.destroy();
    await connected[1]?.promise;
  });

  it('asks again for a name that was not there, and not once it is closed', async () => {
    await using arbiter = await TestArbiter.start();
    let isThere = false;
    let lookups = 0;
    const { client, clock } = await clientOf(arbiter, { endpoint: named(arbiter.endpoint) }, async () => {
      lookups += 1;
      return isThere ? '127.0.0.1' : assert.fail('not yet');
    });
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    const watch = client.watch(resolve);
    while (clock.scheduled === 0) await eventLoopTurns();
    isThere = true;
    clock.advance(1_000);
    await connected;
    watch[Symbol.dispose]();
    await arbiter.restart();
    await eventLoopTurns();
    assert.deepEqual([lookups, clock.scheduled], [2, 0]);
  });

  it('begins anew after something else had the port, with which ZeroMQ gives up for good', async () => {
    await using arbiter = await TestArbiter.start();
    const port = Number(arbiter.endpoint.split(':').at(-1));
    let isArbiters = false;
    await using relay = await listen((near) => {
      near.on('error', () => {});
      if (isArbiters) near.pipe(connect(port, '127.0.0.1')).pipe(near);
      else near.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const { client, clock } = await clientOf(arbiter, { endpoint: relay.endpoint });
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    using watch = client.watch(resolve);
    await once(relay, 'connection');
    while (clock.scheduled === 0) await eventLoopTurns();
    assert.equal(watch.isConnected, false);
    isArbiters = true;
    clock.advance(5_000);
    await connected;
  });

  it('asks the system to find out when the other side has silently gone', {
    skip: !existsSync('/proc/net/tcp'),
  }, async () => {
    await using arbiter = await TestArbiter.start();
    const { client } = await clientOf(arbiter);
    const { promise: connected, resolve } = Promise.withResolvers<void>();
    using _watch = client.watch(resolve);
    await connected;
    assert.deepEqual(timersTowards(arbiter.endpoint), [KEEPALIVE_TIMER]);
  });
});

/** As Linux numbers the timers of a connection in /proc/net/tcp. */
const KEEPALIVE_TIMER = '02';

/** Which timer runs on each of our connections to this endpoint. */
function timersTowards(endpoint: string): (string | undefined)[] {
  const port = Number(endpoint.split(':').at(-1)).toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const established = rows.filter(([, , remote, state]) => remote?.endsWith(`:${port}`) && state === '01');
  return established.map(([, , , , , timer]) => timer?.split(':')[0]);
}
