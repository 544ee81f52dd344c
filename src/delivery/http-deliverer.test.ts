import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import tls from 'node:tls';
import { type CertificateName, certificate, TEST_CA } from '../../test/support/destinations/certificates.ts';
import { answerText, startDestination } from '../../test/support/destinations/destination.ts';
import * as nasty from '../../test/support/destinations/nasty.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { NameServer } from '../../test/support/names/name-server.ts';
import { noNames } from '../../test/support/names/no-names.ts';
import { type Network, parseNetwork } from '../addresses/network.ts';
import type { Delivery } from '../export/deliverer.ts';
import type { FailureCode } from '../export/job.ts';
import type { ClaimedJob } from '../export/job-store.ts';
import { systemNames } from '../names/look-up.ts';
import { LOOKUP_MS_MAX, NameResolver } from '../names/name-resolver.ts';
import { createEgressGuard, type Resolver } from './egress-guard.ts';
import { HttpDeliverer, type HttpDelivererOptions } from './http-deliverer.ts';

const ID = '0197a3c5-0000-7000-8000-000000000001';
const NOW = Date.UTC(2026, 0, 1, 12, 0, 0, 999);
const TIMEOUT_MS = 30_000;
const LIMIT = 1_000;
const LOOPBACK = parseNetwork('127.0.0.0/8');

interface Setup extends Partial<HttpDelivererOptions> {
  readonly resolver?: Resolver;
  readonly allowNetworks?: readonly Network[];
  readonly allowHttp?: boolean;
}

class Fixture implements AsyncDisposable {
  readonly clock = new ManualClock(NOW);
  readonly deliverer: HttpDeliverer;
  /** What is answered when a request is about to be opened. */
  mayLeave = true;

  constructor({ resolver = noNames, allowNetworks = [LOOPBACK], allowHttp = true, ...options }: Setup = {}) {
    this.deliverer = new HttpDeliverer({
      clock: this.clock,
      guard: createEgressGuard({ allowHttp, allowNetworks, resolver }),
      signer: { sign: async ({ id, timestampSeconds, body }) => `${id}|${timestampSeconds}|${body.length}` },
      version: '9.8.7',
      attemptTimeoutMs: TIMEOUT_MS,
      responseBytesMax: LIMIT,
      destinationCa: TEST_CA,
      ...options,
    });
  }

  deliver(
    destination: string,
    data: string | Uint8Array = '{}',
    signal = new AbortController().signal,
  ): Promise<Delivery> {
    return this.deliverer.deliver(job(destination, data), signal, () => this.mayLeave);
  }

  /** One that leaves no timer behind, whatever happened. */
  async [Symbol.asyncDispose](): Promise<void> {
    assert.equal(this.clock.scheduled, 0);
    await this.deliverer[Symbol.asyncDispose]();
  }
}

function job(destination: string, data: string | Uint8Array): ClaimedJob {
  return {
    id: ID,
    lane: { client: '', destination },
    lease: 1,
    data: typeof data === 'string' ? Buffer.from(data) : data,
    attemptsMax: 9,
    attempts: 1,
    attemptsSpent: 0,
    laneFailures: 0,
  };
}

/** Resolves to the given addresses, one list a call; the last one repeats. */
function resolves(...answers: string[][]): Resolver & { calls: number } {
  const resolver: Resolver & { calls: number } = Object.assign(
    ((_name, _options, callback) => {
      const ips = answers[Math.min(resolver.calls, answers.length - 1)] ?? [];
      resolver.calls += 1;
      const addresses: LookupAddress[] = ips.map((address) => ({
        address,
        family: address.includes(':') ? 6 : 4,
      }));
      setImmediate(callback, null, addresses);
    }) satisfies Resolver,
    { calls: 0 },
  );
  return resolver;
}

const named = (url: string, name = 'destination.test'): string => url.replace('127.0.0.1', name);

function assertAnswered({ outcome }: Delivery, status: number, body: string, truncated = false): void {
  assert.equal(outcome.kind, 'answered', JSON.stringify(outcome));
  assert.deepEqual(outcome.answer, { status, body, truncated });
}

function assertFailed({ outcome }: Delivery, code: FailureCode, detail: RegExp): void {
  assert.equal(outcome.kind, code === 'address_refused' ? 'refused' : 'failed', JSON.stringify(outcome));
  assert.equal(outcome.failure.code, code, outcome.failure.detail);
  assert.match(outcome.failure.detail, detail);
}

