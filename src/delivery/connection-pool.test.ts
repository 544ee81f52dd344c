import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { certificate, TEST_CA } from '../../test/support/destinations/certificates.ts';
import {
  answerText,
  startDestination,
  type TestDestination,
} from '../../test/support/destinations/destination.ts';
import * as nasty from '../../test/support/destinations/nasty.ts';
import { noNames } from '../../test/support/names/no-names.ts';
import { until } from '../../test/support/until.ts';
import { parseNetwork } from '../addresses/network.ts';
import { type Connection, ConnectionPool, type PoolLimits } from './connection-pool.ts';
import { Connector } from './connector.ts';
import { createEgressGuard } from './egress-guard.ts';

/** Longer than any test runs. */
const NEVER_MS = 600_000;

function poolWith(limits: Partial<PoolLimits> = {}): ConnectionPool {
  const guard = createEgressGuard({
    allowHttp: true,
    allowNetworks: [parseNetwork('127.0.0.0/8')],
    resolver: noNames,
  });
  const connector = new Connector({ guard, destinationCa: TEST_CA });
  return new ConnectionPool(connector, { idlePerOriginMax: 8, idleMax: 8, idleMs: NEVER_MS, ...limits });
}

/** One request and its whole answer, over a connection that is then given back. */
async function use(pool: ConnectionPool, { url }: TestDestination): Promise<Connection> {
  const connection = pool.acquire(new URL(url));
  const { body } = await connection.request({ method: 'POST', path: '/', body: '1' }, () => true);
  await body.dump();
  pool.release(connection);
  return connection;
}

describe('an unused connection', () => {
  it('is used again, the one used last first', async () => {
    await using destination = await nasty.answers();
    await using pool = poolWith();
    const url = new URL(destination.url);
    const first = await use(pool, destination);
    assert.equal(await use(pool, destination), first);
    const [one, two] = [pool.acquire(url), pool.acquire(url)];
    assert.equal(one, first);
    for (const connection of [one, two]) {
      await (await connection.request({ method: 'POST', path: '/', body: '1' }, () => true)).body.dump();
      pool.release(connection);
    }
    assert.equal(pool.idle, 2);
    assert.equal(pool.acquire(url), two);
    assert.equal(destination.connections, 2);
  });

  it('is closed when its time is over, and the next request opens another', async () => {
    await using destination = await nasty.answers();
    await using pool = poolWith({ idleMs: 20 });
    const first = await use(pool, destination);
    assert.equal(pool.idle, 1);
    await destination.quiet();
    await until(() => pool.idle === 0);
    assert.notEqual(await use(pool, destination), first);
    assert.equal(destination.connections, 2);
  });

  for (const [hint, idle] of [
    ['timeout=1', 0],
    ['timeout=5', 1],
  ] as const) {
    it(`is kept for a second less than the destination says: ${hint} leaves ${idle}`, async () => {
      await using destination = await startDestination({
        onRequest: (socket) => socket.write(answerText('200 OK', 'ok', { 'keep-alive': hint })),
      });
      await using pool = poolWith();
      await use(pool, destination);
      if (idle === 0) await destination.quiet();
      assert.equal(pool.idle, idle);
    });
  }

  it('leaves the pool when the other side closes it', async () => {
    await using destination = await nasty.answers();
    await using pool = poolWith();
    await use(pool, destination);
    assert.equal(pool.idle, 1);
    await destination.close();
    await until(() => pool.idle === 0);
  });

  it('gives way to a newer one when there are too many: of its origin, or the one unused for longest', async () => {
    await using pool = poolWith({ idlePerOriginMax: 1, idleMax: 2 });
    await using one = await nasty.answers();
    await using two = await nasty.answers();
    await using three = await nasty.answers();
    for (const destination of [one, two, one, three]) await use(pool, destination);
    assert.equal(pool.idle, 2);
    // `one` was used after `two`.
    await two.quiet();
    assert.deepEqual([one.openConnections, three.openConnections], [1, 1]);
  });

  it('to one origin is not for another: scheme, host and port must be the same', async () => {
    await using destination = await nasty.answers();
    await using pool = poolWith();
    const kept = await use(pool, destination);
    for (const other of ['https://127.0.0.1', 'http://127.0.0.2', 'http://localhost']) {
      const connection = pool.acquire(new URL(`${other}:${destination.port}/in`));
      assert.notEqual(connection, kept);
      pool.discard(connection);
    }
    assert.equal(pool.acquire(new URL(`${destination.url}/elsewhere?x=1`)), kept);
  });
});

describe('what is known of the far end', () => {
  const { fingerprint256 } = new X509Certificate(certificate('localhost').cert);
  const fingerprint = fingerprint256.replaceAll(':', '').toLowerCase();

  /** A connection that was taken for another request, and is closed by the other side before that is made. */
  async function closedUnderway(pool: ConnectionPool): Promise<{ connection: Connection; port: number }> {
    await using destination = await nasty.answersOverTls('localhost');
    const connection = await use(pool, destination);
    assert.equal(pool.acquire(new URL(destination.url)), connection);
    assert.deepEqual([connection.address, connection.tlsFingerprint], ['127.0.0.1', fingerprint]);
    const { port } = destination;
    await destination.close();
    await until(() => !connection.isOpen);
    return { connection, port };
  }

  it('is of the socket in use: when that is gone, and no other comes about, nothing is known', async () => {
    await using pool = poolWith();
    const { connection } = await closedUnderway(pool);
    await assert.rejects(connection.request({ method: 'POST', path: '/', body: '1' }, () => true));
    assert.deepEqual([connection.address, connection.tlsFingerprint], [null, null]);
  });

  it('is of the next socket anew: who answers there then may show no certificate', async () => {
    await using pool = poolWith();
    const { connection, port } = await closedUnderway(pool);
    const onConnection = (socket: Socket) => socket.once('data', () => socket.destroy());
    await using _ = await startDestination({ port, onConnection });
    await assert.rejects(connection.request({ method: 'POST', path: '/', body: '1' }, () => true));
    assert.deepEqual([connection.address, connection.tlsFingerprint], ['127.0.0.1', null]);
  });
});

describe('a pool that is disposed', () => {
  it('closes what it keeps and keeps nothing more', async () => {
    await using destination = await nasty.answers();
    const pool = poolWith();
    const connection = await use(pool, destination);
    await pool[Symbol.asyncDispose]();
    await destination.quiet();
    pool.release(connection);
    pool.discard(connection);
    await pool[Symbol.asyncDispose]();
  });
});
