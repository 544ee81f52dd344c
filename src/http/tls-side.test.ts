/** The server over TLS: who is let in, handshakes that do not end, and a certificate that changes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { keyPem, makeAuthority, makeCertificate } from '../../test/support/certificates.ts';
import { HttpFixture } from '../../test/support/http/http-fixture.ts';
import { SERVER_LIMITS, type ServerLimits } from './server.ts';

const CA = makeAuthority();
const [FIRST, SECOND] = ['first', 'second'].map((name) => {
  const identity = makeCertificate({ name, hosts: ['export-service', '127.0.0.1'], issuer: CA });
  return { cert: identity.cert, key: keyPem(identity) };
}) as [{ cert: string; key: string }, { cert: string; key: string }];

/** Longer than any test runs. */
const NEVER_MS = 600_000;
const SOON_MS = 50;
/** The beginning of a handshake: a record of 512 bytes that holds a ClientHello, of which this is all. */
const HELLO_BEGUN = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
const STATUS = 'GET /status HTTP/1.1\r\nhost: x\r\n\r\n';

function fixtureWith(serverLimits: Partial<ServerLimits> = {}) {
  return HttpFixture.start({ tls: FIRST, serverLimits: { handshakeTimeoutMs: NEVER_MS, ...serverLimits } });
}

/** A client that trusts the CA; resolves when its handshake is done. */
async function connect({ port }: HttpFixture, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: CA.cert, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function status(socket: Socket): Promise<string> {
  socket.write(STATUS);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  return answer.toString();
}

/** Resolves with what came when the connection is over, by a reset too. */
function untilClosed(socket: Socket): Promise<string> {
  let received = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => {}).on('close', () => resolve(received));
  });
}

function nameOf(socket: TLSSocket): unknown {
  return socket.getPeerCertificate().subject.CN;
}

