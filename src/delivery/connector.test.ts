/** Method: real sockets to servers of this process; only the guard is made to fail where Node never lets it. */
import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { certificate, TEST_CA } from '../../test/support/destinations/certificates.ts';
import { startDestination, type TestDestination } from '../../test/support/destinations/destination.ts';
import * as nasty from '../../test/support/destinations/nasty.ts';
import { noNames } from '../../test/support/names/no-names.ts';
import { parseNetwork } from '../addresses/network.ts';
import { Connector } from './connector.ts';
import { AddressRefusedError, createEgressGuard, type EgressGuard } from './egress-guard.ts';

const LOOPBACK = [parseNetwork('127.0.0.0/8')];
const strict = createEgressGuard({ allowHttp: true, allowNetworks: [], resolver: noNames });
const open = createEgressGuard({ allowHttp: true, allowNetworks: LOOPBACK, resolver: noNames });

/** As if a version of Node connected to what the lookup had not decided about. */
function withoutLookup(guard: EgressGuard, address: string): EgressGuard {
  return {
    ...guard,
    lookup: (_name, options, callback) => {
      const answer: LookupAddress = { address, family: 4 };
      if (options.all) callback(null, [answer]);
      else callback(null, address, 4);
    },
  };
}

interface Opened {
  readonly socket: Socket | null;
  readonly address: string | null;
  readonly error: Error | null;
}

/** Connects and resolves with how it went; a socket that came about is closed again. */
async function connect(
  guard: EgressGuard,
  url: string,
  ownPort: () => number | null = () => null,
): Promise<Opened> {
  const connector = new Connector({ guard, destinationCa: TEST_CA, ownPort });
  const told = Promise.withResolvers<Omit<Opened, 'address'>>();
  let address: string | null = null;
  const socket = connector.open(new URL(url), {
    onLookUp: () => {},
    onConnect: () => {},
    onAddress: (far) => {
      address = far;
    },
    onCertificate: () => {},
    onReady: (ready) => told.resolve({ socket: ready, error: null }),
    onFailed: (error) => told.resolve({ socket: null, error }),
  });
  const outcome = await told.promise;
  if (socket !== null) {
    const closed = socket.destroyed ? null : once(socket, 'close');
    socket.destroy();
    await closed;
  }
  return { ...outcome, address };
}

/**
 * Counts what arrives before anybody has spoken HTTP: a TLS hello would be told here. Then it hangs up: whoever sent
 * something is to fail, and not to wait for an answer.
 */
async function startCounting(host = '127.0.0.1'): Promise<TestDestination & { readonly bytes: number }> {
  let bytes = 0;
  const destination = await startDestination({
    host,
    onConnection: (socket) =>
      socket.on('data', (chunk) => {
        bytes += chunk.length;
        socket.destroy();
      }),
  });
  return Object.defineProperty(destination, 'bytes', { get: () => bytes }) as TestDestination & {
    bytes: number;
  };
}

function assertRefused({ socket, address, error }: Opened, reason: string): void {
  assert.equal(socket, null);
  assert.equal(address, null);
  assert.ok(error instanceof AddressRefusedError, String(error));
  assert.equal(error.verdict.reason, reason);
}

describe('a literal address, about which Node asks no lookup', () => {
  for (const [host, reason] of [
    ['127.0.0.1', 'loopback'],
    ['2130706433', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['[::1]', 'loopback'],
    ['169.254.169.254', 'metadata'],
    ['0.0.0.0', 'unspecified'],
  ] as const) {
    it(`is refused before a socket is opened: ${host}`, async () => {
      await using destination = await nasty.answers();
      assertRefused(await connect(strict, destination.url.replace('127.0.0.1', host)), reason);
      assert.equal(destination.connections, 0);
    });
  }

  it('that is allowed is connected to', async () => {
    await using destination = await nasty.answers();
    const { address, error } = await connect(open, destination.url);
    assert.deepEqual([address, error], ['127.0.0.1', null]);
  });
});

describe('the far end of an open socket', () => {
  for (const protocol of ['http:', 'https:']) {
    it(`is judged once more, and hears nothing when it is refused: ${protocol}`, async () => {
      await using destination = await startCounting();
      const url = `${protocol}//destination.test:${destination.port}/`;
      assertRefused(await connect(withoutLookup(strict, '127.0.0.1'), url), 'loopback');
      await destination.quiet();
      assert.equal(destination.bytes, 0);
    });

    it(`is not this service itself, whatever network is open: ${protocol}`, async () => {
      for (const host of ['127.0.0.1', '127.0.0.2', 'localhost']) {
        await using destination = await startCounting('0.0.0.0');
        const url = `${protocol}//${host}:${destination.port}/`;
        const opened = await connect(withoutLookup(open, '127.0.0.3'), url, () => destination.port);
        assertRefused(opened, 'own_service');
        assert.match(opened.error?.message ?? '', /^The address 127\.0\.0\.\d:\d+ is this service itself\./);
        await destination.quiet();
        assert.equal(destination.bytes, 0);
      }
    });
  }

  it('may be another port of this machine, or the same port of another one', async () => {
    await using destination = await nasty.answers();
    const { error } = await connect(open, destination.url, () => destination.port + 1);
    assert.equal(error, null);
    await using tls = await startDestination({ tls: certificate('localhost') });
    const secure = await connect(open, tls.url, () => null);
    assert.equal(secure.error, null);
  });
});
