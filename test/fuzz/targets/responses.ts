/** Answers of destinations, as bytes from a socket: every attempt ends by itself, with a bounded answer or a named failure. */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { parseNetwork } from '../../../src/addresses/network.ts';
import { createEgressGuard } from '../../../src/delivery/egress-guard.ts';
import { HttpDeliverer } from '../../../src/delivery/http-deliverer.ts';
import { systemClock } from '../../../src/export/clock.ts';
import type { ClaimedJob } from '../../../src/export/job-store.ts';
import { startDestination } from '../../support/destinations/destination.ts';
import { noNames } from '../../support/names/no-names.ts';
import type { FuzzTarget } from '../target.ts';

const BODY_BYTES_MAX = 1_000;
const NAMED = ['timeout', 'connection_failed', 'malformed_response'];
const ok = 'HTTP/1.1 200 OK\r\n';

export async function open(): Promise<FuzzTarget> {
  let answer: Uint8Array = Buffer.of();
  const destination = await startDestination({ onRequest: (socket) => socket.end(answer) });
  const deliverer = new HttpDeliverer({
    clock: systemClock,
    guard: createEgressGuard({
      allowHttp: true,
      allowNetworks: [parseNetwork('127.0.0.0/8')],
      resolver: noNames,
    }),
    signer: { sign: async () => 'v1a,x' },
    version: '0',
    attemptTimeoutMs: 1_000,
    responseBytesMax: BODY_BYTES_MAX,
    destinationCa: null,
  });
  const job = jobTo(destination.url);
  const never = new AbortController().signal;
  return {
    seeds: SEEDS,
    dictionary: [
      ...[
        '\r\n',
        '\r\n\r\n',
        'HTTP/1.1 ',
        'HTTP/1.0 ',
        'HTTP/2 ',
        ' 100 Continue',
        ' 101 Switching',
        ' 103 Early Hints',
        ' 204 No Content',
        ' 304',
      ],
      ...[
        'content-length: ',
        'transfer-encoding: chunked',
        'content-encoding: gzip',
        'connection: close',
        'retry-after: ',
        'keep-alive: timeout=0',
      ],
      ...['0\r\n\r\n', 'ffffffff', '18446744073709551616', '-1', ': ', '\0', '\x80', 'upgrade: websocket'],
    ],
    async check(input) {
      answer = input;
      const { outcome } = await deliverer.deliver(job, never, () => true);
      if (outcome.kind === 'answered') {
        const { status, body } = outcome.answer;
        assert.ok(status >= 100 && status <= 999);
        assert.ok(Buffer.byteLength(body) <= BODY_BYTES_MAX, `${Buffer.byteLength(body)} bytes`);
        assert.ok(outcome.retryAfterMs === null || outcome.retryAfterMs >= 0);
        return 'answered';
      }
      assert.ok(outcome.kind === 'failed' && NAMED.includes(outcome.failure.code), JSON.stringify(outcome));
      assert.doesNotMatch(outcome.failure.detail, /\p{Cc}/u);
      return outcome.failure.code;
    },
    async close() {
      await deliverer[Symbol.asyncDispose]();
      await destination.close();
    },
  };
}

const SEEDS: readonly Uint8Array[] = [
  `${ok}content-length: 5\r\n\r\nhello`,
  `${ok}transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n`,
  `${ok}connection: close\r\n\r\nuntil the end`,
  `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${ok}content-length: 2\r\n\r\nok`,
  'HTTP/1.1 503 Busy\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.0 204 No Content\r\nkeep-alive: timeout=5, max=100\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));
const zipped = gzipSync('compressed, though nobody asked for it '.repeat(100));
const zippedHead = `${ok}content-encoding: gzip\r\ncontent-length: ${zipped.length}\r\n\r\n`;
(SEEDS as Uint8Array[]).push(Buffer.concat([Buffer.from(zippedHead), zipped]));

function jobTo(destination: string): ClaimedJob {
  return {
    id: '0197a3c5-0000-7000-8000-000000000001',
    lane: { client: '', destination },
    lease: 1,
    data: Buffer.from('{}'),
    attemptsMax: 1,
    attempts: 1,
    attemptsSpent: 0,
    laneFailures: 0,
  };
}
