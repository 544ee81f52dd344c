/** Destinations that misbehave, with exports queued behind each other, and others that must not feel it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ExportClient, FinishedExport } from '../../client/index.ts';
import { pidOfService, processFigures } from '../soak/figures.ts';
import { certificate } from '../support/destinations/certificates.ts';
import {
  answerText,
  type DestinationOptions,
  startDestination,
  type TestDestination,
} from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ServiceProcess } from '../support/service.ts';

const CA_FILE = fileURLToPath(new URL('../support/destinations/tls/ca.pem', import.meta.url));
const QUEUED = 3;
const ATTEMPTS = 2;
const FAST = [
  ...['--retry-base', '1ms', '--attempts-max', String(ATTEMPTS), '--attempt-timeout', '300ms'],
  ...['--destination-ca', CA_FILE],
];
const MIB = 1_024 ** 2;

interface Submitted {
  readonly client: ExportClient;
  readonly ids: readonly string[];
}

/** Queues `count` exports to one destination, numbered in their data. */
async function queue(service: ServiceProcess, destination: string, count = QUEUED): Promise<Submitted> {
  const client = clientFor(service.url, destination);
  const exports = Array.from({ length: count }, (_, n) => ({ destination, data: n }));
  const ids = (await client.submitMany(exports)).map(({ id }) => id);
  return { client, ids };
}

function ended({ client, ids }: Submitted): Promise<FinishedExport[]> {
  return Promise.all(ids.map((id) => client.wait(id, { timeoutMs: 60_000 })));
}

/** Ids in the order of their first arrival. */
function firstArrivals(destination: TestDestination): string[] {
  return [...new Set(destination.received.map(({ headers }) => headers['webhook-id'] ?? ''))];
}

/** Speaks plainly where TLS is expected. */
async function overTls(opening: Promise<TestDestination>): Promise<TestDestination> {
  const destination = await opening;
  return Object.defineProperty(destination, 'url', { value: destination.url.replace('http:', 'https:') });
}