describe('the request', () => {
  it('is the POST of section 6, with the data byte for byte', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    const data = Buffer.from('  {"a": 1.10, "b": "\u00e9\ud83d\ude00"}\n\x00\xff', 'utf8');
    const delivery = await fixture.deliver(`${destination.url}?x=1&y=%20#part`, data);
    assertAnswered(delivery, 200, 'ok');
    assert.equal(delivery.address, '127.0.0.1');
    const [request] = destination.received;
    assert.ok(request);
    assert.equal(request.method, 'POST');
    assert.equal(request.path, '/in?x=1&y=%20');
    assert.deepEqual(request.body, data);
    assert.deepEqual(request.headers, {
      host: `127.0.0.1:${destination.port}`,
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': String(data.length),
      'user-agent': 'databox-export-service/9.8.7',
      'accept-encoding': 'identity',
      'idempotency-key': ID,
      'webhook-id': ID,
      'webhook-timestamp': String(Math.floor(NOW / 1_000)),
      'webhook-signature': `${ID}|${Math.floor(NOW / 1_000)}|${data.length}`,
    });
  });

  it('has the time of its attempt, in whole seconds', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    await fixture.deliver(destination.url);
    fixture.clock.advance(90_001);
    await fixture.deliver(destination.url);
    const [first, second] = destination.received.map(({ headers }) => Number(headers['webhook-timestamp']));
    assert.equal(second, (first ?? 0) + 91);
  });

  it('may be empty, or a view of a larger buffer', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    await fixture.deliver(destination.url, '');
    await fixture.deliver(destination.url, Buffer.from('xx[1]xx').subarray(2, 5));
    const [empty, view] = destination.received;
    assert.equal(empty?.headers['content-length'], '0');
    assert.equal(view?.body.toString(), '[1]');
  });

  it('may be large', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    const data = Buffer.alloc(5_000_000, '[1]');
    assertAnswered(await fixture.deliver(destination.url, data), 200, 'ok');
    assert.ok(destination.received[0]?.body.equals(data));
  });
});

describe('the answer', () => {
  for (const status of [
    '200 OK',
    '204 No Content',
    '400 Bad Request',
    '404 Not Found',
    '503 Busy',
    '799 Odd',
  ]) {
    it(`is an answer, whatever its status: ${status}`, async () => {
      await using destination = await nasty.answers(status, '');
      await using fixture = new Fixture();
      assertAnswered(await fixture.deliver(destination.url), Number.parseInt(status, 10), '');
    });
  }

  it('is a redirect like any other: nobody follows it', async () => {
    await using elsewhere = await nasty.answers();
    await using destination = await nasty.redirects(elsewhere.url);
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(destination.url), 307, 'elsewhere');
    assert.equal(elsewhere.connections, 0);
  });

  it('comes after interim answers', async () => {
    await using destination = await nasty.informs('102 Processing', '103 Early Hints', '103 Early Hints');
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(destination.url), 200, 'ok');
  });

  it('says how long to wait', async () => {
    await using destination = await nasty.asksToRetryAfter('120');
    await using dated = await nasty.asksToRetryAfter('Thu, 01 Jan 2026 12:01:00 GMT');
    await using fixture = new Fixture();
    for (const [url, waitMs] of [
      [destination.url, 120_000],
      [dated.url, 59_001],
    ] as const) {
      const { outcome } = await fixture.deliver(url);
      assert.equal(outcome.kind === 'answered' && outcome.retryAfterMs, waitMs);
    }
  });

  it('is kept to the limit, and one byte more is cut off', async () => {
    await using exact = await nasty.answers('200 OK', 'x'.repeat(LIMIT));
    await using longer = await nasty.answers('200 OK', 'x'.repeat(LIMIT + 1));
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(exact.url), 200, 'x'.repeat(LIMIT));
    assertAnswered(await fixture.deliver(longer.url), 200, 'x'.repeat(LIMIT), true);
  });

  for (const isChunked of [false, true]) {
    it(`of 50 MB is cut off and not read, ${isChunked ? 'chunked' : 'announced'}`, async () => {
      await using destination = await nasty.pours(50_000_000, isChunked);
      await using fixture = new Fixture();
      assertAnswered(await fixture.deliver(destination.url), 200, 'x'.repeat(LIMIT), true);
      await destination.quiet();
      // What the buffers of two systems on one machine may swallow.
      assert.ok(destination.poured < 20_000_000, `${destination.poured} bytes`);
    });
  }

  it('is decompressed although we asked for none, and counted afterwards', async () => {
    await using gzip = await nasty.compresses('gzip', 'x'.repeat(LIMIT));
    await using deflate = await nasty.compresses('deflate', 'x'.repeat(LIMIT + 1));
    await using damaged = await nasty.compresses('gzip', 'abc', false);
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(gzip.url), 200, 'x'.repeat(LIMIT));
    assertAnswered(await fixture.deliver(deflate.url), 200, 'x'.repeat(LIMIT), true);
    const { outcome } = await fixture.deliver(damaged.url);
    assert.equal(outcome.kind === 'answered' && outcome.answer.truncated, true);
  });

  it('that is a gzip bomb goes off in a small box', async () => {
    await using destination = await nasty.sendsGzipBomb();
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(destination.url), 200, '\0'.repeat(LIMIT), true);
    await destination.quiet();
  });

  it('that is compressed nothing for ever is given up', async () => {
    await using destination = await nasty.sendsEmptyBlocks();
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(destination.url), 200, '', true);
    await destination.quiet();
  });

  it('has U+FFFD for what is not UTF-8', async () => {
    await using destination = await nasty.answers('200 OK', Buffer.from([0x61, 0xff]));
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(destination.url), 200, 'a\ufffd');
  });

  it('counts when it comes before the request was read', async () => {
    await using destination = await startDestination({
      onConnection: (socket) =>
        socket.once('data', () => socket.end(answerText('413 Too Large', 'no'))).resume(),
    });
    await using fixture = new Fixture();
    assertAnswered(await fixture.deliver(destination.url, Buffer.alloc(300_000)), 413, 'no');
  });
});

