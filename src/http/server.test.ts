/** Method: the real service and authorizer behind a real socket; only the store and the clock are the test's own. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DESTINATION,
  HttpFixture,
  type RequestOptions,
  tokenWith,
} from '../../test/support/http/http-fixture.ts';
import { ExportError } from '../export/errors.ts';
import type { ExportJob } from '../export/job.ts';

const FRESH = { uri: DESTINATION, data: '{"a":1}' };
const UNKNOWN_ID = '018f0000-0000-7000-8000-000000000000';

describe('a new export', () => {
  it('is answered with Pending in the members and the order of the original', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ body: { id: '', ...FRESH } });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.match(answer.text, /^\{"id":"[\da-f-]{36}","state":"Pending","ext_response":\{\}\}$/);
    assert.deepEqual(fixture.queuedData, ['{"a":1}']);
  });

  for (const id of [undefined, null, '', '00000000-0000-0000-0000-000000000000']) {
    it(`is what an "id" of ${JSON.stringify(id)} asks for`, async () => {
      await using fixture = await HttpFixture.start();
      assert.equal((await fixture.send({ body: { ...FRESH, id } })).status, 200);
      assert.equal(fixture.store.inserted.length, 1);
    });
  }

  it('is on record with the address that it came from, in a batch and with a wait too', async () => {
    await using fixture = await HttpFixture.start();
    const body = { uri: DESTINATION, data: 1 };
    const headers = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1' };
    await fixture.send({ body, headers });
    await fixture.send({ body: [body] });
    await fixture.send({ body, headers: { prefer: 'wait=0' } });
    assert.deepEqual(
      fixture.store.inserted.map(({ peer }) => peer),
      ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    );
  });

  it('belongs to the identifier of the token', async () => {
    await using fixture = await HttpFixture.start();
    await fixture.send({ body: FRESH, token: tokenWith({ identifier: 'mood-app' }) });
    assert.deepEqual(fixture.store.inserted[0]?.lane, { client: 'mood-app', destination: DESTINATION });
  });

  it('may have as many attempts as the service allows, and has that many when it does not say', async () => {
    await using fixture = await HttpFixture.start();
    await fixture.submit();
    await fixture.submit({ attempts_max: 1 });
    await fixture.submit({ attempts_max: 9 });
    assert.deepEqual(
      fixture.store.inserted.map((job) => job.attemptsMax),
      [9, 1, 9],
    );
  });

  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ';;', 'a/b/c', ''];
  for (const type of types) {
    it(`is JSON whatever its content type says, be it "${type}"`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body: FRESH, headers: { 'content-type': type } });
      assert.equal(answer.status, 200, answer.text);
    });
  }

  it('needs no content type', async () => {
    await using fixture = await HttpFixture.start();
    const chunked = { 'transfer-encoding': 'chunked' };
    assert.equal((await fixture.send({ body: FRESH })).status, 200);
    assert.equal((await fixture.send({ body: FRESH, headers: chunked })).status, 200);
  });

  it('takes no members from a __proto__ in the body', async () => {
    await using fixture = await HttpFixture.start();
    const body = `{"__proto__":{"uri":"${DESTINATION}","data":"1"}}`;
    assert.equal((await fixture.send({ body })).json.code, 'invalid_request');
  });
});

describe('the data that is sent', () => {
  const cases: [what: string, data: string, sent: string][] = [
    ['a string that holds JSON goes out byte for byte', '" {\\"a\\" : 1.10} "', ' {"a" : 1.10} '],
    ['a string may hold a scalar', '"\\"text\\""', '"text"'],
    ['a string goes out as UTF-8', '"[\\"\u00e9\ud83d\ude00\\"]"', '["\u00e9\ud83d\ude00"]'],
    ['an object is made compact', '{ "b" : 1 ,\n "1" : [ ] }', '{"b":1,"1":[]}'],
    [
      'digits stay as they were given',
      '[1.10, 12345678901234567890, 1e400, -0]',
      '[1.10,12345678901234567890,1e400,-0]',
    ],
    ['null is a value', 'null', 'null'],
    ['false is a value', 'false', 'false'],
    ['a number is a value', ' 1.50 ', '1.50'],
    [
      'keys that have a meaning in JavaScript survive',
      '{"__proto__":{"a":1},"constructor":2}',
      '{"__proto__":{"a":1},"constructor":2}',
    ],
    ['the last of two members counts', '1, "d\\u0061ta": [2.0]', '[2.0]'],
    ['the last of two members counts, a string too', '[1], "data": "2.0"', '2.0'],
  ];
  for (const [what, data, sent] of cases) {
    it(`${what}: ${data}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body: `{"uri":"${DESTINATION}","data":${data}}` });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual(fixture.queuedData, [sent]);
    });
  }

  it('may be nested a thousand levels deep as a string, one less in the object that is the body, and no deeper', async () => {
    await using fixture = await HttpFixture.start();
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    const asValue = (depth: number) => `{"uri":"${DESTINATION}","data":${nested(depth)}}`;
    const asString = (depth: number) => ({ uri: DESTINATION, data: nested(depth) });
    for (const body of [asValue(999), asString(1_000)]) {
      assert.equal((await fixture.send({ body })).status, 200);
    }
    assert.deepEqual(fixture.queuedData, [nested(999), nested(1_000)]);
    for (const body of [asValue(1_000), asString(1_001), '['.repeat(60_000)]) {
      const { status, json } = await fixture.send({ body });
      assert.deepEqual([status, json.code], [400, 'invalid_request']);
      assert.match(json.detail, /nested deeper than 1000 levels/);
    }
    assert.equal(fixture.store.inserted.length, 2);
  });

  it('is measured for data-bytes as it will be sent, not as it came', async () => {
    await using fixture = await HttpFixture.start();
    const token = tokenWith({ more: ['data-bytes <= 7'] });
    const blanks = `{"uri":"${DESTINATION}","data":{ "a" : 1 }}`;
    assert.equal((await fixture.send({ token, body: blanks })).status, 200);
    const refused = await fixture.send({ token, body: { ...FRESH, data: '{"a": 1}' } });
    assert.equal(refused.json.code, 'caveat_refused');
    // Two characters, eight bytes.
    const wide = await fixture.send({ token, body: { ...FRESH, data: '"\u{1f600}\u00e9"' } });
    assert.equal(wide.json.code, 'caveat_refused');
  });
});

describe('the fields of a body', () => {
  const wrong: [field: string, body: object | string][] = [
    ['JSON object', '1'],
    ['JSON object', 'null'],
    ['JSON object', '"text"'],
    ['uri', { data: '1' }],
    ['uri', { uri: null, data: '1' }],
    ['uri', { uri: 5, data: '1' }],
    ['uri', { uri: 'no url', data: '1' }],
    ['uri', { uri: '/relative', data: '1' }],
    ['data', { uri: DESTINATION }],
    ['data', { uri: DESTINATION, data: 'no json' }],
    ['data', { uri: DESTINATION, data: '' }],
    ['data', { uri: DESTINATION, data: '{"a":1} x' }],
    ['data', `{"uri":"${DESTINATION}","data":"\\"\\ud800\\""}`],
    ['id', { ...FRESH, id: 'no-uuid' }],
    ['id', { ...FRESH, id: 5 }],
    ['id', { ...FRESH, id: `${UNKNOWN_ID}x` }],
    ['id', { ...FRESH, id: {} }],
    ['uri', { id: UNKNOWN_ID, uri: 5 }],
    ...[0, -1, 10, 1.5, '3', null, true].map((attempts_max): [string, object] => [
      'attempts_max',
      { ...FRESH, attempts_max },
    ]),
    ...['', 'a b', '\u00e9', 'x'.repeat(256), 5, null].map((idempotency_key): [string, object] => [
      'idempotency_key',
      { ...FRESH, idempotency_key },
    ]),
  ];
  for (const [field, body] of wrong) {
    it(`are refused by name: ${field} in ${JSON.stringify(body).slice(0, 90)}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body });
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.json.code, 'invalid_request');
      assert.ok(answer.json.detail.includes(field), answer.json.detail);
      assert.equal(fixture.store.inserted.length, 0);
    });
  }

  const noJson: [what: string, body: string | Buffer][] = [
    ['nothing', ''],
    ['blanks', '  '],
    ['text', 'hello'],
    ['an object cut short', '{"uri":'],
    ['text after the object', '{} {}'],
    ['bytes that are not UTF-8', Buffer.from('{"uri":"\xff"}', 'latin1')],
    ['a number JSON does not know', '{"data":NaN}'],
  ];
  for (const [what, body] of noJson) {
    it(`are not looked for in ${what}, which is not JSON`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body });
      assert.equal(answer.status, 400);
      assert.equal(answer.json.code, 'invalid_json');
    });
  }

  it('are not repeated in an error: it may be a payload', async () => {
    await using fixture = await HttpFixture.start();
    for (const body of [
      '{"secret": oops',
      { ...FRESH, data: 'secret' },
      { ...FRESH, attempts_max: 'secret' },
    ]) {
      const answer = await fixture.send({ body });
      assert.equal(answer.status, 400);
      assert.ok(!answer.text.includes('secret'), answer.text);
    }
  });
});

const FINISHED_WITH_A_LONG_ANSWER: Partial<ExportJob> = {
  state: 'delivered',
  finishedAt: 1,
  result: { kind: 'answer', answer: { status: 200, body: 'x'.repeat(65_536), truncated: false } },
};

/** Everything that can be wrong with a request, in the order of judgement (interface, section 3). */
const FAULTS: { what: string; code: string; status: number; faulty: RequestOptions }[] = [
  { what: 'path', code: 'not_found', status: 404, faulty: { path: '/exports' } },
  { what: 'method', code: 'method_not_allowed', status: 405, faulty: { method: 'PUT' } },
  { what: 'no token', code: 'missing_token', status: 401, faulty: { token: null } },
  { what: 'not a token', code: 'malformed_token', status: 401, faulty: { token: 'garbage' } },
  {
    what: 'signature',
    code: 'invalid_token',
    status: 401,
    faulty: { token: tokenWith({ rootKey: Buffer.from('other') }) },
  },
  {
    what: 'caveat',
    code: 'caveat_refused',
    status: 401,
    faulty: { token: tokenWith({ path: '/other', destination: null }) },
  },
  {
    what: 'caveat missing',
    code: 'caveat_missing',
    status: 401,
    faulty: { token: tokenWith({ target: null, destination: null }) },
  },
  { what: 'size', code: 'payload_too_large', status: 413, faulty: { body: `{"${'x'.repeat(70_000)}` } },
  { what: 'JSON', code: 'invalid_json', status: 400, faulty: { body: '{' } },
  { what: 'field', code: 'invalid_request', status: 400, faulty: { body: { uri: 'http://x.example/' } } },
  {
    what: 'destination missing',
    code: 'destination_missing',
    status: 401,
    faulty: { token: tokenWith({ destination: null }), body: { ...FRESH, uri: 'http://plain.example/' } },
  },
  {
    what: 'destination of another token',
    code: 'caveat_refused',
    status: 401,
    faulty: { token: tokenWith(), body: { ...FRESH, uri: 'http://plain.example/' } },
  },
  {
    what: 'destination refused',
    code: 'destination_refused',
    status: 403,
    faulty: {
      token: tokenWith({ destination: 'http://plain.example/' }),
      body: { ...FRESH, uri: 'http://plain.example/' },
    },
  },
];

