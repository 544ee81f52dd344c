import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { describe, it, test } from 'node:test';
import { createApp } from '../src/app.ts';
import { type Env, parseConfig } from '../src/config.ts';
import { createLog } from '../src/telemetry/log.ts';
import { capturedIo, runMain } from '../test/support/captured-io.ts';
import { type CertificateName, certificate, TEST_CA } from '../test/support/destinations/certificates.ts';
import * as nasty from '../test/support/destinations/nasty.ts';
import { ROOT_KEY, TEST_FLAGS, tokenFor } from '../test/support/service.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import type { DoctorParts, Finding } from './doctor/finding.ts';
import { run } from './doctor.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const GIB = 1_024 ** 3;

interface Consultation {
  readonly code: number;
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

async function consult(
  args: readonly string[],
  parts: Partial<DoctorParts> = {},
  env: Env = {},
): Promise<Consultation> {
  const io = capturedIo();
  const code = await run([...args, '--json'], env, io, { freeBytes: async () => 100 * GIB, ...parts });
  return { code, ...JSON.parse(io.captured.stdout) };
}

/** The first that is bad, or the first. */
function of({ findings }: Consultation, check: Finding['check']): Finding {
  const about = findings.filter((finding) => finding.check === check);
  const found = about.find(({ verdict }) => verdict === 'bad') ?? about[0];
  assert.ok(found, `nothing about ${check}`);
  return found;
}

/** What answers in the place of a service. */
class Stand implements AsyncDisposable {
  readonly #server: Server;
  readonly #scheme: string;

  private constructor(server: Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
  }