describe('a failure before an answer', () => {
  it('connection refused', async () => {
    const url = await nasty.closedPort();
    await using fixture = new Fixture();
    const delivery = await fixture.deliver(url);
    assertFailed(delivery, 'connection_failed', /connection refused by 127\.0\.0\.1:\d+\.$/);
    assert.equal(delivery.address, null);
  });

  it('a name whose addresses all refuse names them all', async () => {
    const url = await nasty.closedPort();
    await using fixture = new Fixture({ resolver: resolves(['127.0.0.1', '127.0.0.2']) });
    assertFailed(
      await fixture.deliver(named(url)),
      'connection_failed',
      /connection refused by 127\.0\.0\.1:\d+; connection refused by 127\.0\.0\.2:\d+\.$/,
    );
  });

  it('no such name', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });
    const resolver: Resolver = (_name, _options, callback) => callback(notFound, []);
    await using fixture = new Fixture({ resolver });
    const delivery = await fixture.deliver('https://nobody.test/');
    assertFailed(delivery, 'dns_failed', /^The name "nobody\.test" could not be resolved \(ENOTFOUND\)\.$/);
    assert.equal(delivery.address, null);
  });

  it('a reset as soon as there is a connection', async () => {
    await using destination = await nasty.resetsOnAccept();
    await using fixture = new Fixture();
    // The system tells of it as part of connecting, or of the request, as it likes.
    assertFailed(await fixture.deliver(destination.url), 'connection_failed', /reset|closed/);
  });

  const cases: Record<string, [() => ReturnType<typeof nasty.neverAnswers>, FailureCode, RegExp]> = {
    'a reset instead of an answer': [nasty.resetsOnData, 'connection_failed', /reset before an answer/],
    'a close instead of an answer': [
      nasty.closesWithoutAnswer,
      'connection_failed',
      /closed the connection without an answer/,
    ],
    'half a head': [nasty.closesMidHead, 'malformed_response', /in the middle of its answer/],
    'a reset in the body': [nasty.resetsMidBody, 'connection_failed', /reset in the middle of the answer/],
    'a body cut short': [nasty.truncatesBody, 'malformed_response', /in the middle of its answer/],
    'a body cut short without keep-alive': [
      () => nasty.truncatesBody('connection: close\r\n'),
      'malformed_response',
      /length/,
    ],
    'chunks without a last one': [nasty.truncatesChunks, 'malformed_response', /in the middle of its answer/],
    'chunks without a last one or keep-alive': [
      () => nasty.truncatesChunks('connection: close\r\n'),
      'malformed_response',
      /EOF/,
    ],
    'a bad chunk': [nasty.sendsBadChunk, 'malformed_response', /not HTTP/],
    'another protocol': [nasty.sendsGarbage, 'malformed_response', /not HTTP/],
    'another protocol that speaks first': [nasty.speaksFirst, 'malformed_response', /not HTTP/],
    'a head of 20 KiB': [() => nasty.sendsHeadOf(20 * 1024), 'malformed_response', /longer than 16 KiB/],
    'a head without end': [nasty.neverEndsHead, 'malformed_response', /longer than 16 KiB/],
    'a switch of protocols': [() => nasty.informs('101 Switching Protocols'), 'malformed_response', /./],
    'interim answers without end': [
      nasty.neverStopsInforming,
      'malformed_response',
      /more than 32 interim answers/,
    ],
    'a 100 that nobody asked for': [() => nasty.informs('100 Continue'), 'malformed_response', /out of turn/],
  };
  for (const [name, [start, code, detail]] of Object.entries(cases)) {
    it(`${name}: ${code}`, async () => {
      await using destination = await start();
      await using fixture = new Fixture();
      const delivery = await fixture.deliver(destination.url, '{"secret":"payload"}');
      assertFailed(delivery, code, detail);
      assert.equal(delivery.address, '127.0.0.1');
      assert.doesNotMatch(JSON.stringify(delivery), /secret/);
      assert.ok(destination.received.length <= 1, 'sent once');
      await destination.quiet();
    });
  }
});