describe('the order of judgement', () => {
  for (const { what, code, status, faulty } of FAULTS) {
    it(`${what}: ${status} ${code}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body: FRESH, ...faulty });
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.json.code, code);
      assert.equal(answer.headers['content-type'], 'application/problem+json');
      assert.equal(answer.json.type, `/docs#${code}`);
      assert.equal(answer.json.status, status);
      assert.equal(
        answer.headers['www-authenticate'],
        status === 401 ? 'Bearer realm="export-service"' : undefined,
      );
      assert.deepEqual(fixture.store.inserted, []);
    });
  }

  it('gives a request with two faults the code of the earlier one', async () => {
    await using fixture = await HttpFixture.start();
    for (const [index, later] of FAULTS.entries()) {
      for (const earlier of FAULTS.slice(0, index)) {
        const answer = await fixture.send({ body: FRESH, ...later.faulty, ...earlier.faulty });
        assert.equal(answer.json.code, earlier.code, `${earlier.what} before ${later.what}`);
      }
    }
  });

  it('asks for the root key after the route and before the token', async () => {
    await using fixture = await HttpFixture.start({ keys: [] });
    const answer = await fixture.send({ token: null });
    assert.equal(answer.status, 503);
    assert.equal(answer.json.code, 'no_root_key');
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.equal((await fixture.send({ path: '/x' })).json.code, 'not_found');
  });

  it('judges the rate after the caveats and before the destination', async () => {
    await using fixture = await HttpFixture.start({ limits: { rateMax: 1 } });
    const headers = { 'idempotency-key': 'k' };
    assert.equal((await fixture.send({ headers, body: FRESH })).status, 200);
    const limited = await fixture.send({ body: FRESH });
    assert.deepEqual([limited.status, limited.json.code], [429, 'rate_limited']);
    assert.equal(limited.headers['retry-after'], '1');
    assert.match(limited.json.detail, /1 exports a second/);
    const refused = FAULTS.find(({ code }) => code === 'destination_refused');
    assert.equal((await fixture.send({ ...refused?.faulty })).json.code, 'rate_limited');
    assert.equal((await fixture.send({ headers, body: FRESH })).json.code, 'rate_limited', 'a repeat too');
    assert.equal(
      (await fixture.send({ body: { ...FRESH, uri: 'https://other.example/' } })).json.code,
      'caveat_refused',
    );
    assert.equal((await fixture.send({ body: [FRESH, FRESH] })).json.code, 'rate_limited');
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('judges the rate of new exports only, for each client by itself, and lets who waited pass', async () => {
    await using fixture = await HttpFixture.start({ limits: { rateMax: 1 } });
    const id = await fixture.submit();
    for (let n = 0; n < 5; n += 1) assert.equal((await fixture.send({ body: { id } })).status, 200);
    const other = tokenWith({ identifier: 'other-app' });
    assert.equal((await fixture.send({ body: FRESH, token: other })).status, 200);
    fixture.clock.advance(1_000);
    assert.equal((await fixture.send({ body: FRESH })).status, 200);
  });

  it('judges the destination before idempotency, and idempotency before limits', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 1 } });
    const headers = { 'idempotency-key': 'k' };
    await fixture.send({ headers, body: FRESH });
    const other = await fixture.send({ headers, body: { ...FRESH, data: '2' } });
    assert.equal(other.status, 422);
    assert.equal(other.json.code, 'idempotency_mismatch');
    const repeat = await fixture.send({ headers, body: FRESH });
    assert.equal(repeat.status, 200);
    const full = await fixture.send({ body: FRESH });
    assert.equal(full.status, 429);
    assert.equal(full.json.code, 'too_many_pending');
    assert.ok(Number(full.headers['retry-after']) > 0);
  });

  it('lets a token without a destination through when that is set, and only then', async () => {
    await using fixture = await HttpFixture.start({ requireDestination: false });
    const answer = await fixture.send({ token: tokenWith({ destination: null }), body: FRESH });
    assert.equal(answer.status, 200);
  });
});