/** One byte a second, from the first byte of the answer on. */
function dripsHead(): Promise<TestDestination> {
  return dripping('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
}

/** A whole head, and then one byte of the body a second. */
function dripsBody(): Promise<TestDestination> {
  return dripping('.'.repeat(1_000), 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n');
}

function dripping(text: string, atOnce = ''): Promise<TestDestination> {
  return startDestination({
    onRequest(socket) {
      let sent = 0;
      socket.write(atOnce + text.charAt(sent++));
      const timer = setInterval(() => socket.write(text.charAt(sent++)), 1_000);
      socket.on('close', () => clearInterval(timer));
    },
  });
}

function tlsOf(tls: DestinationOptions['tls']): Promise<TestDestination> {
  return startDestination({
    tls: { ...certificate('localhost'), ...tls },
    onRequest: (socket) => socket.write(answerText('200 OK', 'ok')),
  });
}

describe('behind an export to a destination that misbehaves', () => {
  const cases: [
    what: string,
    open: () => Promise<TestDestination>,
    status: number,
    code: string | undefined,
  ][] = [
    ['resets as soon as it is asked', nasty.resetsOnData, 502, 'connection_failed'],
    ['resets in the middle of its answer', nasty.resetsMidBody, 502, 'connection_failed'],
    ['hangs up in the middle of its head', nasty.closesMidHead, 502, 'malformed_response'],
    ['truncates its answer', nasty.truncatesBody, 502, 'malformed_response'],
    ['truncates its chunks', nasty.truncatesChunks, 502, 'malformed_response'],
    ['takes the request and says nothing', nasty.neverAnswers, 504, 'timeout'],
    ['drips its head, one byte a second', dripsHead, 504, 'timeout'],
    ['drips its body, one byte a second', dripsBody, 504, 'timeout'],
    ['sends 10 MB of headers', () => nasty.sendsHeadOf(10_000_000), 502, 'malformed_response'],
    ['speaks before it is asked', nasty.speaksFirst, 502, 'malformed_response'],
    ['has a certificate of somebody else', () => nasty.answersOverTls('other-host'), 502, 'tls_failed'],
    ['answers a TLS hello with garbage', () => overTls(nasty.speaksFirst()), 502, 'tls_failed'],
    ['resets in the TLS handshake', () => overTls(nasty.resetsOnData()), 502, 'tls_failed'],
    ['stalls in the TLS handshake', () => overTls(nasty.neverAnswers()), 504, 'timeout'],
    [
      'knows only an old TLS',
      () => tlsOf({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
      502,
      'tls_failed',
    ],
    [
      'demands a certificate of ours',
      () => tlsOf({ requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' }),
      502,
      'tls_failed',
    ],
  ];

  // One for all of them: it has to live through every one.
  let service: ServiceProcess;
  before(async () => {
    service = await ServiceProcess.start(FAST);
  });
  after(() => service[Symbol.asyncDispose]());

  for (const [what, open, status, code] of cases) {
    it(`that ${what}, all have their turn and end, and another lane goes on`, async () => {
      await using bad = await open();
      await using good = await nasty.answers();
      const stuck = await queue(service, bad.url);
      const others = await queue(service, good.url);
      for (const { answer } of await ended(others)) assert.equal(answer.status, 200);
      assert.deepEqual(firstArrivals(good), others.ids);
      for (const { answer } of await ended(stuck)) {
        assert.equal(answer.status, status);
        assert.equal(answer.error?.code, code, answer.error?.detail ?? '');
      }
      // What got as far as a whole request came in order, and never more often than attempts were allowed.
      assert.deepEqual(firstArrivals(bad), stuck.ids.slice(0, firstArrivals(bad).length));
      assert.ok(bad.received.length <= QUEUED * ATTEMPTS);
      assert.equal((await ended(await queue(service, good.url, 1)))[0]?.answer.status, 200);
    });
  }
});

it('behind an export that hangs, other lanes do not wait for the attempt to be over', async () => {
  await using service = await ServiceProcess.start(['--attempt-timeout', '10m', '--drain-max', '0s']);
  await using bad = await nasty.neverAnswers();
  await using good = await nasty.answers();
  await queue(service, bad.url);
  await bad.arrived(1);
  for (const { answer } of await ended(await queue(service, good.url))) assert.equal(answer.status, 200);
  assert.equal(bad.received.length, 1);
  assert.equal(bad.openConnections, 1);
});

it('twenty lanes of headers without end do not fill the memory', async () => {
  const lanes = 20;
  await using service = await ServiceProcess.start([...FAST, '--concurrency', String(lanes)]);
  await using bad = await nasty.sendsHeadOf(10_000_000);
  const pid = pidOfService(service.dataDir);
  await ended(await queue(service, `${bad.url}/warm`, 1));
  const before = processFigures(pid).peakRssBytes;
  const queued = await Promise.all(
    Array.from({ length: lanes }, (_, lane) => queue(service, `${bad.url}/${lane}`)),
  );
  const results = (await Promise.all(queued.map(ended))).flat();
  assert.ok(results.every(({ answer }) => answer.error?.code === 'malformed_response'));
  const grown = processFigures(pid).peakRssBytes - before;
  console.log(
    `peak memory grew by ${(grown / MIB).toFixed(1)} MiB under ${bad.received.length} answers of 10 MB`,
  );
  assert.ok(grown < lanes * 10_000_000, 'as much was kept as was sent');
});

// -- flapping ---------------------------------------------------------------------------------------------------------

type Phase = 'up' | 'closed' | 'resets' | 'busy' | 'hangs';

/** Goes from phase to phase: each lasts for so many requests, or connections that are refused. */
class FlappingDestination implements AsyncDisposable {
  readonly #server: Server;
  readonly #phases: Phase[];
  readonly #perPhase: number;
  readonly #isDone = Promise.withResolvers<void>();
  #inPhase = 0;
  #port = 0;
  /** Ids that were answered 200, in order, and every arrival. */
  readonly taken: string[] = [];
  readonly arrivals: string[] = [];

  constructor(phases: readonly Phase[], perPhase: number) {
    this.#phases = [...phases];
    this.#perPhase = perPhase;
    this.#server = createServer((request, response) => {
      request.resume().on('end', () => this.#answer(request, response));
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.#port}/in`;
  }

  /** Resolves when the last phase has begun. */
  get settled(): Promise<void> {
    return this.#isDone.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get #phase(): Phase {
    return this.#phases[0] ?? 'up';
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const id = String(request.headers['webhook-id']);
    this.arrivals.push(id);
    switch (this.#phase) {
      case 'up':
        this.taken.push(id);
        response.end('ok');
        break;
      case 'busy':
        response.writeHead(503).end('busy');
        break;
      case 'resets':
        request.socket.resetAndDestroy();
        break;
      case 'hangs':
        break;
      case 'closed':
        return; // It was on its way when the port closed; the connection is about to be cut.
    }
    this.#count();
  }

  #count(): void {
    this.#inPhase += 1;
    if (this.#inPhase < this.#perPhase || this.#phases.length <= 1) return;
    this.#inPhase = 0;
    this.#phases.shift();
    if (this.#phases.length === 1) this.#isDone.resolve();
    if (this.#phase === 'closed') void this.#closeForAWhile();
  }

  /** Nobody tells how many were refused while the port was closed: the next phase begins when it is open again. */
  async #closeForAWhile(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    // The answer under way goes out first.
    setImmediate(() => this.#server.closeAllConnections());
    await closed;
    this.#phases.shift();
    await this.listen();
  }
}

describe('a destination that flaps', () => {
  it('gets everything, first attempts in order, and other lanes feel nothing', async () => {
    const count = 60;
    await using service = await ServiceProcess.start([
      ...['--retry-base', '1ms', '--attempts-max', '1000', '--attempt-timeout', '200ms'],
    ]);
    const phases: Phase[] = [
      'up',
      'busy',
      'up',
      'resets',
      'up',
      'hangs',
      'up',
      'closed',
      'up',
      'busy',
      'hangs',
      'up',
    ];
    await using flapping = new FlappingDestination(phases, 4);
    await using good = await nasty.answers();
    const lane = await queue(service, await flapping.listen(), count);
    const others = await queue(service, good.url, count);
    await flapping.settled;
    for (const { answer } of await ended(lane)) assert.equal(answer.status, 200);
    for (const { answer } of await ended(others)) assert.equal(answer.status, 200);
    assert.deepEqual([...new Set(flapping.arrivals)], lane.ids);
    // Perhaps in another order: the oldest that is due asks, and what has failed twice is due later than the next one.
    assert.deepEqual([...new Set(flapping.taken)].sort(), lane.ids.toSorted());
    assert.deepEqual(firstArrivals(good), others.ids);
    assert.equal(good.received.length, count);
  });

  it('loses nothing of several lanes when the service restarts in between', async () => {
    const lanes = 5;
    await using service = await ServiceProcess.start([
      ...['--retry-base', '1ms', '--attempts-max', '1000', '--attempt-timeout', '200ms', '--drain-max', '0s'],
    ]);
    await using flapping = new FlappingDestination(['up', 'resets', 'busy', 'hangs', 'up'], 10);
    const url = await flapping.listen();
    const queued = await Promise.all(
      Array.from({ length: lanes }, (_, lane) => queue(service, `${url}/${lane}`, 20)),
    );
    assert.equal(await service.end('SIGTERM'), 0);
    await service.start();
    for (const lane of queued) {
      for (const { answer } of await ended(lane)) assert.equal(answer.status, 200);
      const arrivals = flapping.arrivals.filter((id) => lane.ids.includes(id));
      assert.deepEqual([...new Set(arrivals)], lane.ids);
    }
  });
});