describe('an answer that is split, folded or counted wrongly', () => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const body = 'content-length: 2\r\n\r\nok';
  const cases: Record<string, string> = {
    'two framings': `${ok}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    'two framings, the other way round': `${ok}transfer-encoding: chunked\r\n${body}`,
    'two lengths': `${ok}content-length: 2\r\ncontent-length: 3\r\n\r\nok`,
    'a length below nothing': `${ok}content-length: -2\r\n\r\nok`,
    'a length with a sign': `${ok}content-length: +2\r\n\r\nok`,
    'a length that is a list': `${ok}content-length: 2, 2\r\n\r\nok`,
    'a length beyond all numbers': `${ok}content-length: 99999999999999999999999\r\n\r\nok`,
    'a chunk beyond all numbers': `${ok}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nok`,
    'a chunk below nothing': `${ok}transfer-encoding: chunked\r\n\r\n-1\r\nok`,
    'trailers without end': `${ok}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${'x-a: y\r\n'.repeat(10_000)}`,
    'a field without a colon': `${ok}hello\r\n${body}`,
    'a blank before the colon': `${ok}content-length : 2\r\n\r\nok`,
    'a folded field': `${ok}x-a: 1\r\n 2\r\n${body}`,
    'a NUL in a field': `${ok}x-a: 1\0 2\r\n${body}`,
    'line ends without CR': 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok',
    'line ends without LF': 'HTTP/1.1 200 OK\rcontent-length: 2\r\rok',
    'no head at all': 'ok and nothing else',
    'a version that is none': `HTTP/1.2 200 OK\r\n${body}`,
    'a status of two digits': `HTTP/1.1 20 OK\r\n${body}`,
    'a status of four digits': `HTTP/1.1 2000 OK\r\n${body}`,
    'a status below all': `HTTP/1.1 099 OK\r\n${body}`,
    'a status in letters': `HTTP/1.1 abc OK\r\n${body}`,
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`is malformed_response: ${name}`, async () => {
      await using destination = await nasty.says(bytes);
      await using fixture = new Fixture();
      assertFailed(await fixture.deliver(destination.url), 'malformed_response', /^The (?:answer|body|head)/);
      await destination.quiet();
    });
  }

  for (const more of ['more', answerText('200 OK', 'evil').toString()]) {
    it(`is nobody's answer when it comes after the end of one: ${more.slice(0, 8)}`, async () => {
      const first = answerText('200 OK', 'first').toString() + more;
      await using destination = await startDestination({
        onRequest: (socket, { connection }) =>
          socket.write(connection === 0 ? first : answerText('200 OK', 'own')),
      });
      await using fixture = new Fixture();
      assertAnswered(await fixture.deliver(destination.url), 200, 'first');
      const next = await fixture.deliver(destination.url);
      // Over another connection, or not at all.
      if (next.outcome.kind === 'answered') assertAnswered(next, 200, 'own');
      else assertFailed(next, 'connection_failed', /./);
    });
  }
});

describe('the environment', () => {
  it('names no proxy that deliveries would go through', async () => {
    await using proxy = await nasty.answers('200 OK', 'from the proxy');
    const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = proxy.url;
    try {
      await using destination = await nasty.answers();
      await using fixture = new Fixture();
      assertAnswered(await fixture.deliver(destination.url), 200, 'ok');
      assert.equal(proxy.connections, 0);
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });
});

describe('the deadline', () => {
  it('holds for the resolution of the name', async () => {
    await using fixture = new Fixture({ resolver: () => {} });
    const delivery = fixture.deliver('https://slow.test/');
    fixture.clock.advance(TIMEOUT_MS);
    assertFailed(await delivery, 'timeout', /within 30 s; the time ran out while connecting/);
    assert.equal((await delivery).address, null);
  });

  it('holds for the TLS handshake', async () => {
    await using destination = await nasty.neverAnswers();
    await using fixture = new Fixture();
    const delivery = fixture.deliver(destination.url.replace('http:', 'https:'));
    await destination.accepted(1);
    fixture.clock.advance(TIMEOUT_MS);
    assertFailed(await delivery, 'timeout', /while connecting/);
    await destination.quiet();
  });

  it('holds for the answer, to the millisecond', async () => {
    await using destination = await nasty.neverAnswers();
    await using fixture = new Fixture();
    const delivery = fixture.deliver(destination.url);
    await destination.arrived(1);
    fixture.clock.advance(TIMEOUT_MS - 1);
    assert.equal(fixture.clock.scheduled, 1, 'not yet');
    fixture.clock.advance(1);
    assertFailed(await delivery, 'timeout', /while waiting for the answer/);
    assert.equal((await delivery).address, '127.0.0.1');
    await destination.quiet();
  });

  it('holds for a body that drips', async () => {
    await using destination = await nasty.drips();
    await using fixture = new Fixture({ responseBytesMax: 1_000_000 });
    const delivery = fixture.deliver(destination.url);
    await destination.arrived(1);
    // A round trip that was begun later has ended, so the head is here.
    await using other = await nasty.answers();
    await fixture.deliver(other.url);
    fixture.clock.advance(TIMEOUT_MS);
    assertFailed(await delivery, 'timeout', /while reading the answer/);
    await destination.quiet();
  });

  it('is not waited for once the limit is passed', async () => {
    await using destination = await nasty.drips();
    await using fixture = new Fixture({ responseBytesMax: 3 });
    assertAnswered(await fixture.deliver(destination.url), 200, '...', true);
    await destination.quiet();
  });
});

describe('where the time went', () => {
  /** Each look at the clock is a millisecond later. */
  const ticking = () => {
    let now = 0;
    return () => now++;
  };
  const phasesOf = ({ timing }: Delivery): string => Object.keys(timing?.phases ?? {}).join();

  it('is told by phases, each with its share, and over a kept connection by those that it has', async () => {
    await using destination = await nasty.answersOverTls('localhost');
    await using fixture = new Fixture({ resolver: resolves(['127.0.0.1']), elapsedMs: ticking() });
    const url = named(destination.url);
    const first = await fixture.deliver(url);
    assert.deepEqual(first.timing, {
      totalMs: 6,
      phases: { dns: 1, connect: 1, tls: 1, wait: 1, body: 1 },
    });
    assert.equal(phasesOf(await fixture.deliver(url)), 'wait,body');
  });

  it('ends with the phase that failed', async () => {
    await using fixture = new Fixture({
      resolver: (_name, _options, callback) => setImmediate(callback, new Error('no such name'), []),
    });
    assert.equal(phasesOf(await fixture.deliver('https://nowhere.test/')), 'dns');
    assert.equal(phasesOf(await fixture.deliver(await nasty.closedPort())), 'connect');
    await using rude = await nasty.resetsOnData();
    assert.equal(phasesOf(await fixture.deliver(rude.url.replace('http:', 'https:'))), 'connect,tls');
    await using silent = await nasty.neverAnswers();
    const delivery = fixture.deliver(silent.url);
    await silent.arrived(1);
    fixture.clock.advance(TIMEOUT_MS);
    assert.equal(phasesOf(await delivery), 'connect,wait');
  });

  it('is told of no attempt that came to nothing', async () => {
    await using fixture = new Fixture({ allowHttp: false });
    assert.equal((await fixture.deliver('http://127.0.0.1/')).timing, undefined);
  });
});

describe('a stop of ours', () => {
  it('before anything: not sent', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    const { outcome } = await fixture.deliver(destination.url, '{}', AbortSignal.abort());
    assert.deepEqual(outcome, { kind: 'stopped', sent: false });
    assert.equal(destination.connections, 0);
  });

  it('while the name is resolved: not sent', async () => {
    const stop = new AbortController();
    await using fixture = new Fixture({ resolver: () => {} });
    const delivery = fixture.deliver('https://slow.test/', '{}', stop.signal);
    stop.abort();
    assert.deepEqual((await delivery).outcome, { kind: 'stopped', sent: false });
  });

  it('during the TLS handshake: not sent', async () => {
    const stop = new AbortController();
    await using destination = await nasty.neverAnswers();
    await using fixture = new Fixture();
    const delivery = fixture.deliver(destination.url.replace('http:', 'https:'), '{}', stop.signal);
    await destination.accepted(1);
    stop.abort();
    assert.deepEqual((await delivery).outcome, { kind: 'stopped', sent: false });
    await destination.quiet();
  });

  it('while the answer is awaited: sent', async () => {
    const stop = new AbortController();
    await using destination = await nasty.neverAnswers();
    await using fixture = new Fixture({ elapsedMs: () => 0 });
    const delivery = fixture.deliver(destination.url, '{}', stop.signal);
    await destination.arrived(1);
    stop.abort();
    assert.deepEqual(await delivery, {
      outcome: { kind: 'stopped', sent: true },
      address: '127.0.0.1',
      tlsFingerprint: null,
      bytes: 2,
      timing: { totalMs: 0, phases: { connect: 0, wait: 0 } },
    });
    await destination.quiet();
  });

  it('after the end changes nothing, and one signal serves many attempts', async () => {
    const stop = new AbortController();
    const warnings: Error[] = [];
    const onWarning = (warning: Error): number => warnings.push(warning);
    process.on('warning', onWarning);
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    const deliveries = await Promise.all(
      Array.from({ length: 40 }, () => fixture.deliver(destination.url, '{}', stop.signal)),
    );
    stop.abort();
    for (const delivery of deliveries) assertAnswered(delivery, 200, 'ok');
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    assert.deepEqual(warnings, []);
  });
});