describe('refusals that come from the store', () => {
  const failures: [code: 'store_full' | 'store_unavailable', status: number][] = [
    ['store_full', 507],
    ['store_unavailable', 503],
  ];
  for (const [code, status] of failures) {
    it(`${code} is answered with ${status}`, async () => {
      await using fixture = await HttpFixture.start();
      fixture.store.failure = new ExportError(code, 'The store is out of order.');
      const answer = await fixture.send({ body: FRESH });
      assert.equal(answer.status, status);
      assert.equal(answer.json.code, code);
      assert.equal(answer.headers['retry-after'] !== undefined, status === 503);
    });
  }

  it('an exception that nobody foresaw is a 500 that tells nothing, and is logged', async () => {
    await using fixture = await HttpFixture.start();
    const mistake = new TypeError('secret reason');
    fixture.store.failure = mistake;
    const answer = await fixture.send({ body: FRESH });
    assert.equal(answer.status, 500);
    assert.equal(answer.json.code, 'internal_error');
    assert.ok(!answer.text.includes('secret'));
    assert.deepEqual(fixture.unexpected, [mistake]);
  });

  it('a service that stops takes nothing in', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.service.stopAccepting();
    const answer = await fixture.send({ body: FRESH });
    assert.equal(answer.status, 503);
    assert.equal(answer.json.code, 'shutting_down');
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.equal((await fixture.send({ body: { id } })).status, 200);
  });
});

