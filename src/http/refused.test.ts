/** Each refusal is told once to whoever counts them, wherever it was made. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DESTINATION, HttpFixture } from '../../test/support/http/http-fixture.ts';
import { SocketClient } from '../../test/support/http/socket-client.ts';
import type { ProblemCode } from './problem.ts';

async function start(): Promise<{ fixture: HttpFixture; refused: ProblemCode[] }> {
  const refused: ProblemCode[] = [];
  const fixture = await HttpFixture.start({
    onRefused: (code) => refused.push(code),
    readiness: async () => ({ isReady: false, code: 'no_root_key', detail: 'none' }),
    limits: { pendingMax: 1 },
  });
  return { fixture, refused };
}

describe('a refusal is counted', () => {
  it('of a request, by the code that it was answered with', async () => {
    const { fixture, refused } = await start();
    await using _closed = fixture;
    await fixture.send({ token: null });
    await fixture.send({ body: '{' });
    await fixture.send({ path: '/nowhere' });
    await fixture.send({ method: 'PUT' });
    await fixture.send({ headers: { host: 'a b' } });
    await fixture.submit();
    await fixture.send({ body: { uri: DESTINATION, data: '1' } });
    assert.deepEqual(refused, [
      'missing_token',
      'invalid_json',
      'not_found',
      'method_not_allowed',
      'invalid_request',
      'too_many_pending',
    ]);
  });

  it('of what is no HTTP, and of a tunnel', async () => {
    const { fixture, refused } = await start();
    await using _closed = fixture;
    await fixture.exchange('nonsense\r\n\r\n');
    await fixture.exchange('CONNECT a.example:443 HTTP/1.1\r\nhost: a.example\r\n\r\n');
    assert.deepEqual(refused, ['invalid_request', 'method_not_allowed']);
  });

  it('of a frame, and of a handshake', async () => {
    const { fixture, refused } = await start();
    await using _closed = fixture;
    await fixture.send({ method: 'GET', path: '/ws/export', token: null });
    await using client = await SocketClient.open(fixture.port);
    client.send('{');
    assert.match(await client.nextText(), /invalid_json/);
    assert.equal(fixture.server.figures.webSockets, 1);
    assert.deepEqual(refused, ['missing_token', 'invalid_json']);
  });
});

it('nothing is refused by an answer that is no refusal, nor by saying that the service is not ready', async () => {
  const { fixture, refused } = await start();
  await using _closed = fixture;
  await fixture.submit();
  assert.equal((await fixture.send({ method: 'GET', path: '/readyz', token: null })).status, 503);
  assert.deepEqual(refused, []);
  assert.equal(fixture.server.figures.connections.now, 1);
});