describe('the egress guard', () => {
  it('refuses a name that resolves to a refused address before a byte is sent', async () => {
    await using destination = await nasty.answers();
    for (const ips of [
      ['127.0.0.1'],
      ['::ffff:127.0.0.1'],
      ['8.8.8.8', '127.0.0.1'],
      ['127.0.0.1', '8.8.8.8'],
    ]) {
      await using fixture = new Fixture({ resolver: resolves(ips), allowNetworks: [] });
      const delivery = await fixture.deliver(named(destination.url));
      assertFailed(delivery, 'address_refused', /"destination\.test" resolves to .*127\.0\.0\.0\/8/);
      assert.equal(delivery.address, null);
    }
    assert.equal(destination.connections, 0);
  });

  it('asks about localhost like about any name', async () => {
    await using destination = await nasty.answers();
    using names = new NameResolver({ sources: systemNames(), clock: new ManualClock() });
    await using fixture = new Fixture({ resolver: names.lookup, allowNetworks: [] });
    assertFailed(await fixture.deliver(named(destination.url, 'localhost')), 'address_refused', /loopback/);
    assert.equal(destination.connections, 0);
  });

  it('a name whose servers are silent holds up no other destination', async () => {
    const silent = Array.from({ length: 8 }, (_, index) => `silent-${index}.test`);
    await using server = await NameServer.start({
      ...Object.fromEntries(silent.map((name) => [name, 'silent'] as const)),
      'destination.test': ['127.0.0.1'],
    });
    const clock = new ManualClock();
    using names = new NameResolver({ sources: server.sources, clock });
    await using destination = await nasty.answers();
    await using fixture = new Fixture({ resolver: names.lookup });
    const held = silent.map((name) => fixture.deliver(named(destination.url, name)));
    await Promise.all(silent.map((name) => server.asked(name)));

    assertAnswered(await fixture.deliver(named(destination.url)), 200, 'ok');

    clock.advance(LOOKUP_MS_MAX);
    for (const delivery of await Promise.all(held)) {
      assertFailed(
        delivery,
        'dns_failed',
        /^The name "silent-\d\.test" could not be resolved \(ETIMEOUT\)\.$/,
      );
    }
  });

  it('refuses a literal address, which no lookup ever sees', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture({ allowNetworks: [] });
    for (const host of ['127.0.0.1', '127.1', '2130706433', '[::ffff:127.0.0.1]']) {
      assertFailed(await fixture.deliver(named(destination.url, host)), 'address_refused', /loopback/);
    }
    assert.equal(destination.connections, 0);
  });

  it('refuses at sending what settings no longer allow', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture({ allowHttp: false });
    assertFailed(await fixture.deliver(destination.url), 'address_refused', /https:/);
    assert.equal(destination.connections, 0);
  });

  it('connects to the address that it checked, though the name answers differently a moment later', async () => {
    await using good = await nasty.answers('200 OK', 'good', { connection: 'close' }, { host: '127.0.0.2' });
    const resolver = resolves(['127.0.0.2'], ['127.0.0.1']);
    const only = parseNetwork('127.0.0.2/32');
    await using fixture = new Fixture({ resolver, allowNetworks: [only] });
    const url = `http://destination.test:${good.port}/in`;
    const delivery = await fixture.deliver(url);
    assertAnswered(delivery, 200, 'good');
    assert.equal(delivery.address, '127.0.0.2');
    assert.equal(resolver.calls, 1, 'asked once a connection');
    await good.close();
    assertFailed(await fixture.deliver(url), 'address_refused', /127\.0\.0\.1/);
    assert.equal(resolver.calls, 2);
  });

  it('keeps to the address that it checked for as long as a connection lasts, and checks anew for the next', async () => {
    await using good = await startDestination({
      host: '127.0.0.2',
      onRequest: (socket, { path }) =>
        socket.write(answerText('200 OK', 'good', { connection: path.slice(1) })),
    });
    await using bad = await startDestination({ port: good.port });
    const resolver = resolves(['127.0.0.2'], ['127.0.0.1']);
    await using fixture = new Fixture({ resolver, allowNetworks: [parseNetwork('127.0.0.2/32')] });
    const deliver = (path: string) => fixture.deliver(`http://destination.test:${good.port}/${path}`);
    assertAnswered(await deliver('keep-alive'), 200, 'good');
    // The name has come to mean an address that is refused. Nobody asks: the connection is the one that was checked.
    const kept = await deliver('close');
    assertAnswered(kept, 200, 'good');
    assert.deepEqual([kept.address, good.connections, resolver.calls], ['127.0.0.2', 1, 1]);
    assertFailed(await deliver('keep-alive'), 'address_refused', /resolves to .*127\.0\.0\.1/);
    assert.deepEqual([good.connections, bad.connections, resolver.calls], [1, 0, 2]);
  });

  it('tries all addresses of a name, all of them checked', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture({ resolver: resolves(['127.0.0.9', '127.0.0.1']) });
    const delivery = await fixture.deliver(named(destination.url));
    assertAnswered(delivery, 200, 'ok');
    assert.equal(delivery.address, '127.0.0.1');
  });
});

