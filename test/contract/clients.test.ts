/**
 * The clients that were written for the original (contract, section 5), by the bytes that they send; see http.test.ts for
 * the names.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { certificate, TEST_CA } from '../support/destinations/certificates.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { DESTINATION, HttpFixture } from '../support/http/http-fixture.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';
import { tokenVector } from './vectors.ts';

const UNKNOWN_ID = '018f0000-0000-7000-8000-000000000000';
/** As the Zest arbiter mints it, padded. */
const { token: ZEST_TOKEN, context } = tokenVector('ok-zest-ocaml-macaroons');
const { destination: ZEST_DESTINATION } = context;

interface SentAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends a request as it is written here and reads to the end of the connection, as a client with `Connection: close`. */
async function sendText(fixture: HttpFixture, lines: readonly string[], body: string): Promise<SentAnswer> {
  const head = [...lines, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close'];
  const text = await fixture.exchange(`${head.join('\r\n')}\r\n\r\n${body}`);
  const [answerHead = '', ...rest] = text.split('\r\n\r\n');
  return { status: Number(answerHead.split(' ')[1]), head: answerHead, body: rest.join('\r\n\r\n') };
}

/** What `lib-node-databox` sends: objects become text, strings and numbers stay what they are. */
function nodeClient(fixture: HttpFixture, payload: unknown, id = ''): Promise<SentAnswer> {
  const data = typeof payload === 'object' ? JSON.stringify(payload) : payload;
  return sendText(
    fixture,
    [
      'POST /lp/export HTTP/1.1',
      `X-Api-Key: ${ZEST_TOKEN}`,
      'Content-Type: application/json',
      'Host: export-service:8080',
    ],
    JSON.stringify({ id, uri: ZEST_DESTINATION, data }),
  );
}

/** What `lib-go-databox` sends: the payload is put between the other members as it is, and so is the destination. */
function goClient(
  fixture: HttpFixture,
  payload: string,
  headers: readonly string[] = [],
): Promise<SentAnswer> {
  return sendText(
    fixture,
    [
      'POST /lp/export HTTP/1.1',
      'Host: export-service:8080',
      'User-Agent: Go-http-client/1.1',
      `X-Api-Key: ${ZEST_TOKEN}`,
      ...headers,
    ],
    `{"id":"","uri":"${ZEST_DESTINATION}","data":${payload}}`,
  );
}

describe('5 the Node client', () => {
  const payloads: [name: string, payload: unknown, sent: string][] = [
    ['an object, which it turns into text', { a: [1, 'é'] }, '{"a":[1,"é"]}'],
    ['a string that holds JSON, which stays as it is', '[1, 2]', '[1, 2]'],
    ['differs: a number, which stays a number', 36.6, '36.6'],
    [
      'differs: a string that a caller has quoted as JSON, which the original answered with 500',
      '"text"',
      '"text"',
    ],
  ];
  for (const [name, payload, sent] of payloads) {
    it(
      name.startsWith('differs: ') ? name.replace('differs: ', 'differs: exports ') : `exports ${name}`,
      async () => {
        await using fixture = await HttpFixture.start();
        const { status, body } = await nodeClient(fixture, payload);
        assert.equal(status, 200, body);
        assert.equal(JSON.parse(body).state, 'Pending');
        assert.deepEqual(fixture.queuedData, [sent]);
      },
    );
  }

  it('is refused a string that holds no JSON, as by the original, and its promise rejects', async () => {
    await using fixture = await HttpFixture.start();
    const { status, body } = await nodeClient(fixture, 'plain text');
    assert.equal(status, 400);
    assert.match(JSON.parse(body).detail, /quote it once more as JSON/);
  });

  it('polls by passing the id, with uri and data as before', async () => {
    await using fixture = await HttpFixture.start();
    const { id } = JSON.parse((await nodeClient(fixture, {})).body);
    const poll = nodeClient(fixture, {}, id);
    await fixture.untilWaiting(1);
    const answer = { status: 200, body: 'ok', truncated: false } as const;
    fixture.store.change(id, {
      state: 'delivered',
      attempts: 1,
      finishedAt: 1,
      result: { kind: 'answer', answer },
    });
    assert.deepEqual(JSON.parse((await poll).body), {
      id,
      state: 'Finished',
      ext_response: { status: '200 OK', body: 'ok' },
    });
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('sends Connection: close, and its connection is closed after the answer', async () => {
    await using fixture = await HttpFixture.start();
    const { head } = await nodeClient(fixture, {});
    assert.match(head, /\r\nconnection: close/i);
  });

  it('speaks HTTPS and trusts the CA that it is given', async () => {
    await using fixture = await HttpFixture.start({ tls: certificate('localhost') });
    const socket = connectTls({ port: fixture.port, host: 'localhost', ca: TEST_CA });
    await once(socket, 'secureConnect');
    const body = JSON.stringify({ id: '', uri: ZEST_DESTINATION, data: '{}' });
    socket.write(
      `POST /lp/export HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: ${ZEST_TOKEN}\r\nConnection: close\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
    );
    assert.match(
      Buffer.concat(await socket.toArray()).toString(),
      /^HTTP\/1\.1 200 OK[\s\S]*"state":"Pending"/,
    );
  });

  it('rejects every answer that is not 2xx, and shows its text', async () => {
    await using fixture = await HttpFixture.start();
    const { status, body } = await nodeClient(fixture, {}, UNKNOWN_ID);
    assert.equal(status, 404);
    assert.ok(body.length > 0);
  });
});

describe('5 the Go client', () => {
  it('exports a payload that its caller has quoted, as app-os-monitor does', async () => {
    await using fixture = await HttpFixture.start();
    const { status } = await goClient(fixture, JSON.stringify('{"cpu":0.5}'));
    assert.equal(status, 200);
    assert.deepEqual(fixture.queuedData, ['{"cpu":0.5}']);
  });

  it('differs: exports an object put in unescaped, which the original could not read', async () => {
    await using fixture = await HttpFixture.start();
    assert.equal((await goClient(fixture, '{"cpu": 0.50, "n": 12345678901234567890}')).status, 200);
    assert.deepEqual(fixture.queuedData, ['{"cpu":0.50,"n":12345678901234567890}']);
  });

  it('is refused plain text put in unescaped, which makes no JSON', async () => {
    await using fixture = await HttpFixture.start();
    const { status, body } = await goClient(fixture, 'plain text');
    assert.deepEqual([status, JSON.parse(body).code], [400, 'invalid_json']);
    assert.ok(!body.includes('plain'), 'and nothing of the payload comes back');
  });

  it('sends no Content-Type', async () => {
    await using fixture = await HttpFixture.start();
    const { status } = await goClient(fixture, '"{}"');
    assert.equal(status, 200);
    const other = await goClient(fixture, '"{}"', ['Content-Type: text/plain; charset=utf-8']);
    assert.equal(other.status, 200, 'and any other will do');
  });

  it('gives up after 10 seconds in all, and a new request is answered at once', async () => {
    await using fixture = await HttpFixture.start();
    assert.equal(JSON.parse((await goClient(fixture, '"{}"')).body).state, 'Pending');
    assert.deepEqual(fixture.clock.pendingMs, [], 'nothing waits for a time to pass');
  });

  it('always sends an empty id, so it never sees more than Pending', async () => {
    await using fixture = await HttpFixture.start();
    const [first, second] = [await goClient(fixture, '"{}"'), await goClient(fixture, '"{}"')];
    assert.notEqual(JSON.parse(first.body).id, JSON.parse(second.body).id);
  });
});

describe('5 what a tolerant server accepts', () => {
  const basic = (token: string) => `Authorization: Basic ${Buffer.from(`${token}:`).toString('base64')}`;
  const unpadded = ZEST_TOKEN.replace(/=+$/, '');
  const headers: [name: string, header: string][] = [
    ['a padded token in X-Api-Key', `X-Api-Key: ${ZEST_TOKEN}`],
    ['an unpadded token in X-Api-Key', `X-Api-Key: ${unpadded}`],
    ['a padded token in Basic', basic(ZEST_TOKEN)],
    ['an unpadded token in Basic', basic(unpadded)],
  ];
  for (const [name, header] of headers) {
    it(name, async () => {
      assert.notEqual(ZEST_TOKEN, unpadded);
      await using fixture = await HttpFixture.start();
      const body = JSON.stringify({ id: '', uri: ZEST_DESTINATION, data: '{}' });
      const { status } = await sendText(fixture, ['POST /lp/export HTTP/1.1', 'Host: x', header], body);
      assert.equal(status, 200);
    });
  }

  const data: [name: string, data: string][] = [
    ['an object in a string', '"{}"'],
    ['an array in a string', '"[1]"'],
    ['a text in a string', '"\\"text\\""'],
    ['a number in a string', '"1"'],
    ['null in a string', '"null"'],
    ['an object', '{"a":1}'],
    ['an array', '[1]'],
  ];
  for (const [name, text] of data) {
    it(`data as ${name}`, async () => {
      await using fixture = await HttpFixture.start();
      assert.equal((await goClient(fixture, text)).status, 200);
    });
  }

  for (const id of ['', '"id":null,', '"id":"",']) {
    it(`a new request with ${id === '' ? 'no id' : id.slice(0, -1)}`, async () => {
      await using fixture = await HttpFixture.start();
      const lines = ['POST /lp/export HTTP/1.1', 'Host: x', `X-Api-Key: ${ZEST_TOKEN}`];
      const body = `{${id}"uri":"${ZEST_DESTINATION}","data":"{}"}`;
      assert.equal((await sendText(fixture, lines, body)).status, 200);
    });
  }

  it('id and data on a poll', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    for (const more of [{}, { uri: DESTINATION }, { uri: DESTINATION, data: '{}' }, { data: { any: 1 } }]) {
      assert.equal((await fixture.send({ body: { id, ...more } })).json.state, 'Pending');
    }
  });

  it('answers a new request at once, though its destination never answers', async () => {
    await using service = await ServiceProcess.start();
    await using deaf = await nasty.neverAnswers();
    const { state } = await clientFor(service.url, deaf.url, {
      token: tokenFor({ destination: deaf.url, path: '/*' }),
    }).submit({ destination: deaf.url, data: {} });
    assert.equal(state, 'Pending');
    await deaf.arrived(1);
  });

  it('errors are statuses other than 2xx with a text', async () => {
    await using fixture = await HttpFixture.start();
    const lines = ['POST /lp/export HTTP/1.1', 'Host: x'];
    const { status, body } = await sendText(fixture, lines, '{}');
    assert.equal(status, 401);
    assert.ok(JSON.parse(body).detail.length > 0);
  });
});