describe('a poll', () => {
  it('needs the id alone', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = await fixture.send({ body: { id } });
    assert.equal(answer.text, `{"id":"${id}","state":"Pending","ext_response":{}}`);
  });

  it('takes the id in upper case, the right uri, and data of any kind', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const body = { id: id.toUpperCase(), uri: DESTINATION, data: 'no json', attempts_max: 'x' };
    const answer = await fixture.send({ body, headers: { 'idempotency-key': 'not a key' } });
    assert.equal(answer.json.id, id);
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('cannot tell an export of somebody else from one that never was: same answer, same work', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, FINISHED_WITH_A_LONG_ANSWER);
    const other = 'https://other.example/';
    const asked: RequestOptions[] = [
      { body: { id: UNKNOWN_ID } },
      { body: { id }, token: tokenWith({ identifier: 'other' }) },
      { body: { id }, token: tokenWith({ destination: other }) },
      { body: { id }, token: tokenWith({ more: [`destination = ${other}`] }) },
      { body: { id, uri: other } },
      { body: { id, uri: '' } },
    ];
    for (const options of asked.flatMap((one) => [one, { ...one, path: '/lp/export' }])) {
      fixture.store.lookups.length = 0;
      const [answer, never] = [
        await fixture.send(options),
        await fixture.send({ ...options, body: { id: UNKNOWN_ID } }),
      ];
      assert.deepEqual([answer.status, answer.json.code], [404, 'unknown_export']);
      assert.equal(answer.text, never.text);
      assert.deepEqual({ ...answer.headers, date: '' }, { ...never.headers, date: '' });
      // One lookup each, and the store is told for whom: what is somebody else's never leaves it.
      const [first, second, ...more] = fixture.store.lookups;
      assert.deepEqual([first?.viewer, more], [second?.viewer, []]);
      assert.notEqual(first?.viewer, null);
    }
  });

  it('in a large batch names the element that is unknown, wherever it is', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 100 } });
    const ids = await Promise.all(Array.from({ length: 20 }, () => fixture.submit()));
    const polls = ids.map((id) => ({ id }));
    assert.equal((await fixture.send({ body: polls })).json.length, 20);
    for (const index of [0, 7, 8, 19]) {
      const answer = await fixture.send({ body: polls.with(index, { id: UNKNOWN_ID }) });
      assert.equal(answer.status, 404);
      assert.match(answer.json.detail, new RegExp(`\\(element ${index}\\)$`));
    }
  });

  it('needs a destination caveat, whatever it asks for, and no room for data', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const without = await fixture.send({ body: { id: UNKNOWN_ID }, token: tokenWith({ destination: null }) });
    assert.equal(without.json.code, 'destination_missing');
    const noBytes = await fixture.send({ body: { id }, token: tokenWith({ more: ['data-bytes <= 0'] }) });
    assert.equal(noBytes.status, 200);
  });

  it('can be repeated after the end', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = { status: 200, body: 'thanks', truncated: false };
    fixture.store.change(id, { state: 'delivered', finishedAt: 1, result: { kind: 'answer', answer } });
    for (let time = 0; time < 2; time += 1) {
      const { json } = await fixture.send({ path: '/lp/export', body: { id } });
      assert.deepEqual(json, { id, state: 'Finished', ext_response: { status: '200 OK', body: 'thanks' } });
    }
  });
});