describe('TLS', () => {
  it('trusts the extra CA, for a name and for an address', async () => {
    await using destination = await nasty.answersOverTls('localhost');
    await using fixture = new Fixture({ resolver: resolves(['127.0.0.1']) });
    assertAnswered(await fixture.deliver(destination.url), 200, 'ok');
    assertAnswered(await fixture.deliver(named(destination.url)), 200, 'ok');
    assertAnswered(await fixture.deliver(named(destination.url, 'destination.test.')), 200, 'ok');
  });

  const untrusted: [Parameters<typeof nasty.answersOverTls>[0], string | null, RegExp][] = [
    ['localhost', null, /nobody who is trusted vouches for its certificate/],
    ['self-signed', TEST_CA, /its certificate is self-signed/],
    ['expired', TEST_CA, /certificate has expired/],
    ['other-host', TEST_CA, /destination\.test.*not.*other\.test/],
  ];
  for (const [name, destinationCa, detail] of untrusted) {
    it(`sends nothing to ${name}${destinationCa === null ? ' without the CA' : ''}`, async () => {
      await using destination = await nasty.answersOverTls(name);
      await using fixture = new Fixture({ resolver: resolves(['127.0.0.1']), destinationCa });
      const delivery = await fixture.deliver(named(destination.url));
      assertFailed(delivery, 'tls_failed', detail);
      assert.equal(delivery.address, '127.0.0.1');
      await destination.quiet();
      assert.equal(destination.received.length, 0);
    });
  }

  it('verifies even when the environment says not to', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      await using destination = await nasty.answersOverTls('self-signed');
      await using fixture = new Fixture();
      assertFailed(await fixture.deliver(destination.url), 'tls_failed', /self-signed/);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('is not spoken by everybody', async () => {
    await using plain = await nasty.speaksFirst();
    await using resets = await nasty.resetsOnData();
    await using fixture = new Fixture();
    for (const { url } of [plain, resets]) {
      assertFailed(await fixture.deliver(url.replace('http:', 'https:')), 'tls_failed', /TLS/);
    }
  });

  it('is spoken in 1.2 and in 1.3', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      await using destination = await nasty.answers(
        '200 OK',
        version,
        {},
        {
          tls: { ...certificate('localhost'), minVersion: version, maxVersion: version },
        },
      );
      await using fixture = new Fixture();
      assertAnswered(await fixture.deliver(destination.url), 200, version);
    }
  });

  it('refuses what is older than 1.2', async () => {
    await using destination = await startDestination({
      tls: {
        ...certificate('localhost'),
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'ALL@SECLEVEL=0',
      },
    });
    await using fixture = new Fixture();
    assertFailed(await fixture.deliver(destination.url), 'tls_failed', /VERSION/);
  });

  it('refuses it also in a process that would take it, as --tls-min-v1.0 and --tls-cipher-list make one', async () => {
    const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
    using _ = {
      [Symbol.dispose]: () => Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS }),
    };
    Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: old.ciphers });
    await using destination = await nasty.answers(
      '200 OK',
      'read',
      {},
      { tls: { ...certificate('localhost'), ...old } },
    );
    // The process does take it: what refuses below is ours.
    const plain = tls.connect({ port: destination.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(plain, 'secureConnect');
    assert.equal(plain.getProtocol(), 'TLSv1.1');
    plain.destroy();
    await using fixture = new Fixture();
    assertFailed(await fixture.deliver(destination.url), 'tls_failed', /VERSION/);
  });

  it('fails at once with a CA that is none', () => {
    for (const destinationCa of ['', 'nonsense']) {
      assert.throws(() => new Fixture({ destinationCa }), /no PEM certificate/);
    }
  });
});

