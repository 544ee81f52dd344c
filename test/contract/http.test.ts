/**
 * The HTTP interface of the original export service, sentence by sentence: what is kept is a test, and what is not is a
 * test of the difference, whose name begins with "differs". docs/databox.md has the same as a table, with the reasons.
 *
 * Method: the real service and server on a real socket; where a destination matters, the service as a process and a
 * destination on this machine.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { request } from 'undici';
import statusVectors from '../../src/http/vectors/status-strings.json' with { type: 'json' };
import { answerText, startDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import {
  type Answer,
  DESTINATION,
  HttpFixture,
  type RequestOptions,
  tokenWith,
} from '../support/http/http-fixture.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { tokenVector } from './vectors.ts';

const FRESH = { id: '', uri: DESTINATION, data: '{"a":1}' };
const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const UNKNOWN_ID = '018f0000-0000-7000-8000-000000000000';
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;

/** A POST to `/lp/export`: the only thing that a real Databox serves. */
function post(fixture: HttpFixture, body: unknown, options: RequestOptions = {}): Promise<Answer> {
  return fixture.send({ path: '/lp/export', body, ...options });
}

/** How an export ends whose destination answers. */
function deliveredWith(status: number, body = 'ok') {
  const result = { kind: 'answer', answer: { status, body, truncated: false } } as const;
  return { state: 'delivered', attempts: 1, finishedAt: 1, result } as const;
}

/** The service as a process exports to a destination; resolves with what the app hears in the end. */
async function exported(service: ServiceProcess, destination: string, data: unknown, more: object = {}) {
  const { body } = await request(`${service.url}/lp/export`, {
    method: 'POST',
    headers: { 'x-api-key': tokenFor({ destination, path: '/lp/export' }), prefer: 'wait=30' },
    body: JSON.stringify({ id: '', uri: destination, data, ...more }),
  });
  return (await body.json()) as { state: string; ext_response: { status: string; body: string } };
}

describe('1.1 what is served', () => {
  it('differs: /export and /lp/export are both there, on one port, and share what they queue', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    assert.equal((await post(fixture, { id }, { path: '/lp/export?timeout=0' })).json.state, 'Pending');
    const { id: other } = (await post(fixture, FRESH)).json;
    assert.equal((await fixture.send({ path: '/export', body: { id: other } })).json.state, 'Pending');
  });

  it('differs: the route is judged before the token: an unknown path is 404 without one, as a problem', async () => {
    await using fixture = await HttpFixture.start();
    for (const token of [null, 'garbage', tokenWith()]) {
      const answer = await fixture.send({ path: '/unknown', token });
      assert.equal(answer.status, 404);
      assert.equal(answer.headers['content-type'], 'application/problem+json');
      assert.equal(answer.json.code, 'not_found');
    }
  });

  it('differs: another method on a known path is 405 and says which it takes', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ method: 'GET', path: '/lp/export', token: null });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.allow, 'POST');
  });

  it('differs: /healthz and /readyz answer without a token', async () => {
    await using fixture = await HttpFixture.start();
    for (const path of ['/healthz', '/readyz'])
      assert.equal((await fixture.send({ method: 'GET', path, token: null })).status, 200, path);
  });

  it('differs: /status answers "active" without a token, as other Databox components do', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ method: 'GET', path: '/status', token: null });
    assert.equal(answer.status, 200);
    assert.equal(answer.text, 'active');
  });
});

describe('1.2 the request: headers', () => {
  const token = tokenWith({ path: '/lp/export' });
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const forms: [name: string, headers: Record<string, string | string[]>, status: number][] = [
    ['X-Api-Key holds the token, whatever the case of its name', { 'x-API-kEY': token }, 200],
    ['of several X-Api-Key the last counts', { 'x-api-key': ['garbage', token] }, 200],
    ['of several X-Api-Key the last counts, also when it is the bad one', { 'x-api-key': [token, 'x'] }, 401],
    [
      'the user name of Basic is the token, whatever the password',
      { authorization: basic(`${token}:pw`) },
      200,
    ],
    ['a Basic value without a colon is not recognised', { authorization: basic(token) }, 401],
    [
      'X-Api-Key wins even when it is invalid',
      { 'x-api-key': 'garbage', authorization: basic(`${token}:`) },
      401,
    ],
    ['differs: Authorization: Bearer is taken too', { authorization: `Bearer ${token}` }, 200],
  ];
  for (const [name, headers, status] of forms) {
    it(name, async () => {
      await using fixture = await HttpFixture.start();
      assert.equal((await post(fixture, FRESH, { token: null, headers })).status, status);
    });
  }

  it('Content-Type is not looked at', async () => {
    await using fixture = await HttpFixture.start();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
      assert.equal((await post(fixture, FRESH, { headers: { 'content-type': type } })).status, 200, type);
    }
  });
});

