/** The service over HTTPS, as a box runs it: whom it proves to be, who believes it, and a certificate that changes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { on, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { CERTIFICATE_CHECKED_EVERY_MS } from '../../src/tls/certificate-watch.ts';
import {
  databoxPem,
  type Identity,
  keyPem,
  makeAuthority,
  makeCertificate,
} from '../support/certificates.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const SDK = fileURLToPath(new URL('../../client/index.ts', import.meta.url));
const CA = makeAuthority();
const OWN = makeCertificate({ issuer: CA });

/** A secrets directory as the box mounts it, as far as TLS goes. */
class Secrets extends TemporaryDirectory {
  constructor(identity: Identity = OWN) {
    super();
    this.give(databoxPem(identity));
    writeFileSync(this.rootCa, CA.cert);
  }

  get rootCa(): string {
    return this.file('DATABOX_ROOT_CA');
  }

  give(pem: string): void {
    writeFileSync(this.file('DATABOX.pem'), pem);
  }
}

/**
 * Another Node that exports through the SDK.
 *
 * @param before what it does first
 * @returns the status of the destination's answer, or the code of the error
 */
async function exportElsewhere(
  url: string,
  destination: string,
  env: Record<string, string>,
  before = '',
): Promise<string> {
  const script = `
    import { ExportClient } from ${JSON.stringify(SDK)};
    ${before}
    const client = new ExportClient(${JSON.stringify({ url, token: tokenFor({ destination }) })});
    try {
      const { id } = await client.submit({ destination: ${JSON.stringify(destination)}, data: { steps: 9001 } });
      console.log((await client.wait(id)).answer.status);
    } catch (error) {
      console.log(error.code, error.shouldRetry);
    }`;
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: '', ...env } });
  return stdout.trim();
}

describe('an app of the box', () => {
  it('exports over HTTPS when it trusts DATABOX_ROOT_CA, and not otherwise', async () => {
    using secrets = new Secrets();
    await using destination = await nasty.answers('201 Created');
    await using service = await ServiceProcess.start(['--secrets-dir', secrets.path]);
    assert.match(service.written.stdout, /^export-service listens on https:\/\/127\.0\.0\.1:\d+\n$/);

    const trusting = { NODE_EXTRA_CA_CERTS: secrets.rootCa };
    assert.equal(await exportElsewhere(service.url, destination.url, trusting), '201');
    const distrust = await exportElsewhere(service.url, destination.url, {});
    assert.match(distrust, /^UNABLE_TO_VERIFY_LEAF_SIGNATURE false$/);
    assert.equal(destination.received.length, 1);
  });

  it('exports over a WebSocket too', async () => {
    using secrets = new Secrets();
    await using destination = await nasty.answers('201 Created');
    await using service = await ServiceProcess.start(['--secrets-dir', secrets.path]);
    const token = tokenFor({ destination: destination.url, path: '/ws/export', method: 'GET' });
    const url = `${service.url.replace('https:', 'wss:')}/ws/export`;
    const socket = new WebSocket(url, { ca: CA.cert, headers: { 'x-api-key': token } });
    await once(socket, 'open');
    socket.send(JSON.stringify({ id: '', uri: destination.url, data: '{}' }));
    for await (const [frame] of on(socket, 'message')) {
      if (JSON.parse(String(frame)).state === 'Finished') break;
    }
    assert.equal(destination.received.length, 1);
    socket.terminate();
  });

  it('can also take the CA in while it runs', async () => {
    using secrets = new Secrets();
    await using destination = await nasty.answers('201 Created');
    await using service = await ServiceProcess.start(['--secrets-dir', secrets.path]);
    const before = `
      import { readFileSync } from 'node:fs';
      import { getCACertificates, setDefaultCACertificates } from 'node:tls';
      const ca = readFileSync(${JSON.stringify(secrets.rootCa)}, 'utf8');
      setDefaultCACertificates([...getCACertificates(), ca]);`;
    assert.equal(await exportElsewhere(service.url, destination.url, {}, before), '201');
  });
});

/** The whole service in this process, with a clock that stands still, on these secrets. */
async function startApp(secrets: Secrets) {
  const directory = new TemporaryDirectory();
  const clock = new ManualClock();
  const logged = { text: '' };
  const flags = [
    '--port',
    '0',
    '--data-dir',
    directory.path,
    '--secrets-dir',
    secrets.path,
    '--drain-max',
    '0s',
  ];
  const log = createLog('debug', { write: (text: string) => (logged.text += text) });
  const app = await createApp(parseConfig(flags, {}), log, { clock });
  return {
    logged,
    port: Number(new URL(app.url).port),
    /** Lets time pass until something like this has been logged. */
    async untilLogged(pattern: RegExp): Promise<void> {
      while (!pattern.test(logged.text)) {
        clock.advance(CERTIFICATE_CHECKED_EVERY_MS);
        await setImmediate();
      }
    },
    async [Symbol.asyncDispose]() {
      let isStopped = false;
      const stopping = Promise.resolve(app[Symbol.asyncDispose]()).finally(() => {
        isStopped = true;
      });
      while (!isStopped) {
        clock.advance(0);
        await setImmediate();
      }
      await stopping;
      directory[Symbol.dispose]();
    },
  };
}

async function open(port: number): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca: CA.cert });
  await once(socket, 'secureConnect');
  return socket;
}

async function assertServed(socket: TLSSocket): Promise<void> {
  socket.write('GET /status HTTP/1.1\r\nhost: x\r\n\r\n');
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK/);
}

function nameOf(socket: TLSSocket): unknown {
  return socket.getPeerCertificate().subject.CN;
}

describe('DATABOX.pem of a service that runs', () => {
  it('is renewed without a restart; an unusable one changes nothing, and the log tells both without the key', async () => {
    using secrets = new Secrets();
    await using app = await startApp(secrets);
    const old = await open(app.port);
    await assertServed(old);

    const next = makeCertificate({ name: 'renewed', hosts: ['127.0.0.1'], issuer: CA });
    secrets.give(databoxPem(next).slice(0, -1_200));
    await app.untilLogged(/"level":"error".*DATABOX\.pem.*cut off.*the one before stays in use/);
    const between = await open(app.port);

    secrets.give(databoxPem(next));
    await app.untilLogged(/"level":"info".*DATABOX\.pem.*IP Address:127\.0\.0\.1.*read anew/);
    const fresh = await open(app.port);

    assert.deepEqual([old, between, fresh].map(nameOf), ['export-service', 'export-service', 'renewed']);
    for (const socket of [old, between, fresh]) {
      await assertServed(socket);
      socket.destroy();
    }
    for (const line of keyPem(next).split('\n').slice(1, -2)) assert.ok(!app.logged.text.includes(line));
  });

  it('that has expired is used, and the log warns of it from the start', async () => {
    using secrets = new Secrets(makeCertificate({ issuer: CA, validTo: new Date('2025-06-01') }));
    await using app = await startApp(secrets);
    assert.match(
      app.logged.text,
      /"level":"warn".*"validity":"expired".*"valid_to":"2025-06-01T00:00:00.000Z"/,
    );
    await assert.rejects(open(app.port), { code: 'CERT_HAS_EXPIRED' });
  });
});