describe('what stays on record of an attempt', () => {
  const fingerprintOf = (name: CertificateName): string =>
    new X509Certificate(certificate(name).cert).fingerprint256.replaceAll(':', '').toLowerCase();
  const fingerprint = fingerprintOf('localhost');

  it("is the fingerprint of the destination's certificate, over a kept connection too, and none without TLS", async () => {
    await using destination = await nasty.answersOverTls('localhost');
    await using plain = await nasty.answers();
    await using fixture = new Fixture();
    for (const url of [destination.url, destination.url])
      assert.equal((await fixture.deliver(url)).tlsFingerprint, fingerprint);
    assert.equal(destination.connections, 1);
    assert.match(fingerprint, /^[0-9a-f]{64}$/);
    assert.equal((await fixture.deliver(plain.url)).tlsFingerprint, null);
  });

  it('is that of the certificate shown on the very connection, when the destination gets another one', async () => {
    const contexts = (['localhost', 'self-signed'] as const).map((name) =>
      tls.createSecureContext(certificate(name)),
    );
    let shown = 0;
    const held: Socket[] = [];
    await using destination = await startDestination({
      tls: { SNICallback: (_name, done) => done(null, contexts[shown]) },
      onRequest: (socket) => held.push(socket),
    });
    const destinationCa = TEST_CA + certificate('self-signed').cert;
    await using fixture = new Fixture({ resolver: resolves(['127.0.0.1']), destinationCa });
    const url = named(destination.url);
    const answer = (): boolean | undefined => held.pop()?.write(answerText('200 OK', 'ok'));

    const first = fixture.deliver(url);
    await destination.arrived(1);
    shown = 1;
    const second = fixture.deliver(url);
    await destination.arrived(2);
    answer();
    assert.equal((await second).tlsFingerprint, fingerprintOf('self-signed'));
    answer();
    assert.equal((await first).tlsFingerprint, fingerprint, 'of before');

    const again = [fixture.deliver(url), fixture.deliver(url)];
    await destination.arrived(4);
    while (answer()) {}
    const known = (await Promise.all(again)).map(({ tlsFingerprint }) => tlsFingerprint);
    assert.deepEqual(known.toSorted(), [fingerprint, fingerprintOf('self-signed')].toSorted());
    assert.equal(destination.connections, 2, 'both over the connections of before');
  });

  for (const name of ['self-signed', 'expired', 'other-host'] as const) {
    it(`is the fingerprint of a certificate that was refused too: ${name}`, async () => {
      await using destination = await nasty.answersOverTls(name);
      await using fixture = new Fixture({ resolver: resolves(['127.0.0.1']) });
      const { outcome, bytes, tlsFingerprint } = await fixture.deliver(named(destination.url));
      assert.equal(outcome.kind, 'failed');
      assert.deepEqual([bytes, tlsFingerprint], [0, fingerprintOf(name)]);
    });
  }

  it('is no fingerprint where TLS failed before a certificate was shown', async () => {
    await using plain = await nasty.speaksFirst();
    await using fixture = new Fixture();
    const delivery = await fixture.deliver(plain.url.replace('http:', 'https:'));
    assertFailed(delivery, 'tls_failed', /TLS/);
    assert.equal(delivery.tlsFingerprint, null);
  });

  it('is that all of the data may have left once the request was opened, whatever came back', async () => {
    await using answering = await nasty.answers();
    await using silent = await nasty.neverAnswers();
    await using fixture = new Fixture();
    assert.equal((await fixture.deliver(answering.url, '"four"')).bytes, 6);
    const delivery = fixture.deliver(silent.url, '"four"');
    await silent.arrived(1);
    fixture.clock.advance(TIMEOUT_MS);
    assert.equal((await delivery).bytes, 6);
    await silent.quiet();
  });

  it('is that nothing left before: refused, not connected, not trusted, held back on a kept connection', async () => {
    await using answering = await nasty.answers();
    await using untrusted = await nasty.answersOverTls('self-signed');
    await using fixture = new Fixture();
    assert.equal((await fixture.deliver('https://192.168.0.1/')).bytes, 0);
    assert.equal((await fixture.deliver('http://127.0.0.1:1/')).bytes, 0);
    assert.equal((await fixture.deliver(untrusted.url)).bytes, 0);
    assert.equal((await fixture.deliver(answering.url)).bytes, 2);
    fixture.mayLeave = false;
    assert.equal((await fixture.deliver(answering.url)).bytes, 0);
    assert.equal(answering.received.length, 1);
  });
});