describe('1.2 the request: body', () => {
  const accepted: [name: string, body: unknown][] = [
    ['the members come in any order', { data: '{}', uri: DESTINATION, id: '' }],
    ['unknown members are ignored', { ...FRESH, colour: 'blue', nested: { id: 1 } }],
    [
      'of repeated members the last counts',
      `{"id":"x","id":"","uri":"no","uri":"${DESTINATION}","data":"no","data":"{}"}`,
    ],
    ['an empty id is a new request', FRESH],
    ['the nil UUID is a new request', { ...FRESH, id: NIL_UUID }],
    ['differs: an id that is missing is a new request', { uri: DESTINATION, data: '{}' }],
    ['differs: an id of null is a new request', { ...FRESH, id: null }],
    ['data is a string that holds a JSON array', { ...FRESH, data: '[1]' }],
    ['data is a string that holds a JSON object', { ...FRESH, data: '{"a":1}' }],
    ['differs: data may be a string that holds a JSON scalar', { ...FRESH, data: '"text"' }],
    ['differs: data may be an object or array itself', { ...FRESH, data: { a: [1] } }],
    ['differs: data may be a number, true or null itself', { ...FRESH, data: 36.6 }],
  ];
  for (const [name, body] of accepted) {
    it(name, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await post(fixture, body);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.state, 'Pending');
      assert.equal(fixture.store.inserted.length, 1);
    });
  }

  it('a UUID is one of a request that is known, in either case', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    for (const each of [id, id.toUpperCase()]) {
      assert.equal((await post(fixture, { ...FRESH, id: each }, { path: '/export' })).json.id, id);
    }
  });

  const refused: [name: string, body: unknown, code: string][] = [
    ['differs: text after the object is refused', `${JSON.stringify(FRESH)} x`, 'invalid_json'],
    [
      'differs: anything after the 36 characters of a UUID is refused',
      { ...FRESH, id: `${UNKNOWN_ID}x` },
      'invalid_request',
    ],
    ['uri is required', { id: '', data: '{}' }, 'invalid_request'],
    ['uri is a string', { ...FRESH, uri: 5 }, 'invalid_request'],
    [
      'differs: uri must be an absolute URL, and not any text',
      { ...FRESH, uri: 'receiver' },
      'invalid_request',
    ],
    ['data is required', { id: '', uri: DESTINATION }, 'invalid_request'],
    ['a string in data must hold JSON', { ...FRESH, data: '{"a"' }, 'invalid_request'],
  ];
  for (const [name, body, code] of refused) {
    it(name, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await post(fixture, body);
      assert.equal(answer.status, 400);
      assert.equal(answer.json.code, code);
      assert.equal(fixture.store.inserted.length, 0);
    });
  }

  it('differs: on a poll uri and data may be left out; when uri is given it must be the one of the request', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const ask = (more: object) => fixture.send({ body: { id, ...more } });
    assert.equal((await ask({})).status, 200);
    assert.equal((await ask({ uri: DESTINATION, data: 'not looked at' })).status, 200);
    assert.equal((await ask({ uri: 'https://other.example/' })).json.code, 'unknown_export');
  });

  it('differs: a body has a limit, and a larger one is 413', async () => {
    await using fixture = await HttpFixture.start({ settings: { bodyBytesMax: 200 } });
    assert.equal((await post(fixture, JSON.stringify(FRESH).padEnd(200))).status, 200);
    const answer = await post(fixture, JSON.stringify(FRESH).padEnd(201));
    assert.deepEqual([answer.status, answer.json.code], [413, 'payload_too_large']);
  });

  it('differs: a uri has a limit of 8,192 bytes, and a body one of 1,000 levels', async () => {
    await using fixture = await HttpFixture.start();
    const uri = (bytes: number): string => DESTINATION.padEnd(bytes, 'x');
    const ask = (fields: object): Promise<Answer> => post(fixture, { ...FRESH, ...fields });
    const tooLong = await ask({ uri: uri(8_193) });
    assert.deepEqual([tooLong.status, tooLong.json.code], [400, 'invalid_request']);
    assert.match(String(tooLong.json.detail), /8192/);
    assert.equal((await ask({ uri: uri(8_192) })).json.code, 'caveat_refused');
    const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
    assert.equal((await ask({ data: nested(999) })).status, 200);
    const tooDeep = await ask({ data: nested(1_000) });
    assert.deepEqual([tooDeep.status, tooDeep.json.code], [400, 'invalid_request']);
    assert.match(String(tooDeep.json.detail), /1000 levels/);
  });

  it('differs: a JSON array is a batch', async () => {
    await using fixture = await HttpFixture.start();
    assert.equal((await post(fixture, [FRESH, FRESH])).json.length, 2);
  });
});