  static async start(
    answer: (path: string) => { status?: number; body?: string; date?: Date },
    tls?: CertificateName,
  ): Promise<Stand> {
    const listener: Parameters<typeof createPlainServer>[1] = (request, response) => {
      const { status = 200, body = 'ok', date = new Date(NOW) } = answer(request.url ?? '');
      response.writeHead(status, { date: date.toUTCString() }).end(body);
    };
    const server =
      tls === undefined ? createPlainServer(listener) : createTlsServer(certificate(tls), listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Stand(server, tls === undefined ? 'http' : 'https');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://localhost:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const ok = (path: string): { body: string } => ({ body: path === '/readyz' ? 'ready' : 'ok' });

describe('disk', () => {
  it('is well with room, not with little, and bad when it is nearly full', async () => {
    using folder = new TemporaryDirectory();
    await using stand = await Stand.start(ok);
    const args = ['--data-dir', folder.path, '--url', stand.url];
    const withFree = async (bytes: number) =>
      of(await consult(args, { freeBytes: async () => bytes }), 'disk');
    assert.equal((await withFree(GIB)).verdict, 'good');
    const low = await withFree(GIB - 1);
    assert.equal(low.verdict, 'warning');
    assert.match(low.remedy ?? '', /--store-bytes-max \(now 10 GiB\)/);
    assert.equal((await withFree(64 * 1_024 ** 2 - 1)).verdict, 'bad');
  });

  it('says when there is no data directory yet, or something else in its place', async () => {
    using folder = new TemporaryDirectory();
    await using stand = await Stand.start(ok);
    const missing = of(await consult(['--data-dir', `${folder.path}/a/b`, '--url', stand.url]), 'disk');
    assert.deepEqual([missing.verdict, /first start/.test(missing.remedy ?? '')], ['warning', true]);
    writeFileSync(`${folder.path}/file`, '');
    const file = of(await consult(['--data-dir', `${folder.path}/file`, '--url', stand.url]), 'disk');
    assert.deepEqual([file.verdict, /is no folder/.test(file.text)], ['bad', true]);
  });

  it('says when this user may not write there', {
    skip: process.getuid?.() === 0 && 'root may write anywhere',
  }, async () => {
    using folder = new TemporaryDirectory();
    await using stand = await Stand.start(ok);
    mkdirSync(`${folder.path}/data`);
    chmodSync(`${folder.path}/data`, 0o500);
    const finding = of(await consult(['--data-dir', `${folder.path}/data`, '--url', stand.url]), 'disk');
    assert.deepEqual([finding.verdict, /chown/.test(finding.remedy ?? '')], ['bad', true]);
  });
});

describe('store', () => {
  it('is bad when it is no store, and a warning when there is none', async () => {
    using folder = new TemporaryDirectory();
    await using stand = await Stand.start(ok);
    const args = ['--data-dir', folder.path, '--url', stand.url];
    assert.equal(of(await consult(args), 'store').verdict, 'warning');
    writeFileSync(`${folder.path}/exports.db`, 'something else that is long enough to be looked at');
    const consultation = await consult(args);
    assert.equal(of(consultation, 'store').verdict, 'bad');
    assert.deepEqual([consultation.code, consultation.healthy], [1, false]);
  });
});

describe('service', () => {
  it('says that nothing listens, and how to start it', async () => {
    const stand = await Stand.start(ok);
    const { url } = stand;
    await stand[Symbol.asyncDispose]();
    const finding = of(await consult(['--url', url]), 'service');
    assert.equal(finding.verdict, 'bad');
    assert.match(finding.text, /does not answer: nothing listens there/);
    assert.match(finding.remedy ?? '', /export-service serve/);
  });

  it('says that something else answers', async () => {
    await using stand = await Stand.start(() => ({ status: 404 }));
    assert.match(of(await consult(['--url', stand.url]), 'service').text, /is no export service \(404/);
    for (const body of ['ok', 'welcome']) {
      await using other = await Stand.start(() => ({ body }));
      const finding = of(await consult(['--url', other.url]), 'service');
      assert.match(finding.text, /is no export service \(200 on \/(?:healthz|readyz)\)/);
    }
  });

  it('passes on why the service is not ready', async () => {
    const body = JSON.stringify({ code: 'no_root_key', detail: 'The arbiter has given no key yet.' });
    await using stand = await Stand.start((path) => (path === '/readyz' ? { status: 503, body } : {}));
    const finding = of(await consult(['--url', stand.url]), 'service');
    assert.equal(finding.verdict, 'bad');
    assert.match(finding.text, /The arbiter has given no key yet\. \(no_root_key\)/);
    assert.match(finding.remedy ?? '', /arbiter/);
  });
});

describe('clock', () => {
  it('is bad when it is a minute from that of the service, or was never set', async () => {
    await using stand = await Stand.start(ok);
    const at = async (now: number) => of(await consult(['--url', stand.url], { now: () => now }), 'clock');
    assert.equal((await at(NOW + 60_000)).verdict, 'good');
    const late = await at(NOW + 3 * 60_000);
    assert.deepEqual([late.verdict, /3 min 0 s apart/.test(late.text)], ['bad', true]);
    await using unset = await Stand.start(() => ({ date: new Date(0) }));
    const finding = of(await consult(['--url', unset.url], { now: () => 0 }), 'clock');
    assert.match(finding.text, /1970-01-01.*never set/);
  });
});

describe('tls', () => {
  const look = async (name: CertificateName, host = 'localhost', now = Date.now()): Promise<Finding> => {
    await using stand = await Stand.start(ok, name);
    using box = new TemporaryDirectory();
    writeFileSync(box.file('DATABOX_ROOT_CA'), TEST_CA);
    const args = ['--url', `https://${host}:${stand.port}`, '--secrets-dir', box.path];
    return of(await consult(args, { now: () => now }), 'tls');
  };

  it('is bad when nobody who is trusted vouches for the certificate, and then the service is not asked', async () => {
    await using stand = await Stand.start(ok, 'localhost');
    const consultation = await consult(['--url', stand.url]);
    const finding = of(consultation, 'tls');
    assert.equal(finding.verdict, 'bad');
    assert.match(finding.text, /UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
    assert.match(finding.remedy ?? '', /--secrets-dir/);
    assert.equal(of(consultation, 'service').verdict, 'skipped');
    assert.match((await look('self-signed')).text, /SELF_SIGNED/);
  });

  it('tells until when the certificate is good, and warns before it runs out', async () => {
    const good = await look('localhost');
    assert.equal(good.verdict, 'good', good.text);
    const until = Date.parse(/good until ([\d-]+)/.exec(good.text)?.[1] ?? '');
    const soon = await look('localhost', 'localhost', until - 13 * 86_400_000);
    assert.deepEqual([soon.verdict, /runs out in 1[34] days/.test(soon.text)], ['warning', true]);
    assert.match((await look('localhost', 'localhost', until + 2 * 86_400_000)).text, /ran out on/);
    const early = await look('localhost', 'localhost', Date.parse('2000-01-01'));
    assert.deepEqual([early.verdict, /Set the clock/.test(early.remedy ?? '')], ['bad', true]);
  });

  it('is bad when the certificate has run out, or is for another name', async () => {
    await using expired = await Stand.start(ok, 'expired');
    assert.equal(of(await consult(['--url', expired.url]), 'service').verdict, 'skipped');
    assert.match((await look('expired')).text, /ran out on/);
    assert.match((await look('other-host')).text, /is for .+, and not for localhost/);
  });

  it('warns of plain HTTP that leaves this machine', async () => {
    await using stand = await Stand.start(ok);
    assert.equal(of(await consult(['--url', stand.url]), 'tls').verdict, 'good');
    const fetch = async (): Promise<Response> => new Response('ok');
    const finding = of(await consult(['--url', 'http://box.example'], { fetch }), 'tls');
    assert.deepEqual([finding.verdict, /plain HTTP/.test(finding.text)], ['warning', true]);
  });
});

describe('arbiter', () => {
  it('is looked at only where one is set, and is never asked for a key', async () => {
    using folder = new TemporaryDirectory();
    await using stand = await Stand.start(ok);
    assert.match(of(await consult(['--url', stand.url]), 'arbiter').text, /No arbiter is set/);

    let received = 0;
    const arbiter: TcpServer = createTcpServer((socket) => {
      socket.on('data', () => (received += 1)).on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(arbiter, 'listening');
    const { port } = arbiter.address() as AddressInfo;
    const args = ['--url', stand.url, '--arbiter', `tcp://127.0.0.1:${port}`, '--secrets-dir', folder.path];
    const look = async (): Promise<Finding> => of(await consult(args), 'arbiter');
    assert.match((await look()).text, /ARBITER_TOKEN/);
    writeFileSync(`${folder.path}/ARBITER_TOKEN`, 'token');
    writeFileSync(`${folder.path}/ZMQ_PUBLIC_KEY`, 'too short');
    assert.match((await look()).text, /ZMQ_PUBLIC_KEY .*40 characters/);
    writeFileSync(`${folder.path}/ZMQ_PUBLIC_KEY`, 'vl6wu0A@XP?}Or/&BR#LSxn>A+}L)p44/W[wXL3<');
    const good = await look();
    assert.deepEqual([good.verdict, received], ['good', 0]);

    arbiter.close();
    await once(arbiter, 'close');
    const away = await look();
    assert.deepEqual([away.verdict, /cannot be reached: ECONNREFUSED/.test(away.text)], ['bad', true]);
  });
});

describe('a test export', () => {
  it('arrives with a token made here, or with one that is given', async () => {
    using folder = new TemporaryDirectory();
    await using destination = await nasty.answers('201 Created');
    const flags = [
      '--port',
      '0',
      '--data-dir',
      folder.path,
      '--allow-http',
      '--allow-network',
      '127.0.0.0/8',
    ];
    await using app = await createApp(parseConfig(flags, {}), createLog('error', capturedIo().stderr));
    const args = ['--url', app.url, '--data-dir', folder.path, '--to', destination.url];
    const own = await consult(args);
    assert.deepEqual([own.code, own.healthy], [0, true], JSON.stringify(own.findings));
    assert.match(of(own, 'export').text, /arrived at .*: 201 Created\./);
    assert.match(of(own, 'store').text, /is whole/);
    assert.match(destination.received[0]?.body.toString() ?? '', /export-service doctor/);

    const foreign = of(
      await consult([...args, '--token', tokenFor({ destination: destination.url })]),
      'export',
    );
    assert.deepEqual([foreign.verdict, /token inspect/.test(foreign.remedy ?? '')], ['bad', true]);
    const refusedAddress = await consult([...args.slice(0, -1), 'https://169.254.169.254/']);
    assert.equal(of(refusedAddress, 'export').verdict, 'bad');
  });

  it('says what keeps it from arriving, and what mends it', async () => {
    using folder = new TemporaryDirectory();
    const flags = ['--port', '0', '--data-dir', folder.path, ...TEST_FLAGS];
    await using app = await createApp(parseConfig(flags, {}), createLog('error', capturedIo().stderr));
    const args = ['--url', app.url, '--secret', ROOT_KEY, '--to'];
    const destination = await nasty.answers();
    const { url } = destination;
    await destination.close();
    const refused = of(await consult([...args, url]), 'export');
    assert.match(refused.text, /did not arrive: .*\(connection_failed\)/);
    assert.match(refused.remedy ?? '', /firewall/);

    await using unwilling = await nasty.answers('404 Not Found');
    const answered = of(await consult([...args, unwilling.url]), 'export');
    assert.deepEqual([answered.verdict, /answered 404 Not Found/.test(answered.text)], ['warning', true]);
  });

  it('needs a key or a token, and says so', async () => {
    using folder = new TemporaryDirectory();
    await using stand = await Stand.start(ok);
    const args = ['--url', stand.url, '--data-dir', folder.path];
    assert.equal(of(await consult(args), 'export').verdict, 'skipped');
    const finding = of(await consult([...args, '--to', 'https://lab.example/in']), 'root key');
    assert.deepEqual([finding.verdict, /--token-file/.test(finding.remedy ?? '')], ['bad', true]);
  });
});

test('each finding is a line, with what mends it under it, and the sum at the end', async () => {
  const stand = await Stand.start(ok);
  const { url } = stand;
  await stand[Symbol.asyncDispose]();
  const { code, stdout } = await runMain(['doctor', '--url', url, '--data-dir', '/no/such/folder']);
  assert.equal(code, 1);
  assert.match(stdout, /^! disk {6}There is no data directory/m);
  assert.match(stdout, /^✗ service {3}The service at .+\n {12}→ Start it with/m);
  assert.match(stdout, /\n1 to mend\.\n$/);
});