describe('a batch', () => {
  it('of new exports is taken in as a whole, and answered in order', async () => {
    await using fixture = await HttpFixture.start();
    const body = ['1', { a: 1 }, null].map((data) => ({ uri: DESTINATION, data }));
    const answer = await fixture.send({ body });
    assert.deepEqual(fixture.queuedData, ['1', '{"a":1}', 'null']);
    assert.deepEqual(
      answer.json.map(({ id }) => id),
      fixture.store.inserted.map(({ id }) => id),
    );
  });

  it('keeps the digits of every element, whatever stands between them', async () => {
    await using fixture = await HttpFixture.start();
    const body = `[{"data":1.0,"uri":"${DESTINATION}"}, {"uri":"${DESTINATION}","x":[{"data":7}],"data":"2.0"} ,{"uri":"${DESTINATION}","data":{"data":3.0}}]`;
    await fixture.send({ body });
    assert.deepEqual(fixture.queuedData, ['1.0', '2.0', '{"data":3.0}']);
  });

  it('of polls is answered in order', async () => {
    await using fixture = await HttpFixture.start();
    const ids = [await fixture.submit(), await fixture.submit()].reverse();
    const answer = await fixture.send({ path: '/lp/export', body: ids.map((id) => ({ id })) });
    assert.deepEqual(
      answer.json.map(({ id }) => id),
      ids,
    );
  });

  it('of one is answered as a batch', async () => {
    await using fixture = await HttpFixture.start();
    assert.equal((await fixture.send({ body: [FRESH] })).json.length, 1);
  });

  it('has 1 to 1,000 elements', async () => {
    await using fixture = await HttpFixture.start({
      settings: { bodyBytesMax: 1 << 20 },
      limits: { pendingMax: 5_000 },
    });
    const sized = (count: number) => fixture.send({ body: Array(count).fill(FRESH) });
    assert.equal((await sized(1_000)).json.length, 1_000);
    for (const count of [0, 1_001]) assert.equal((await sized(count)).json.code, 'invalid_request');
    assert.equal(fixture.store.inserted.length, 1_000);
  });

  it('is bounded by the body limit as a whole', async () => {
    await using fixture = await HttpFixture.start({ settings: { bodyBytesMax: 200 } });
    assert.equal((await fixture.send({ body: [FRESH, FRESH, FRESH, FRESH] })).status, 413);
  });

  it('gives the first export twice for a key that comes twice', async () => {
    await using fixture = await HttpFixture.start();
    const element = { ...FRESH, idempotency_key: 'k' };
    const [first, second] = (await fixture.send({ body: [element, element] })).json;
    assert.equal(first?.id, second?.id);
    assert.equal(fixture.store.inserted.length, 1);
  });

  const id = UNKNOWN_ID;
  const bad: [
    what: string,
    code: string,
    index: number | null,
    body: unknown[],
    headers?: Record<string, string>,
  ][] = [
    ['of new exports and polls', 'invalid_request', 1, [FRESH, { id }]],
    ['of polls and new exports', 'invalid_request', 1, [{ id }, FRESH]],
    ['with the Idempotency-Key header', 'invalid_request', null, [FRESH], { 'idempotency-key': 'k' }],
    [
      'of polls with the Idempotency-Key header',
      'invalid_request',
      null,
      [{ id }],
      { 'idempotency-key': 'k' },
    ],
    ['of one that is no object', 'invalid_request', 0, [1]],
    ['of batches', 'invalid_request', 0, [[FRESH]]],
    ['with two bad fields', 'invalid_request', 1, [FRESH, { uri: 1 }, { uri: 2 }]],
    [
      'with a field bad after a destination refused',
      'invalid_request',
      2,
      [{ ...FRESH, uri: 'http://x.example/' }, FRESH, {}],
    ],
    [
      'with a destination of another token',
      'caveat_refused',
      1,
      [FRESH, { ...FRESH, uri: 'https://x.example/' }],
    ],
    ['with a poll of nothing', 'unknown_export', 0, [{ id }]],
    ['with too many', 'too_many_pending', 3, [FRESH, FRESH, FRESH, FRESH]],
    [
      'with a key used for two things',
      'idempotency_mismatch',
      1,
      [
        { ...FRESH, idempotency_key: 'k' },
        { ...FRESH, idempotency_key: 'k', data: '2' },
      ],
    ],
  ];
  for (const [what, code, index, body, headers = {}] of bad) {
    it(`${what} is refused with ${code}${index === null ? '' : ` at element ${index}`}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body, headers });
      assert.equal(answer.json.code, code, answer.text);
      if (index !== null) assert.ok(answer.json.detail.includes(`element ${index}`), answer.json.detail);
    });
  }

  it('of polls names the lowest index that fails, whatever it fails with', async () => {
    await using fixture = await HttpFixture.start();
    const known = await fixture.submit();
    const wrongUri = { id: known, uri: 'https://x.example/' };
    const answer = await fixture.send({
      body: [{ id: known, uri: DESTINATION }, wrongUri, { id: UNKNOWN_ID }],
    });
    assert.equal(answer.json.code, 'unknown_export');
    assert.ok(answer.json.detail.includes('element 1'), answer.json.detail);
  });

  it('of one names its element when the destination is refused', async () => {
    await using fixture = await HttpFixture.start();
    const uri = 'http://plain.example/';
    const answer = await fixture.send({ token: tokenWith({ destination: uri }), body: [{ ...FRESH, uri }] });
    assert.equal(answer.json.code, 'destination_refused');
    assert.ok(answer.json.detail.includes('element 0'), answer.json.detail);
    const lane = { client: 'app', destination: uri };
    assert.deepEqual(fixture.store.refused, [{ lane, code: 'destination_refused', bytes: 7 }]);
  });
});

describe('an idempotency key', () => {
  it('may be given as a header or as a field, and means the same', async () => {
    await using fixture = await HttpFixture.start();
    const byHeader = await fixture.send({ body: FRESH, headers: { 'idempotency-key': 'k' } });
    const byField = await fixture.send({ body: { ...FRESH, idempotency_key: 'k' } });
    const byBoth = await fixture.send({
      body: { ...FRESH, idempotency_key: 'k' },
      headers: { 'idempotency-key': 'k' },
    });
    assert.equal(byField.json.id, byHeader.json.id);
    assert.equal(byBoth.json.id, byHeader.json.id);
  });

  it('is refused when header and field differ', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({
      body: { ...FRESH, idempotency_key: 'a' },
      headers: { 'idempotency-key': 'b' },
    });
    assert.equal(answer.json.code, 'invalid_request');
  });

  for (const key of ['', 'a b', 'caf\u00e9', 'x'.repeat(256), ['a', 'b']]) {
    it(`is refused as a header when it is ${JSON.stringify(key).slice(0, 20)}`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = await fixture.send({ body: FRESH, headers: { 'idempotency-key': key } });
      assert.equal(answer.json.code, 'invalid_request', answer.text);
      assert.ok(answer.json.detail.includes('Idempotency-Key'));
    });
  }

  it('may have 255 characters', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ body: FRESH, headers: { 'idempotency-key': '~'.repeat(255) } });
    assert.equal(answer.status, 200);
  });
});

describe('a token', () => {
  const token = tokenWith();
  const basic = Buffer.from(`${token}:`).toString('base64');
  const forms: [what: string, headers: Record<string, string | string[]>, status: number][] = [
    ['as X-Api-Key', { 'X-API-KEY': token }, 200],
    ['as the user name of Basic', { authorization: `Basic ${basic}` }, 200],
    ['as Bearer', { authorization: `Bearer ${token}` }, 200],
    ['as the last of several X-Api-Key', { 'x-api-key': ['garbage', token] }, 200],
    ['as the first of several X-Api-Key', { 'x-api-key': [token, 'garbage'] }, 401],
    ['as Bearer beside a bad X-Api-Key', { 'x-api-key': 'garbage', authorization: `Bearer ${token}` }, 401],
  ];
  for (const [what, headers, status] of forms) {
    it(`${what}: ${status}`, async () => {
      await using fixture = await HttpFixture.start();
      assert.equal((await fixture.send({ token: null, headers, body: FRESH })).status, status);
    });
  }

  it('of 8 KiB fits, beside other headers', async () => {
    await using fixture = await HttpFixture.start();
    const big = tokenWith({ identifier: 'x'.repeat(5_900) });
    assert.ok(big.length > 8_000, String(big.length));
    const headers = { cookie: 'c'.repeat(8_000) };
    assert.equal((await fixture.send({ token: big, body: FRESH, headers })).status, 200);
  });

  it('for one path does not open the other, however that is written', async () => {
    await using fixture = await HttpFixture.start();
    const onlyExport = tokenWith({ path: '/export' });
    assert.equal((await fixture.send({ token: onlyExport, body: FRESH })).status, 200);
    assert.equal(
      (await fixture.send({ token: onlyExport, body: FRESH, path: '/export?x=/lp/export' })).status,
      200,
    );
    const codes: [path: string, code: string][] = [
      ['/lp/export', 'caveat_refused'],
      ['/lp/../export', 'not_found'],
      ['/lp%2fexport', 'not_found'],
      ['/%6cp/export', 'not_found'],
      ['/%65xport', 'not_found'],
      ['/export/', 'not_found'],
      ['/export;x', 'not_found'],
      ['//export', 'not_found'],
      ['/EXPORT', 'not_found'],
      ['/%zz', 'not_found'],
      ['/export%00', 'not_found'],
    ];
    for (const [path, code] of codes) {
      const answer = await fixture.send({ token: onlyExport, body: FRESH, path });
      assert.equal(answer.json.code, code, path);
    }
    assert.equal(fixture.store.inserted.length, 2);
  });

  it('is judged by the path when a request gives the whole URL', async () => {
    await using fixture = await HttpFixture.start();
    const whole = `http://export-service:8080/export?x`;
    assert.equal(
      (await fixture.send({ body: FRESH, path: whole, token: tokenWith({ path: '/export' }) })).status,
      200,
    );
    const other = await fixture.send({ body: FRESH, path: whole, token: tokenWith({ path: '/lp/export' }) });
    assert.equal(other.json.code, 'caveat_refused');
  });
});