describe('1.2 what reaches the destination', () => {
  it('is a POST to uri with Content-Type: application/json', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    await exported(service, destination.url, '{"a":1}');
    const [arrived] = destination.received;
    assert.deepEqual([arrived?.method, arrived?.path], ['POST', '/in']);
    assert.equal(arrived?.headers['content-type'], 'application/json');
  });

  it('differs: a string in data arrives byte for byte, not minified and not through floating point', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const data = '{ "big" : 12345678901234567890,\n "exact" : 1.10 }';
    await exported(service, destination.url, data);
    assert.equal(destination.received[0]?.body.toString(), data);
  });
});

describe('1.3 the response', () => {
  it('is 200, application/json, compact, and its members are in this order', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await post(fixture, FRESH);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.equal(answer.text, `{"id":"${answer.json.id}","state":"Pending","ext_response":{}}`);
    assert.match(answer.json.id, UUID);
  });

  it('has the state Pending, Processing or Finished, and a response only when it is Finished', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const ask = async () => (await post(fixture, { id }, { path: '/lp/export?timeout=0' })).text;
    assert.equal(await ask(), `{"id":"${id}","state":"Pending","ext_response":{}}`);
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    assert.equal(await ask(), `{"id":"${id}","state":"Processing","ext_response":{}}`);
    fixture.store.change(id, deliveredWith(200, 'a "body"'));
    assert.equal(
      await ask(),
      `{"id":"${id}","state":"Finished","ext_response":{"status":"200 OK","body":"a \\"body\\""}}`,
    );
  });

  it('has the status with the title of the original, and a bare number where that had none', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const titles: Readonly<Record<string, string>> = statusVectors.strings;
    for (const status of [...Object.keys(titles).map(Number), 299, 599]) {
      fixture.store.change(id, deliveredWith(status));
      const { json } = await post(fixture, { id });
      assert.deepEqual(json.ext_response, { status: titles[status] ?? String(status), body: 'ok' });
    }
  });

  it('has the body as a string also where the destination answered JSON, and none of its headers', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers('201 Created', '{"stored":true}', { 'x-own': 'header' });
    assert.deepEqual((await exported(service, destination.url, '{}')).ext_response, {
      status: '201 Created',
      body: '{"stored":true}',
    });
  });

  it('redirects are not followed: a 3xx is the result', async () => {
    await using service = await ServiceProcess.start();
    await using elsewhere = await nasty.answers();
    await using destination = await nasty.redirects(elsewhere.url);
    const { state, ext_response } = await exported(service, destination.url, '{}');
    assert.equal(state, 'Finished');
    assert.equal(ext_response.status, '307 Temporary Redirect (since HTTP/1.1)');
    assert.equal(elsewhere.connections, 0);
  });

  it('any status of the destination is Finished: there is no failed state', async () => {
    await using service = await ServiceProcess.start();
    for (const status of ['200 OK', '404 Not Found', '501 Not Implemented', '299 Whatever']) {
      await using destination = await nasty.answers(status);
      assert.equal((await exported(service, destination.url, '{}')).state, 'Finished', status);
    }
  });

  it('differs: 408, 425, 429 and 5xx are tried again before they are the result', async () => {
    await using service = await ServiceProcess.start(['--retry-base', '1ms', '--attempts-max', '3']);
    await using destination = await nasty.answers('503 Service Unavailable');
    const { state, ext_response } = await exported(service, destination.url, '{}');
    assert.deepEqual([state, ext_response.status], ['Finished', '503 Service Unavailable']);
    assert.equal(destination.received.length, 3);
  });

  it('differs: while it waits for another attempt it tells how many there were, when, and why', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const lastError = { code: 'timeout', detail: 'No answer.' } as const;
    const nextAttemptAt = fixture.clock.steady() + 5_000;
    fixture.store.change(id, { state: 'waiting', attempts: 1, nextAttemptAt, lastError });
    const { json } = await post(fixture, { id }, { path: '/export' });
    assert.deepEqual(json, {
      id,
      state: 'Processing',
      ext_response: {},
      attempts: 1,
      next_attempt_at: '2026-03-01T12:00:05.000Z',
      last_error: lastError,
    });
  });

  it('"attempts_max": 1 asks for what the original did: one attempt, and its status is the result', async () => {
    await using service = await ServiceProcess.start(['--retry-base', '1ms']);
    await using destination = await nasty.answers('503 Service Unavailable');
    const { ext_response } = await exported(service, destination.url, '{}', { attempts_max: 1 });
    assert.equal(ext_response.status, '503 Service Unavailable');
    assert.equal(destination.received.length, 1);
  });

  it('differs: an answer is kept up to --response-bytes-max, and says when it was longer', async () => {
    await using service = await ServiceProcess.start(['--response-bytes-max', '4']);
    for (const [body, told] of [
      ['four', { status: '200 OK', body: 'four' }],
      ['fives', { status: '200 OK', body: 'five', truncated: true }],
    ] as const) {
      await using destination = await nasty.answers('200 OK', body);
      assert.deepEqual((await exported(service, destination.url, '{}')).ext_response, told);
    }
  });

  it('differs: the certificate of a destination is checked, and one that is not trusted gets nothing', async () => {
    await using service = await ServiceProcess.start(['--attempts-max', '1']);
    await using destination = await nasty.answersOverTls('self-signed');
    const { ext_response } = await exported(service, destination.url, '{}');
    assert.partialDeepStrictEqual(ext_response, { status: '502 Bad Gateway', error: { code: 'tls_failed' } });
    assert.equal(destination.received.length, 0);
  });

  it('differs: a destination that cannot be reached ends the export, with the reason in "error"', async () => {
    await using service = await ServiceProcess.start(['--attempts-max', '1']);
    const { state, ext_response } = await exported(service, await nasty.closedPort(), '{}');
    assert.equal(state, 'Finished');
    assert.partialDeepStrictEqual(ext_response, {
      status: '502 Bad Gateway',
      body: '',
      error: { code: 'connection_failed' },
    });
  });
});

