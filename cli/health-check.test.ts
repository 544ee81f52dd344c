import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { capturedIo } from '../test/support/captured-io.ts';
import { keyPem, makeCertificate } from '../test/support/certificates.ts';
import { closedPort } from '../test/support/destinations/nasty.ts';
import { checkHealth } from './health-check.ts';

const LAUNCHED = ['node', '/app/bin/export-service.js'];
const SOON_MS = 300;
const OK: RequestListener = (request, response) => {
  response.writeHead(request.url === '/healthz' ? 200 : 404).end('ok');
};

/** As the kernel shows a process that was started by these words. */
function commandLine(words: readonly string[]): string {
  return words.map((word) => `${word}\0`).join('');
}

async function check(words: readonly string[], env: Record<string, string> = {}, answerMsMax?: number) {
  const io = capturedIo();
  const code = await checkHealth(commandLine(words), env, io, answerMsMax);
  return { code, said: io.captured.stdout.trim() };
}

/** A server on 127.0.0.1, and its port as text. */
async function serving(server: TcpServer): Promise<{ port: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: String((server.address() as AddressInfo).port),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await promisify(server.close).call(server);
    },
  };
}

describe('the health check', () => {
  it('finds the service by the words that it was started with', async () => {
    await using server = await serving(createServer(OK));
    const { port } = server;
    const ways: [words: string[], env: Record<string, string>][] = [
      [[...LAUNCHED, '-v', '-p', port], {}],
      [[...LAUNCHED, 'serve', `--port=${port}`], {}],
      [['/sbin/docker-init', '--', ...LAUNCHED, '-p', port], { DATABOX_LOCAL_PORT: '1' }],
      [['/usr/local/bin/node', '/app/bin/export-service.js'], { DATABOX_LOCAL_PORT: port }],
      [[...LAUNCHED, '-s', 'a secret', '-p', port], { EXPORT_HOST: '0.0.0.0' }],
    ];
    for (const [words, env] of ways) {
      assert.deepEqual(await check(words, env), { code: 0, said: '/healthz answers 200' }, words.join(' '));
    }
  });

  it('asks over HTTPS where that is spoken, and does not judge the certificate', async () => {
    const expired = makeCertificate({ name: 'another', hosts: [], validTo: new Date('2025-06-01') });
    await using server = await serving(createTlsServer({ cert: expired.cert, key: keyPem(expired) }, OK));
    assert.deepEqual(await check([...LAUNCHED, '-p', server.port]), {
      code: 0,
      said: '/healthz answers 200',
    });
  });

  it('fails when the service is not there', async () => {
    const { port } = new URL(await closedPort());
    const { code, said } = await check([...LAUNCHED, '-p', port]);
    assert.equal(code, 1);
    assert.match(said, /ECONNREFUSED/);
  });

  it('fails when another status is answered, and tells it', async () => {
    await using server = await serving(createServer((_, response) => response.writeHead(503).end()));
    const unwell = { code: 1, said: '/healthz answers 503' };
    assert.deepEqual(await check([...LAUNCHED, '-p', server.port]), unwell);
  });

  it('fails when no answer comes in time, over HTTP, over TLS, or to a handshake', async () => {
    const silent: RequestListener = () => {};
    const identity = makeCertificate();
    const tls = { cert: identity.cert, key: keyPem(identity) };
    for (const server of [createServer(silent), createTlsServer(tls, silent), createTcpServer()]) {
      await using listening = await serving(server);
      const late = { code: 1, said: 'No answer came in time.' };
      assert.deepEqual(await check([...LAUNCHED, '-p', listening.port], {}, SOON_MS), late);
    }
  });

  it('says so when it cannot know the port, or when the first process is another', async () => {
    for (const [words, reason] of [
      [[...LAUNCHED, '-p', '0'], /chose its port itself/],
      [['/pause'], /is no export service/],
      [[...LAUNCHED, 'demo'], /unexpected argument "demo"/],
    ] as const) {
      const { code, said } = await check(words);
      assert.equal(code, 1);
      assert.match(said, reason);
    }
  });
});
