import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { certificate, TEST_CA } from '../../test/support/destinations/certificates.ts';
import { HttpFixture, NO_LEDGER, NO_OWNER, ROOT_KEY } from '../../test/support/http/http-fixture.ts';
import { until } from '../../test/support/until.ts';
import { Authorizer } from '../auth/authorizer.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { createHttpServer, type ServerLimits } from './server.ts';

/** A client that keeps what it gets. */
class Client {
  readonly socket: Socket;
  text = '';
  answers = 0;
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.isClosed = true;
    });
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString();
      this.answers = this.text.split('HTTP/1.1 200 OK').length - 1;
    });
  }

  static async connect(port: number): Promise<Client> {
    const client = new Client(connect(port, '127.0.0.1'));
    await once(client.socket, 'connect');
    return client;
  }

  ask(path = '/status'): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  }

  async answered(path?: string): Promise<void> {
    const before = this.answers;
    this.ask(path);
    await until(() => this.answers > before);
  }
}

interface Limited extends AsyncDisposable {
  readonly server: Server;
  readonly limit: ConnectionLimit;
  readonly port: number;
  /** Paths in the order in which they were asked for. */
  readonly asked: readonly string[];
}

/** A server that answers everything, with room for so many. */
async function limited(
  connectionsMax: number,
  connectionsQueuedMax = 511,
  create: (listener: Parameters<typeof createServer>[1]) => Server = createServer,
): Promise<Limited> {
  const asked: string[] = [];
  const server = create((request, response) => {
    asked.push(request.url ?? '');
    response.end('ok');
  });
  const limit = new ConnectionLimit(server, { connectionsMax, connectionsQueuedMax });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    limit,
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      limit[Symbol.dispose]();
      server.close();
      server.closeAllConnections();
    },
  };
}

function connectMany(port: number, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, () => Client.connect(port)));
}

describe('over the limit of connections', () => {
  it('one more is connected, but answered only once another has closed', async () => {
    await using server = await limited(3);
    const [first, ...others] = await connectMany(server.port, 3);
    const fourth = await Client.connect(server.port);
    fourth.ask();
    await until(() => server.limit.waiting === 1);
    for (const client of [first, ...others]) await client?.answered();
    assert.equal(fourth.text, '');
    first?.socket.end();
    await until(() => fourth.answers === 1);
    for (const client of others) await client.answered();
    assert.equal(server.limit.waiting, 0);
  });

  it('exactly the limit is served', async () => {
    await using server = await limited(3);
    for (const client of await connectMany(server.port, 3)) await client.answered();
  });

  it('those that wait are served in the order of their coming, one for each that closes', async () => {
    await using server = await limited(1);
    const first = await Client.connect(server.port);
    await first.answered('/0');
    const waiting: Client[] = [];
    for (const n of [1, 2, 3]) {
      const client = await Client.connect(server.port);
      client.ask(`/${n}`);
      waiting.push(client);
      await until(() => server.limit.waiting === n);
    }
    first.socket.destroy();
    for (const client of waiting) {
      await until(() => client.answers === 1);
      client.socket.destroy();
    }
    assert.deepEqual(server.asked, ['/0', '/1', '/2', '/3']);
  });

  it('who gives up while waiting is forgotten, and takes no place', async () => {
    await using server = await limited(1);
    const first = await Client.connect(server.port);
    await first.answered();
    const [impatient, patient] = await connectMany(server.port, 2);
    impatient?.ask('/never');
    patient?.ask();
    await until(() => server.limit.waiting === 2);
    impatient?.socket.resetAndDestroy();
    await until(() => server.limit.waiting === 1);
    first.socket.destroy();
    await until(() => patient?.answers === 1);
    assert.ok(!server.asked.includes('/never'));
  });

  it('when as many wait as may, the next is closed', async () => {
    await using server = await limited(1, 2);
    const first = await Client.connect(server.port);
    await first.answered();
    const waiting = await connectMany(server.port, 2);
    await until(() => server.limit.waiting === 2);
    const next = await Client.connect(server.port);
    await until(() => next.isClosed);
    first.socket.destroy();
    for (const client of waiting) {
      await client.answered();
      client.socket.destroy();
    }
    await (await Client.connect(server.port)).answered();
  });

  it('a body that came while waiting arrives whole', async () => {
    const large = 'x'.repeat(1_000_000);
    let received = 0;
    await using server = await limited(1, 511, (listener) =>
      createServer((request, response) => {
        request.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        request.on('end', () => listener?.(request, response as never));
      }),
    );
    const first = await Client.connect(server.port);
    await first.answered();
    const second = await Client.connect(server.port);
    second.socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${large.length}\r\n\r\n${large}`);
    await until(() => server.limit.waiting === 1);
    await first.answered();
    first.socket.destroy();
    await until(() => second.answers === 1);
    assert.equal(received, large.length);
  });

  it('over TLS the handshake waits too', async () => {
    await using server = await limited(1, 511, (listener) =>
      createTlsServer(certificate('localhost'), listener),
    );
    const open = () => new Client(connectTls({ port: server.port, host: 'localhost', ca: TEST_CA }));
    const first = open();
    await first.answered();
    const second = open();
    second.ask();
    await until(() => server.limit.waiting === 1);
    await first.answered();
    assert.equal(second.socket.bytesRead, 0);
    first.socket.destroy();
    await until(() => second.answers === 1);
  });
});

/** The service's server with other limits than its own. */
async function serverWith(fixture: HttpFixture, limits: Partial<ServerLimits>) {
  const authorizer = new Authorizer({
    keys: () => [ROOT_KEY],
    target: 'export-service',
    requireDestination: true,
  });
  const server = await createHttpServer({
    service: fixture.service,
    owner: NO_OWNER,
    ledger: NO_LEDGER,
    authorizer,
    settings: { bodyBytesMax: 1_000, longPollMaxMs: 1_000, attemptsMax: 9 },
    readiness: async () => ({ isReady: true }),
    log: { unexpectedError: () => {} },
    clock: fixture.clock,
    limits,
  });
  return server;
}

describe("the service's server", () => {
  it('serves no more than connectionsMax at once', async () => {
    await using fixture = await HttpFixture.start();
    await using server = await serverWith(fixture, { connectionsMax: 3 });
    const { port } = await server.listen('127.0.0.1', 0);
    const [first, ...others] = await connectMany(port, 3);
    for (const client of others) await client.answered();
    await first?.answered();
    const fourth = await Client.connect(port);
    fourth.ask();
    for (const client of others) await client.answered();
    assert.equal(fourth.answers, 0);
    first?.socket.end();
    await until(() => fourth.answers === 1);
    for (const client of [fourth, ...others]) client.socket.destroy();
  });

  it('lets go of those that wait when it closes, and ends', async () => {
    await using fixture = await HttpFixture.start();
    await using server = await serverWith(fixture, { connectionsMax: 1 });
    const { port } = await server.listen('127.0.0.1', 0);
    const first = await Client.connect(port);
    await first.answered();
    const waiting = await Client.connect(port);
    waiting.ask();
    await first.answered();
    await server.close();
    await until(() => waiting.isClosed && first.isClosed);
    assert.equal(waiting.text, '');
  });

  it('listens once on "localhost", so that every connection counts', async () => {
    await using fixture = await HttpFixture.start();
    await using server = await serverWith(fixture, { connectionsMax: 1 });
    const { port } = await server.listen('localhost', 0);
    const client = new Client(connect(port, 'localhost'));
    await client.answered();
    client.socket.destroy();
  });
});
