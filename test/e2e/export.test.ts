import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { request } from 'undici';
import type { FinishedExport } from '../../client/index.ts';
import type { CertificateName } from '../support/destinations/certificates.ts';
import { answerText, startDestination, type TestDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ROOT_KEY, ServiceProcess, TEST_FLAGS, tokenFor } from '../support/service.ts';

const CA_FILE = fileURLToPath(new URL('../support/destinations/tls/ca.pem', import.meta.url));
const FAST = ['--retry-base', '1ms', '--attempts-max', '2', '--attempt-timeout', '500ms'];

/** Exports to a destination and waits for the end. */
async function exportTo(service: ServiceProcess, destination: string): Promise<FinishedExport> {
  const client = clientFor(service.url, destination);
  const { id } = await client.submit({ destination, data: { steps: 9_001 } });
  return client.wait(id, { timeoutMs: 30_000 });
}

describe('an export, end to end', () => {
  it('arrives byte for byte with the headers a receiver needs, and its answer comes back', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers('201 Created', '{"stored":true}');
    const client = clientFor(service.url, destination.url);
    const json = '{ "temperature": 36.60,\n  "room": "Küche", "n": 12345678901234567890 }';
    const { id, state } = await client.submit({ destination: destination.url, json });
    assert.equal(state, 'Pending');
    const { answer } = await client.wait(id);
    assert.equal(answer.status, 201);
    assert.equal(answer.body, '{"stored":true}');
    const [arrived] = destination.received;
    assert.equal(arrived?.body.toString(), json);
    assert.equal(arrived?.method, 'POST');
    assert.equal(arrived?.headers['content-type'], 'application/json');
    assert.equal(arrived?.headers['webhook-id'], id);
    assert.equal(arrived?.headers['idempotency-key'], id);
    assert.match(arrived?.headers['user-agent'] ?? '', /^databox-export-service\/\d+\.\d+\.\d+$/);
    assert.match(arrived?.headers['webhook-timestamp'] ?? '', /^\d{10}$/);
  });

  it('a number in data that is no string keeps its digits', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    await request(`${service.url}/export`, {
      method: 'POST',
      headers: { 'x-api-key': tokenFor({ destination: destination.url }), prefer: 'wait=10' },
      body: `{"uri": ${JSON.stringify(destination.url)}, "data": {"a": 1.10, "b": 12345678901234567890}}`,
    });
    assert.equal(destination.received[0]?.body.toString(), '{"a":1.10,"b":12345678901234567890}');
  });

  it('an export from one path is polled on the other, with the token in each of the three headers', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const post = async (path: string, headers: Record<string, string>, body: object) => {
      const response = await request(`${service.url}${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      assert.equal(response.statusCode, 200);
      return (await response.body.json()) as { id: string; state: string };
    };
    const [plain, long] = ['/export', '/lp/export'].map((path) =>
      tokenFor({ destination: destination.url, path }),
    );
    const { id } = await post('/export', { 'x-api-key': plain ?? '' }, { uri: destination.url, data: '1' });
    const basic = `Basic ${Buffer.from(`${long}:`).toString('base64')}`;
    await post('/lp/export', { authorization: basic, prefer: 'wait=10' }, { id });
    const polled = await post('/export', { authorization: `Bearer ${plain}` }, { id });
    assert.deepEqual(polled, { id, state: 'Finished', ext_response: { status: '200 OK', body: 'ok' } });
  });

  it('results, idempotency keys and the root key outlive a restart', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const submission = { destination: destination.url, data: 1, idempotencyKey: 'once' };
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submit(submission);
    await client.wait(id);
    assert.equal(await service.end('SIGTERM'), 0);
    await service.start();
    assert.equal((await client.get(id)).state, 'Finished');
    assert.equal((await client.submit(submission)).id, id);
    assert.equal(destination.received.length, 1);
  });

  it('a destination that was down gets everything, each lane in order, when it is back', async () => {
    await using service = await ServiceProcess.start(['--retry-base', '20ms', '--attempts-max', '100']);
    let isUp = false;
    await using destination = await startDestination({
      onRequest: (socket) => socket.write(answerText(isUp ? '200 OK' : '503 Service Unavailable')),
    });
    const client = clientFor(service.url, destination.url);
    const submitted = await client.submitMany(
      Array.from({ length: 5 }, (_, n) => ({ destination: destination.url, data: n })),
    );
    await destination.arrived(3);
    isUp = true;
    for (const { id } of submitted) assert.equal((await client.wait(id)).answer.status, 200);
    const delivered = destination.received.slice(-5).map(({ body }) => Number(body.toString()));
    assert.deepEqual(delivered, [0, 1, 2, 3, 4]);
  });
});

describe('what an app hears of a destination that misbehaves', () => {
  const cases: [what: string, open: () => Promise<TestDestination>, status: number, code: string][] = [
    ['resets the connection', nasty.resetsOnAccept, 502, 'connection_failed'],
    ['closes without an answer', nasty.closesWithoutAnswer, 502, 'connection_failed'],
    ['never answers', nasty.neverAnswers, 504, 'timeout'],
    ['drips its answer', nasty.drips, 504, 'timeout'],
    ['answers garbage', nasty.sendsGarbage, 502, 'malformed_response'],
    ['never ends its head', nasty.neverEndsHead, 502, 'malformed_response'],
    ['has a certificate nobody vouches for', () => nasty.answersOverTls('self-signed'), 502, 'tls_failed'],
  ];
  for (const [what, open, status, code] of cases) {
    it(`one that ${what} ends the export with ${status} ${code}, and the service lives`, async () => {
      await using service = await ServiceProcess.start(FAST);
      await using destination = await open();
      const { answer } = await exportTo(service, destination.url);
      assert.equal(answer.status, status);
      assert.equal(answer.error?.code, code);
      assert.equal((await request(`${service.url}/healthz`)).statusCode, 200);
    });
  }

  it('one that refuses the connection does', async () => {
    await using service = await ServiceProcess.start(FAST);
    const { answer } = await exportTo(service, await nasty.closedPort());
    assert.equal(answer.error?.code, 'connection_failed');
  });

  it('one that answers 50 MB has its answer cut at the limit', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.pours(50 * 2 ** 20);
    const { answer } = await exportTo(service, destination.url);
    assert.equal(answer.truncated, true);
    assert.equal(Buffer.byteLength(answer.body), 65_536);
  });

  it('one that redirects has its redirect returned, and nothing goes to where it points', async () => {
    await using service = await ServiceProcess.start();
    await using elsewhere = await nasty.answers();
    await using destination = await nasty.redirects(elsewhere.url);
    assert.equal((await exportTo(service, destination.url)).answer.status, 307);
    assert.equal(elsewhere.connections, 0);
  });

  it('a certificate is trusted when its authority is named, and the host name must be in it', async () => {
    await using service = await ServiceProcess.start([...FAST, '--destination-ca', CA_FILE]);
    await using good = await nasty.answersOverTls('localhost');
    assert.equal((await exportTo(service, good.url)).answer.status, 200);
    for (const name of ['expired', 'other-host'] satisfies CertificateName[]) {
      await using bad = await nasty.answersOverTls(name);
      assert.equal((await exportTo(service, bad.url)).answer.error?.code, 'tls_failed', name);
    }
  });

  it('an address that is not allowed is refused before anything is queued', async () => {
    await using service = await ServiceProcess.start();
    await assert.rejects(exportTo(service, 'http://10.0.0.1/in'), {
      code: 'destination_refused',
      status: 403,
    });
  });
});

describe('an address that nothing may connect to', () => {
  it('ends an export whose name leads there: at once, for good, and the app hears why', async () => {
    await using service = await ServiceProcess.start(['--allow-http', '--secret', ROOT_KEY], []);
    await using destination = await nasty.answers();
    const url = destination.url.replace('127.0.0.1', 'localhost');
    const client = clientFor(service.url, url);
    const { id } = await client.submit({ destination: url, data: 1 });
    const { answer } = await client.wait(id);
    assert.deepEqual([answer.status, answer.error?.code, answer.body], [403, 'address_refused', '']);
    assert.match(answer.error?.detail ?? '', /^The name "localhost" resolves to .* is in .* \(loopback\)/);
    assert.equal(destination.connections, 0);
    assert.match(service.written.stderr, /"error":"address_refused","attempts":1,/);
    assert.doesNotMatch(service.written.stderr, /"attempts":2/);
  });

  it('is the one of the service itself, although its network is open', async () => {
    await using service = await ServiceProcess.start();
    const { answer } = await exportTo(service, `${service.url}/export`);
    assert.deepEqual([answer.status, answer.error?.code], [403, 'address_refused']);
    assert.match(answer.error?.detail ?? '', /is this service itself/);
  });
});

describe('the process', () => {
  it('delivers through no proxy, not even one that Node itself is told to use', async () => {
    await using proxy = await nasty.answers('200 OK', 'from the proxy');
    const { origin } = new URL(proxy.url);
    const env = { HTTP_PROXY: origin, HTTPS_PROXY: origin, NODE_USE_ENV_PROXY: '1', NO_PROXY: '' };
    await using service = await ServiceProcess.start([], TEST_FLAGS, env);
    await using destination = await nasty.answers('200 OK', 'from the destination');
    assert.equal((await exportTo(service, destination.url)).answer.body, 'from the destination');
    assert.equal(proxy.connections, 0);
  });

  it('a second one on the same store does not start and says why', async () => {
    await using service = await ServiceProcess.start();
    const second = service.spawn();
    const [code] = await new Promise<[number]>((resolve) =>
      second.once('exit', (...args) => resolve(args as never)),
    );
    assert.equal(code, 1);
    assert.match(service.written.stderr, /Another process uses the store/);
  });

  it('ends with 0 on SIGTERM and on SIGINT, though a client waits for a result', async () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      await using service = await ServiceProcess.start(['--drain-max', '0s']);
      await using destination = await nasty.neverAnswers();
      const client = clientFor(service.url, destination.url);
      const { id } = await client.submit({ destination: destination.url, data: 1 });
      await destination.arrived(1);
      const waiting = request(`${service.url}/export`, {
        method: 'POST',
        headers: { 'x-api-key': tokenFor({ destination: destination.url }), prefer: 'wait=60' },
        body: JSON.stringify({ id }),
      });
      // Answered after the request before it was taken up, so that one waits by now.
      await request(`${service.url}/healthz`);
      assert.equal(await service.end(signal), 0);
      const { statusCode, body } = await waiting;
      assert.equal(statusCode, 200);
      assert.equal(((await body.json()) as { state: string }).state, 'Processing');
    }
  });

  it('lets an attempt in flight end before it stops: nothing is sent twice', async () => {
    await using service = await ServiceProcess.start();
    let answer = (): void => {};
    await using destination = await startDestination({
      onRequest: (socket) => {
        answer = () => socket.write(answerText('200 OK', 'in time'));
      },
    });
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submit({ destination: destination.url, data: 1 });
    await destination.arrived(1);
    const ended = service.end('SIGTERM');
    await service.logged(/stopping/);
    answer();
    assert.equal(await ended, 0);
    await service.start();
    const { answer: kept } = await client.wait(id);
    assert.equal(kept.body, 'in time');
    assert.equal(destination.received.length, 1);
  });

  it('writes JSON lines, and no secret, token or payload in any of them', async () => {
    await using service = await ServiceProcess.start(['-v', '-v', ...FAST]);
    await using destination = await startDestination({
      onRequest: (socket) => socket.write(answerText('200 OK', 'THE-ANSWER')),
    });
    const token = tokenFor({ destination: `${destination.url}?key=THE-QUERY`, path: '/export' });
    const send = (body: string, apiKey = token) =>
      request(`${service.url}/export`, {
        method: 'POST',
        headers: { 'x-api-key': apiKey, prefer: 'wait=10' },
        body,
      });
    const uri = `${destination.url}?key=THE-QUERY`;
    await send(JSON.stringify({ uri, data: { secret: 'THE-PAYLOAD' } }));
    await send(`{"uri": "${uri}", "data": THE-PAYLOAD`);
    await send(JSON.stringify({ uri, data: 'THE-PAYLOAD' }));
    await send('{}', `${token}THE-TOKEN`);
    assert.equal(await service.end('SIGTERM'), 0);
    const { stdout, stderr } = service.written;
    assert.match(stdout, /^export-service listens on http:\S+\n$/);
    const lines = stderr.trim().split('\n');
    assert.ok(lines.length >= 3);
    for (const line of lines) assert.equal(typeof JSON.parse(line).level, 'string');
    for (const secret of [ROOT_KEY, token, token.slice(20, 60), 'THE-']) {
      assert.ok(!(stdout + stderr).includes(secret), `the log names ${secret}`);
    }
  });
});