describe('kept connections', () => {
  it('serve the next attempt', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    for (let n = 0; n < 5; n += 1) assertAnswered(await fixture.deliver(destination.url), 200, 'ok');
    assert.equal(destination.connections, 1);
  });

  it('over TLS too', async () => {
    await using destination = await nasty.answersOverTls('localhost');
    await using fixture = new Fixture();
    for (let n = 0; n < 3; n += 1) {
      const delivery = await fixture.deliver(destination.url);
      assertAnswered(delivery, 200, 'ok');
      assert.equal(delivery.address, '127.0.0.1');
    }
    assert.equal(destination.connections, 1);
  });

  it('are not kept after an answer that was cut off, or that says close', async () => {
    await using long = await nasty.pours(50_000_000);
    await using closing = await nasty.answers('200 OK', 'ok', { connection: 'close' });
    await using fixture = new Fixture();
    for (const destination of [long, closing]) {
      await fixture.deliver(destination.url);
      await fixture.deliver(destination.url);
      assert.equal(destination.connections, 2);
      await destination.quiet();
    }
  });

  it('are replaced when the other side has closed them meanwhile', async () => {
    await using destination = await startDestination({
      onRequest: (socket) => socket.end(answerText('200 OK', 'ok')),
    });
    await using fixture = new Fixture();
    for (let n = 1; n <= 3; n += 1) {
      assertAnswered(await fixture.deliver(destination.url), 200, 'ok');
      await destination.quiet();
      assert.equal(destination.received.length, n);
    }
  });

  for (const isTls of [false, true]) {
    it(`that close under a request fail the attempt: nothing is sent twice in one${isTls ? ', over TLS' : ''}`, async () => {
      await using destination = await nasty.closesWhenReused(isTls ? 'localhost' : undefined);
      await using fixture = new Fixture();
      assertAnswered(await fixture.deliver(destination.url, '1'), 200, 'ok');
      assertFailed(await fixture.deliver(destination.url, '2'), 'connection_failed', /./);
      assertAnswered(await fixture.deliver(destination.url, '2'), 200, 'ok');
      assert.deepEqual(
        destination.received.map(({ body, connection }) => [String(body), connection]),
        [
          ['1', 0],
          ['2', 0],
          ['2', 1],
        ],
      );
    });
  }

  it('that close under a request are a failure when part of an answer came', async () => {
    const used = new Set<unknown>();
    await using destination = await startDestination({
      onRequest(socket) {
        if (used.has(socket)) socket.end('HTTP/1.1 2');
        else socket.write(answerText('200 OK', 'ok'));
        used.add(socket);
      },
    });
    await using fixture = new Fixture();
    await fixture.deliver(destination.url);
    assertFailed(await fixture.deliver(destination.url), 'malformed_response', /middle/);
    assert.equal(destination.received.length, 2);
  });

  it('are as many as the limits say', async () => {
    await using one = await nasty.answers();
    await using two = await nasty.answers();
    await using fixture = new Fixture({ idlePerOriginMax: 2, idleMax: 3 });
    const many = (url: string) => Promise.all([1, 2, 3, 4].map(() => fixture.deliver(url)));
    await many(one.url);
    await many(two.url);
    assert.equal(one.connections, 4);
    // Closed on our side at once, noticed by the other a moment later: ask until it is so.
    while (one.openConnections + two.openConnections > 3) await new Promise(setImmediate);
    assert.deepEqual([one.openConnections, two.openConnections], [1, 2]);
  });

  it('carry nothing that may not leave any more: neither new ones nor kept ones', async () => {
    await using destination = await nasty.answers();
    await using fixture = new Fixture();
    const heldBack = { outcome: { kind: 'stopped', sent: false } };
    fixture.mayLeave = false;
    assert.deepEqual((await fixture.deliver(destination.url)).outcome, heldBack.outcome);
    fixture.mayLeave = true;
    assert.equal((await fixture.deliver(destination.url)).outcome.kind, 'answered');
    fixture.mayLeave = false;
    assert.deepEqual((await fixture.deliver(destination.url)).outcome, heldBack.outcome);
    fixture.mayLeave = true;
    assert.equal((await fixture.deliver(destination.url)).outcome.kind, 'answered');
    await destination.quiet();
    assert.equal(destination.received.length, 2);
  });

  it('are closed when the deliverer is disposed, twice even, with what is in flight', async () => {
    await using destination = await nasty.answers();
    await using silent = await nasty.neverAnswers();
    const { clock, deliverer } = new Fixture({ resolver: () => {} });
    const signal = new AbortController().signal;
    await deliverer.deliver(job(destination.url, '{}'), signal, () => true);
    const inFlight = deliverer.deliver(job(silent.url, '{}'), signal, () => true);
    await silent.arrived(1);
    await deliverer[Symbol.asyncDispose]();
    await deliverer[Symbol.asyncDispose]();
    assertFailed(await inFlight, 'connection_failed', /./);
    await destination.quiet();
    await silent.quiet();
    assert.equal(clock.scheduled, 0);
  });
});