describe('over TLS', () => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as SecureVersion[]) {
    it(`a client of ${version} that trusts the CA is served`, async () => {
      await using fixture = await fixtureWith();
      const socket = await connect(fixture, { minVersion: version, maxVersion: version });
      assert.equal(socket.getProtocol(), version);
      assert.equal(socket.authorized, true);
      assert.match(await status(socket), /^HTTP\/1\.1 200 OK\r\n[\s\S]*active$/);
      socket.destroy();
    });
  }

  it('an older version is refused, though its client would allow it', async () => {
    await using fixture = await fixtureWith();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(connect(fixture, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it('a client that does not trust the CA goes away, and the next is served', async () => {
    await using fixture = await fixtureWith({ connectionsMax: 1 });
    await assert.rejects(connect(fixture, { ca: makeAuthority().cert }), { code: /CERT|UNABLE/ });
    const socket = await connect(fixture);
    assert.match(await status(socket), /^HTTP\/1\.1 200 OK/);
    socket.destroy();
  });

  it('bytes that are no HTTP are answered like anywhere', async () => {
    await using fixture = await fixtureWith();
    const socket = await connect(fixture);
    const answer = untilClosed(socket);
    socket.write('no http\r\n\r\n');
    assert.match(await answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  });

  it('plain HTTP gets no answer in HTTP, and its connection ends', async () => {
    await using fixture = await fixtureWith({ connectionsMax: 1 });
    const plain = await fixture.connect();
    const received = untilClosed(plain);
    plain.write(STATUS);
    assert.doesNotMatch(await received, /HTTP/);
    assert.match(await status(await connect(fixture)), /^HTTP\/1\.1 200 OK/);
  });
});

describe('a handshake', () => {
  const beginnings: [what: string, begin: (socket: Socket) => void][] = [
    ['of which nothing comes', () => {}],
    ['that stands still', (socket) => socket.write(HELLO_BEGUN)],
    [
      'that drips, however steadily',
      (socket) => {
        socket.write(HELLO_BEGUN);
        const drip = setInterval(() => socket.write(Buffer.of(0)), 5);
        socket.on('close', () => clearInterval(drip));
      },
    ],
  ];
  for (const [what, begin] of beginnings) {
    it(`${what} is cut off in time, and gives its place to who waits`, async () => {
      await using fixture = await fixtureWith({ handshakeTimeoutMs: SOON_MS, connectionsMax: 1 });
      const slow = await fixture.connect();
      const closed = untilClosed(slow);
      begin(slow);
      const patient = await connect(fixture);
      assert.equal(await closed, '');
      assert.match(await status(patient), /^HTTP\/1\.1 200 OK/);
      patient.destroy();
      assert.deepEqual(fixture.unexpected, []);
    });
  }

  it('counts as a connection as long as it lasts', async () => {
    await using fixture = await fixtureWith({ connectionsMax: 1, connectionsQueuedMax: 1 });
    const slow = await fixture.connect();
    slow.write(HELLO_BEGUN);
    const waiting = await fixture.connect();
    // One is served and one waits, so there is no room for a third.
    await untilClosed(await fixture.connect());
    slow.destroy();
    const served = await connect(fixture, { socket: waiting });
    assert.match(await status(served), /^HTTP\/1\.1 200 OK/);
    served.destroy();
  });

  it('that is broken off leaves nothing behind', async () => {
    await using fixture = await fixtureWith({ connectionsMax: 1 });
    for (const end of ['destroy', 'resetAndDestroy'] as const) {
      const socket = await fixture.connect();
      socket.write(HELLO_BEGUN);
      socket[end]();
    }
    const socket = await connect(fixture);
    assert.match(await status(socket), /^HTTP\/1\.1 200 OK/);
    socket.destroy();
    assert.deepEqual(fixture.unexpected, []);
  });

  it('has 20 seconds by default', () => {
    assert.equal(SERVER_LIMITS.handshakeTimeoutMs, 20_000);
  });

  it('does not keep a server from closing', async () => {
    await using fixture = await fixtureWith();
    const slow = await fixture.connect();
    const closed = untilClosed(slow);
    slow.write(HELLO_BEGUN);
    // Connections are accepted in order: once this one is served, that one is known.
    const socket = await connect(fixture);
    await status(socket);
    await fixture.server.close();
    assert.equal(await closed, '');
  });
});

describe('a certificate that is renewed', () => {
  it('is what new connections see, and open ones live on with theirs', async () => {
    await using fixture = await fixtureWith();
    const open = await connect(fixture);
    assert.match(await status(open), /^HTTP\/1\.1 200 OK/);
    fixture.server.renewTls(SECOND);
    const fresh = await connect(fixture);
    assert.deepEqual([nameOf(open), nameOf(fresh)], ['first', 'second']);
    for (const socket of [open, fresh]) {
      assert.match(await status(socket), /^HTTP\/1\.1 200 OK/);
      socket.destroy();
    }
  });

  it('is seen by who comes back with a session of the one before', async () => {
    await using fixture = await fixtureWith();
    const first = await connect(fixture);
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const resumed = await connect(fixture, { session });
    assert.equal(resumed.isSessionReused(), true);
    resumed.destroy();
    fixture.server.renewTls(SECOND);
    const fresh = await connect(fixture, { session });
    assert.deepEqual([fresh.isSessionReused(), nameOf(fresh)], [false, 'second']);
    fresh.destroy();
  });

  it('keeps the oldest version that is spoken', async () => {
    await using fixture = await fixtureWith();
    fixture.server.renewTls(SECOND);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(connect(fixture, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it('in the middle of a handshake lets that end', async () => {
    await using fixture = await fixtureWith();
    const slow = connect(fixture);
    fixture.server.renewTls(SECOND);
    const socket = await slow;
    assert.match(await status(socket), /^HTTP\/1\.1 200 OK/);
    socket.destroy();
  });

  it('is none of the business of a server that speaks plain HTTP', async () => {
    await using fixture = await HttpFixture.start();
    assert.throws(() => fixture.server.renewTls(SECOND), TypeError);
  });
});