describe('1.4 the life of a request', () => {
  it('differs: what was answered outlives a kill, and is sent', async () => {
    await using service = await ServiceProcess.start();
    let isUp = false;
    await using destination = await startDestination({
      onRequest: (socket) => isUp && socket.write(answerText('200 OK')),
    });
    const token = tokenFor({ destination: destination.url });
    const ask = async (body: object) => {
      const headers = { 'x-api-key': token, prefer: 'wait=30' };
      const answer = await request(`${service.url}/export`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      return (await answer.body.json()) as { id: string; state: string };
    };
    const lost = ask({ uri: destination.url, data: '{}', idempotency_key: 'once' });
    const isLost = assert.rejects(lost);
    await destination.arrived(1);
    await service.end('SIGKILL');
    await isLost;
    isUp = true;
    await service.start();
    const again = await ask({ uri: destination.url, data: '{}', idempotency_key: 'once' });
    assert.equal(again.state, 'Finished');
    assert.equal(destination.received[1]?.headers['webhook-id'], again.id);
  });

  it('a new request is answered at once with Pending, whatever time-out it names', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await post(fixture, FRESH, { path: '/lp/export?timeout=60' });
    assert.equal(answer.json.state, 'Pending');
    assert.deepEqual(fixture.clock.pendingMs, []);
  });

  it('differs: its id is a UUID of version 7, which sorts; its random part cannot be guessed', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 10 } });
    const ids = [await fixture.submit(), await fixture.submit()];
    for (const id of ids) assert.match(id, /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab]/);
    assert.notEqual(ids[0]?.slice(-12), ids[1]?.slice(-12));
  });

  it('differs: "Prefer: wait" keeps a new request until it has ended', async () => {
    await using fixture = await HttpFixture.start();
    const answer = post(fixture, FRESH, { headers: { prefer: 'wait=20' } });
    await fixture.untilWaiting(1);
    fixture.store.change(fixture.store.inserted[0]?.id ?? '', deliveredWith(200));
    assert.equal((await answer).json.state, 'Finished');
  });

  it('a poll of what has ended is answered at once', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, deliveredWith(200));
    assert.equal((await post(fixture, { id })).json.state, 'Finished');
    assert.deepEqual(fixture.clock.pendingMs, []);
  });

  it('differs: its result stays, and can be read again', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, deliveredWith(200));
    const first = await post(fixture, { id });
    assert.equal((await post(fixture, { id })).text, first.text);
  });

  const timeouts: [name: string, query: string, ms: number | null][] = [
    ['a poll waits five seconds when it does not say', '', 5_000],
    ['a poll waits as long as its timeout says, in seconds, fractions too', '?timeout=2.5', 2_500],
    ['a timeout that is no number means five seconds', '?timeout=soon', 5_000],
    ['a timeout of 0 does not wait', '?timeout=0', null],
    ['a negative timeout does not wait', '?timeout=-1', null],
    ['differs: "inf" waits no longer than --long-poll-max', '?timeout=inf', 300_000],
    ['differs: a large timeout waits no longer than --long-poll-max', '?timeout=1e9', 300_000],
    ['differs: hexadecimal is no number here, and means five seconds', '?timeout=0x10', 5_000],
    ['differs: a number with underscores is none here, and means five seconds', '?timeout=1_0', 5_000],
  ];
  for (const [name, query, ms] of timeouts) {
    it(name, async () => {
      await using fixture = await HttpFixture.start();
      const id = await fixture.submit();
      const answer = post(fixture, { id }, { path: `/lp/export${query}` });
      if (ms !== null) {
        await fixture.untilWaiting(1);
        assert.deepEqual(fixture.clock.pendingMs, [ms]);
        fixture.clock.advance(ms);
      }
      const { status, json } = await answer;
      assert.deepEqual([status, json.state], [200, 'Pending'], 'the present state, with 200');
    });
  }

  it('the change from Pending to Processing ends the wait', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = post(fixture, { id });
    await fixture.untilWaiting(1);
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    assert.equal((await answer).json.state, 'Processing');
  });

  it('differs: of two polls on one id both are woken, and both get the result', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    const answers = [post(fixture, { id }), post(fixture, { id })];
    await fixture.untilWaiting(2);
    fixture.store.change(id, deliveredWith(200));
    for (const answer of answers) assert.equal((await answer).json.state, 'Finished');
  });

  it('/export is the same without waiting', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = await fixture.send({ path: '/export?timeout=60', body: { id } });
    assert.equal(answer.text, `{"id":"${id}","state":"Pending","ext_response":{}}`);
  });

  it('exports to one destination leave one after the other, in the order of their coming', async () => {
    await using service = await ServiceProcess.start();
    let isBusy = false;
    let hasOverlapped = false;
    await using destination = await startDestination({
      onRequest: (socket) => {
        hasOverlapped ||= isBusy;
        isBusy = true;
        setImmediate(() => {
          isBusy = false;
          socket.write(answerText('200 OK'));
        });
      },
    });
    const token = tokenFor({ destination: destination.url });
    const body = JSON.stringify(Array.from({ length: 20 }, (_, n) => ({ uri: destination.url, data: n })));
    await request(`${service.url}/export`, { method: 'POST', headers: { 'x-api-key': token }, body });
    await destination.arrived(20);
    assert.equal(hasOverlapped, false);
    assert.deepEqual(
      destination.received.map((each) => Number(each.body)),
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  it('differs: a destination that never answers holds up nobody else', async () => {
    await using service = await ServiceProcess.start();
    await using deaf = await nasty.neverAnswers();
    await using destination = await nasty.answers();
    const first = exported(service, deaf.url, '{}').catch(() => {});
    await deaf.arrived(1);
    assert.equal((await exported(service, destination.url, '{}')).state, 'Finished');
    await service.end('SIGKILL');
    await first;
  });

  it('differs: what waits is bounded, and one more is 429', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 1 } });
    await fixture.submit();
    const answer = await post(fixture, FRESH);
    assert.deepEqual([answer.status, answer.json.code], [429, 'too_many_pending']);
  });

  it('differs: an attempt has a deadline', async () => {
    await using service = await ServiceProcess.start(['--attempts-max', '1', '--attempt-timeout', '100ms']);
    await using deaf = await nasty.neverAnswers();
    const { ext_response } = await exported(service, deaf.url, '{}');
    assert.equal(ext_response.status, '504 Gateway Timeout');
  });
});

