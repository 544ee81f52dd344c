/**
 * /ws/export of the original (contract, section 1.6), sentence by sentence. In the original it was there with
 * `--websocket` only; see http.test.ts for the method and the names.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DESTINATION, HttpFixture, tokenWith } from '../support/http/http-fixture.ts';
import { closePayload, frameBytes, OPCODE, RawSocket } from '../support/http/raw-socket.ts';
import { SOCKET_TOKEN, SocketClient } from '../support/http/socket-client.ts';
import { tokenVector } from './vectors.ts';

const FRESH = { id: '', uri: DESTINATION, data: '{"a":1}' };
const UNKNOWN_ID = '018f0000-0000-7000-8000-000000000000';
const DELIVERED = {
  state: 'delivered',
  attempts: 1,
  finishedAt: 1,
  result: { kind: 'answer', answer: { status: 200, body: 'ok', truncated: false } },
} as const;

describe('1.6 the upgrade', () => {
  it('differs: is served beside /export and /lp/export, without a flag', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    assert.equal((await fixture.send({ body: { id } })).json.state, 'Pending');
  });

  const basic = `Basic ${Buffer.from(`${SOCKET_TOKEN}:`).toString('base64')}`;
  for (const headers of [{ 'x-api-key': SOCKET_TOKEN }, { authorization: basic }]) {
    it(`takes the token from the same headers: ${Object.keys(headers)}`, async () => {
      await using fixture = await HttpFixture.start();
      await using client = await SocketClient.open(fixture.port, { token: null, headers });
      assert.equal((await client.ask(FRESH)).state, 'Pending');
    });
  }

  it('wants the caveats method = GET, path = /ws/export and target', async () => {
    await using fixture = await HttpFixture.start();
    for (const wrong of [{ method: 'POST' }, { path: '/lp/export' }, { target: 'other' }]) {
      const token = tokenWith({ method: 'GET', path: '/ws/export', ...wrong });
      assert.equal((await SocketClient.refused(fixture.port, { token })).status, 401);
    }
  });

  it('differs: a 401 has a problem in its body', async () => {
    await using fixture = await HttpFixture.start();
    const { status, headers, problem } = await SocketClient.refused(fixture.port, { token: null });
    assert.deepEqual([status, problem.code], [401, 'missing_token']);
    assert.equal(headers['content-type'], 'application/problem+json');
  });

  it('differs: other paths are 404 before the token is looked at', async () => {
    await using fixture = await HttpFixture.start();
    const { status, problem } = await SocketClient.refused(fixture.port, { path: '/ws', token: null });
    assert.deepEqual([status, problem.code], [404, 'not_found']);
  });

  it('differs: a token with a destination caveat passes, and each frame is held to it', async () => {
    await using fixture = await HttpFixture.start();
    const { token, context } = tokenVector('ok-ws');
    await using client = await SocketClient.open(fixture.port, { token });
    assert.equal((await client.ask({ ...FRESH, uri: context.destination })).state, 'Pending');
    assert.equal((await client.ask({ ...FRESH, uri: 'https://a.example/other' })).code, 'caveat_refused');
  });

  it('differs: a token without a destination caveat may send nothing anywhere', async () => {
    await using fixture = await HttpFixture.start();
    const token = tokenWith({ method: 'GET', destination: null });
    await using client = await SocketClient.open(fixture.port, { token });
    assert.equal((await client.ask(FRESH)).code, 'destination_missing');
    assert.deepEqual(fixture.store.inserted, []);
  });
});

describe('1.6 frames', () => {
  it('a text frame is the same JSON object, and its export is told Pending, Processing and Finished', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    client.send(FRESH);
    const { id } = JSON.parse(await client.nextText());
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    await client.nextText();
    fixture.store.change(id, DELIVERED);
    await client.nextText();
    assert.deepEqual(client.texts, [
      `{"id":"${id}","state":"Pending","ext_response":{}}`,
      `{"id":"${id}","state":"Processing","ext_response":{}}`,
      `{"id":"${id}","state":"Finished","ext_response":{"status":"200 OK","body":"ok"}}`,
    ]);
  });

  it('a frame with a known id is answered with the present state at once', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    assert.deepEqual(await client.ask({ ...FRESH, id }), { id, state: 'Pending', ext_response: {} });
  });

  it('differs: an unknown id is answered with a problem, not with plain text', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const { code, status } = await client.ask({ ...FRESH, id: UNKNOWN_ID });
    assert.deepEqual([code, status], ['unknown_export', 404]);
  });

  it('differs: what cannot be read is answered with a problem, not with plain text', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    assert.equal((await client.ask('{')).code, 'invalid_json');
    assert.equal((await client.ask({ id: '' })).code, 'invalid_request');
  });

  it('differs: a bad UUID, or data that is no JSON, is answered with a problem and does not end the process', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    assert.equal((await client.ask({ ...FRESH, id: 'no-uuid' })).code, 'invalid_request');
    assert.equal((await client.ask({ ...FRESH, data: 'no json' })).code, 'invalid_request');
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('differs: the results of a closed socket stay, and are read by a poll', async () => {
    await using fixture = await HttpFixture.start();
    const client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    await client[Symbol.asyncDispose]();
    fixture.store.change(id, DELIVERED);
    assert.equal((await fixture.send({ body: { id } })).json.state, 'Finished');
  });

  it('binary frames are ignored', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    client.ws.send(Buffer.from(JSON.stringify(FRESH)));
    assert.deepEqual(await client.unread(), []);
    assert.deepEqual(fixture.store.inserted, []);
  });
});

describe('1.6 control frames', () => {
  it('differs: a pong echoes its ping', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes('echo', { opcode: OPCODE.ping }));
    const pong = await raw.next();
    assert.deepEqual([pong?.opcode, String(pong?.payload)], [OPCODE.pong, 'echo']);
  });

  it("a close is answered with the client's code", async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes(closePayload(4_321), { opcode: OPCODE.close }));
    assert.equal(await raw.closeCode(), 4_321);
  });

  it('a close without a code is answered with 1000', async () => {
    await using fixture = await HttpFixture.start();
    using raw = await RawSocket.open(fixture.port);
    raw.write(frameBytes('', { opcode: OPCODE.close }));
    assert.equal(await raw.closeCode(), 1_000);
  });
});