describe('paths and methods', () => {
  it('a known path with another method is 405 and says which it takes', async () => {
    await using fixture = await HttpFixture.start();
    for (const path of ['/export', '/lp/export?timeout=1']) {
      for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'QUERY', 'PROPFIND']) {
        const answer = await fixture.send({ method, path, token: null });
        assert.equal(answer.status, 405, method);
        assert.equal(answer.headers.allow, 'POST');
        assert.equal(answer.json.code, 'method_not_allowed');
      }
    }
    const status = await fixture.send({ path: '/status', token: null });
    assert.deepEqual([...(status.headers.allow ?? '').split(', ')].sort(), ['GET', 'HEAD']);
  });

  it('/status says what every Databox component says', async () => {
    await using fixture = await HttpFixture.start({ keys: [] });
    const answer = await fixture.send({ method: 'GET', path: '/status', token: null });
    assert.equal(answer.text, 'active');
    assert.match(answer.headers['content-type'] ?? '', /^text\/plain/);
    assert.equal((await fixture.send({ method: 'HEAD', path: '/status', token: null })).status, 200);
  });

  it('/healthz is fine as long as the process answers', async () => {
    await using fixture = await HttpFixture.start({ keys: [] });
    assert.equal((await fixture.send({ method: 'GET', path: '/healthz', token: null })).status, 200);
  });

  it('/metrics is for everybody, and as it is given', async () => {
    await using fixture = await HttpFixture.start({ keys: [] });
    const answer = await fixture.send({ method: 'GET', path: '/metrics', token: null });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(answer.text, /^# HELP up .*\nup 1\n$/s);
    assert.equal((await fixture.send({ path: '/metrics', token: null })).status, 405);
  });

  it('/readyz gives the reason when the service is not ready', async () => {
    let isReady = true;
    await using fixture = await HttpFixture.start({
      readiness: async () =>
        isReady
          ? { isReady }
          : { isReady: false, code: 'no_root_key', detail: 'The arbiter has not answered.' },
    });
    const ask = () => fixture.send({ method: 'GET', path: '/readyz', token: null });
    assert.equal((await ask()).status, 200);
    isReady = false;
    const answer = await ask();
    assert.equal(answer.status, 503);
    assert.equal(answer.json.code, 'no_root_key');
    assert.equal(answer.json.detail, 'The arbiter has not answered.');
    assert.ok(Number(answer.headers['retry-after']) > 0);
  });
});