describe('1.5 errors', () => {
  const token = tokenVector('ok-zest-ocaml-macaroons').token;
  const cases: [name: string, options: RequestOptions, status: number, code: string][] = [
    ['without X-Api-Key and Basic: 401', { token: null }, 401, 'missing_token'],
    [
      'base64url that is no macaroon: 401',
      { token: Buffer.from('not a macaroon').toString('base64url') },
      401,
      'malformed_token',
    ],
    [
      'a character outside of base64: 401',
      { token: `${token.slice(0, 40)}*${token.slice(41)}` },
      401,
      'malformed_token',
    ],
    [
      'a signature that does not match: 401',
      { token: tokenVector('tamper-sig-first').token },
      401,
      'invalid_token',
    ],
    ['a caveat that does not hold: 401', { token: tokenWith({ path: '/other' }) }, 401, 'caveat_refused'],
    ['differs: a body that is no JSON is 400, not 404', { body: '{"id"' }, 400, 'invalid_json'],
    ['differs: a member that is missing is 400, not 404', { body: { id: '' } }, 400, 'invalid_request'],
    [
      'differs: a member of another type is 400, not 404',
      { body: { ...FRESH, uri: [] } },
      400,
      'invalid_request',
    ],
    ['an unknown id: 404', { body: { ...FRESH, id: UNKNOWN_ID } }, 404, 'unknown_export'],
    [
      'differs: an id that is no UUID is 400, not 500',
      { body: { ...FRESH, id: 'x' } },
      400,
      'invalid_request',
    ],
    [
      'differs: data that holds no JSON is 400, not 500',
      { body: { ...FRESH, data: 'x' } },
      400,
      'invalid_request',
    ],
    [
      'differs: malformed lengths in a token are 401, not 500',
      { token: tokenVector('len-zero').token },
      401,
      'malformed_token',
    ],
  ];
  for (const [name, options, status, code] of cases) {
    it(name, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await post(fixture, FRESH, options);
      assert.deepEqual([answer.status, answer.json.code], [status, code]);
    });
  }

  it('differs: every error is problem+json with a code, a status and what to do, not text/plain', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await post(fixture, FRESH, { token: null });
    assert.equal(answer.headers['content-type'], 'application/problem+json');
    assert.deepEqual(Object.keys(answer.json), ['type', 'title', 'status', 'detail', 'code']);
  });

  it('differs: without a secret from the arbiter it is 503 at once, and not 401 after half a minute', async () => {
    await using fixture = await HttpFixture.start({ keys: [] });
    const answer = await post(fixture, FRESH);
    assert.deepEqual([answer.status, answer.json.code], [503, 'no_root_key']);
    assert.ok(Number(answer.headers['retry-after']) > 0);
  });

  it('differs: a body that cannot be read is 400 also for a token with a destination, and not 401', async () => {
    await using fixture = await HttpFixture.start();
    assert.equal((await post(fixture, 'x', { token: tokenWith() })).json.code, 'invalid_json');
  });

  it('differs: the token is judged before the body: nobody without one hears what is wrong with a body', async () => {
    await using fixture = await HttpFixture.start();
    for (const body of [{ ...FRESH, id: 'x' }, { ...FRESH, data: 'x' }, '{']) {
      assert.equal((await post(fixture, body, { token: null })).json.code, 'missing_token');
    }
  });

  it('every error is a status other than 2xx, which is all that the Node client looks at', async () => {
    await using fixture = await HttpFixture.start();
    for (const [, options] of cases) {
      const { status } = await post(fixture, FRESH, options);
      assert.ok(status >= 400, String(status));
    }
  });
});
