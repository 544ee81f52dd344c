/**
 * The client against a real HTTP server that follows a script. Waits are recorded, never slept: `sleep` and the clock
 * come from outside, and sleeping moves the clock.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import {
  ExportClient,
  ExportClientError,
  type ExportClientOptions,
  ExportConnectionError,
  type ExportStatus,
  ExportWaitTimeoutError,
  type TokenRequest,
} from './index.ts';
import { type FakeService, type Reply, startFakeService } from './support/fake-service.ts';

const ID = '0b0d3f5e-7a57-4c0e-9a55-0b9f6d0f0001';
const DESTINATION = 'https://a.example/in';
const pending: Reply = { json: { id: ID, state: 'Pending', ext_response: {} } };
const processing: Reply = { json: { id: ID, state: 'Processing', ext_response: {} } };
const finished: Reply = {
  json: { id: ID, state: 'Finished', ext_response: { status: '200 OK', body: 'thanks' } },
};

function problem(status: number, code: string, headers: Record<string, string> = {}): Reply {
  return {
    status,
    headers,
    json: { type: 'about:blank', title: code, status, code, detail: `Why: ${code}.` },
  };
}

interface Setup extends AsyncDisposable {
  client: ExportClient;
  service: FakeService;
  slept: number[];
}

async function setUp(script: Reply[], options: Partial<ExportClientOptions> = {}): Promise<Setup> {
  const service = await startFakeService(script);
  const slept: number[] = [];
  let now = 0;
  const sleep = async (ms: number): Promise<void> => {
    slept.push(ms);
    now += ms;
  };
  const client = new ExportClient({
    url: service.url,
    token: 'secret-token',
    now: () => now,
    ...options,
    repeat: { sleep, backoffMs: (failures) => failures * 10, ...options.repeat },
  });
  return { client, service, slept, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}

async function statesOf(watching: AsyncIterable<ExportStatus>): Promise<string[]> {
  const states: string[] = [];
  for await (const status of watching) states.push(status.state);
  return states;
}

test('a value travels as JSON text, under the token and a random idempotency key', async () => {
  await using setup = await setUp([pending, pending]);
  const status = await setup.client.submit({ destination: DESTINATION, data: { room: 'Küche' } });
  await setup.client.submit({ destination: DESTINATION, data: 'just text', attemptsMax: 1 });

  assert.deepEqual(status, { id: ID, state: 'Pending' });
  const [first, second] = setup.service.seen;
  assert.equal(`${first?.method} ${first?.path}`, 'POST /export');
  assert.deepEqual(first?.body, { uri: DESTINATION, data: '{"room":"Küche"}' });
  assert.equal(first?.headers['x-api-key'], 'secret-token');
  assert.equal(first?.headers['content-type'], 'application/json');
  assert.match(String(first?.headers['idempotency-key']), /^[0-9a-f-]{36}$/);
  assert.deepEqual(second?.body, { uri: DESTINATION, data: '"just text"', attempts_max: 1 });
  assert.notEqual(first?.headers['idempotency-key'], second?.headers['idempotency-key']);
});

test('JSON text travels byte for byte, given as text or as bytes', async () => {
  await using setup = await setUp([pending, pending]);
  const json = '{\n  "t": 36.60,\n  "room": "Küche \\u00fc 🌡"\n}\n';
  await setup.client.submit({ destination: DESTINATION, json });
  await setup.client.submit({ destination: DESTINATION, json: new TextEncoder().encode(json) });
  for (const { body } of setup.service.seen) assert.equal((body as { data: string }).data, json);
});

test('a lost answer is asked for again under the same idempotency key', async () => {
  await using setup = await setUp(['cut off', problem(503, 'store_unavailable'), pending]);
  const status = await setup.client.submit({ destination: DESTINATION, data: 1 });
  assert.equal(status.state, 'Pending');
  assert.deepEqual(setup.slept, [10, 20]);
  const [first, ...repeats] = setup.service.seen;
  assert.equal(repeats.length, 2);
  for (const again of repeats) {
    assert.equal(again.headers['idempotency-key'], first?.headers['idempotency-key']);
    assert.deepEqual(again.body, first?.body);
  }
});

test('an answer that does not come in time counts as lost', async () => {
  await using service = await startFakeService(() => (service.seen.length === 1 ? 'silence' : pending));
  const sleep = async (): Promise<void> => {};
  // A busy machine may miss this time for answers that do come: then they are asked for again.
  const client = new ExportClient({
    url: service.url,
    token: 't',
    requestTimeoutMs: 200,
    repeat: { sleep, triesMax: 50 },
  });
  assert.equal((await client.submit({ destination: DESTINATION, data: 1 })).state, 'Pending');
  const keys = service.seen.map(({ headers }) => headers['idempotency-key']);
  assert.ok(keys.length >= 2);
  assert.equal(new Set(keys).size, 1);
});

test('Retry-After is heeded when it is longer than our own wait', async () => {
  await using setup = await setUp([problem(429, 'rate_limited', { 'retry-after': '7' }), pending]);
  await setup.client.submit({ destination: DESTINATION, data: 1 });
  assert.deepEqual(setup.slept, [7_000]);
});

test('a Retry-After beyond the bound is not waited for but told', async () => {
  await using setup = await setUp([problem(429, 'budget_exhausted', { 'retry-after': '3600' })]);
  await assert.rejects(setup.client.submit({ destination: DESTINATION, data: 1 }), (error) => {
    assert.ok(error instanceof ExportClientError);
    assert.equal(error.code, 'budget_exhausted');
    assert.equal(error.retryAfterSeconds, 3_600);
    assert.equal(error.shouldRetry, true);
    return true;
  });
  assert.deepEqual(setup.slept, []);
});

test('the last error is thrown when the tries are used up', async () => {
  await using setup = await setUp(['cut off', 'cut off', problem(503, 'shutting_down')], {
    repeat: { triesMax: 3 },
  });
  await assert.rejects(setup.client.submit({ destination: DESTINATION, data: 1 }), { code: 'shutting_down' });
  assert.equal(setup.service.seen.length, 3);
});

test('a refusal is thrown at once, with its code and what to do', async () => {
  await using setup = await setUp([problem(401, 'caveat_refused'), problem(413, 'a_code_of_tomorrow')]);
  await assert.rejects(setup.client.submit({ destination: DESTINATION, data: 1 }), (error) => {
    assert.ok(error instanceof ExportClientError);
    assert.equal(error.message, 'Why: caveat_refused. (caveat_refused, HTTP 401)');
    assert.equal(error.detail, 'Why: caveat_refused.');
    assert.equal(error.shouldRetry, false);
    return true;
  });
  await assert.rejects(setup.client.get(ID), { code: 'a_code_of_tomorrow', status: 413 });
  assert.deepEqual(setup.slept, []);
});

test('what is not an export service is told apart from one', async () => {
  const script: Reply[] = [
    { text: '<html>' },
    { json: { hello: 1 } },
    { status: 404, text: 'no such page' },
    { status: 307, text: '', headers: { location: 'http://127.0.0.1:9/' } },
    { json: { id: ID, state: 'Finished', ext_response: {} } },
  ];
  await using setup = await setUp(script);
  for (const _ of script) await assert.rejects(setup.client.get(ID), { code: 'unexpected_answer' });
  assert.equal(setup.service.seen.length, script.length);
});

test('a service that cannot be reached is told with the reason', async () => {
  const service = await startFakeService([]);
  await service[Symbol.asyncDispose]();
  const client = new ExportClient({ url: service.url, token: 't', repeat: { triesMax: 1 } });
  await assert.rejects(client.get(ID), (error) => {
    assert.ok(error instanceof ExportConnectionError);
    assert.equal(error.code, 'ECONNREFUSED');
    assert.match(error.message, /^No answer from http:\/\/127\.0\.0\.1:\d+\/export: .*ECONNREFUSED/);
    return true;
  });
});

test('a certificate that is not trusted is not tried again', async () => {
  let tries = 0;
  const fetchUntrusted = async (): Promise<Response> => {
    tries += 1;
    const cause = Object.assign(new Error('self-signed certificate'), {
      code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    throw new TypeError('fetch failed', { cause });
  };
  const client = new ExportClient({ url: 'https://x.example', token: 't', fetch: fetchUntrusted });
  await assert.rejects(client.get(ID), { name: 'ExportConnectionError', shouldRetry: false });
  assert.equal(tries, 1);
});

test('an aborted signal ends a request and a wait between tries with its own reason', async () => {
  await using setup = await setUp(['silence', 'cut off'], { repeat: { backoffMs: () => 60_000 } });
  const reason = new Error('enough');
  const aborted = assert.rejects(
    setup.client.get(ID, { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
  await aborted;
  assert.equal(setup.service.seen.length, 0);

  const ending = new AbortController();
  const waiting = setup.client.get(ID, { signal: ending.signal });
  while (setup.service.seen.length === 0) await new Promise(setImmediate);
  ending.abort(reason);
  await assert.rejects(waiting, (error) => error === reason);

  const { url } = setup.service;
  const stopping = new AbortController();
  const backoffMs = (): number => {
    queueMicrotask(() => stopping.abort(reason));
    return 60_000;
  };
  const sleeper = new ExportClient({ url, token: 't', repeat: { backoffMs } });
  await assert.rejects(sleeper.get(ID, { signal: stopping.signal }), (error) => error === reason);
});

test('a batch gives every export a key of its own and the statuses in order', async () => {
  const second = '0b0d3f5e-7a57-4c0e-9a55-0b9f6d0f0002';
  const answers = [pending, { json: { id: second, state: 'Pending', ext_response: {} } }];
  await using setup = await setUp([{ json: answers.map((answer) => (answer as { json: unknown }).json) }]);
  const statuses = await setup.client.submitMany([
    { destination: DESTINATION, data: [1], idempotencyKey: 'one' },
    { destination: DESTINATION, json: '2.0' },
  ]);
  assert.deepEqual(
    statuses.map((status) => status.id),
    [ID, second],
  );
  const [request] = setup.service.seen;
  const sent = request?.body as Record<string, unknown>[];
  assert.equal(request?.headers['idempotency-key'], undefined);
  assert.deepEqual(sent[0], { uri: DESTINATION, data: '[1]', idempotency_key: 'one' });
  assert.equal(sent[1]?.data, '2.0');
  assert.match(String(sent[1]?.idempotency_key), /^[0-9a-f-]{36}$/);
});

test('a batch of 1,001 is a mistake, one of none asks nobody', async () => {
  await using setup = await setUp([]);
  const tooMany = Array.from({ length: 1_001 }, () => ({ destination: DESTINATION, data: 1 }));
  await assert.rejects(setup.client.submitMany(tooMany), TypeError);
  await assert.rejects(setup.client.getMany(Array.from({ length: 1_001 }, () => ID)), TypeError);
  assert.deepEqual(await setup.client.submitMany([]), []);
  assert.equal(setup.service.seen.length, 0);
});

test('polling several asks for their ids in one request', async () => {
  await using setup = await setUp([{ json: [(finished as { json: unknown }).json] }]);
  const [status] = await setup.client.getMany([ID]);
  assert.equal(status?.state, 'Finished');
  assert.deepEqual(setup.service.seen[0]?.body, [{ id: ID }]);
});

test('a finished export has the answer taken apart', async () => {
  const failure = { code: 'timeout', detail: 'No answer in 30 s.' };
  const response = { status: '504 Gateway Timeout', body: '', error: failure };
  await using setup = await setUp([
    finished,
    { json: { id: ID, state: 'Finished', ext_response: response } },
    { json: { id: ID, state: 'Finished', ext_response: { status: '299', body: 'x', truncated: true } } },
  ]);
  const read = async (): Promise<unknown> => {
    const status = await setup.client.get(ID);
    return status.state === 'Finished' && status.answer;
  };
  assert.deepEqual(await read(), {
    ok: true,
    status: 200,
    statusText: 'OK',
    body: 'thanks',
    truncated: false,
  });
  assert.deepEqual(await read(), {
    ok: false,
    status: 504,
    statusText: 'Gateway Timeout',
    body: '',
    truncated: false,
    error: failure,
  });
  assert.deepEqual(await read(), { ok: true, status: 299, statusText: '', body: 'x', truncated: true });
});

test('between attempts the status tells how many there were, why the last failed and when the next is due', async () => {
  const lastError = { code: 'http_status', detail: '503' };
  const next = '2026-08-01T10:00:00.000Z';
  await using setup = await setUp([
    {
      json: {
        id: ID,
        state: 'Processing',
        ext_response: {},
        attempts: 2,
        next_attempt_at: next,
        last_error: lastError,
      },
    },
  ]);
  assert.deepEqual(await setup.client.get(ID), {
    id: ID,
    state: 'Processing',
    attempts: 2,
    nextAttemptAt: new Date(next),
    lastError,
  });
});

test('waiting prefers to be answered at the end, and asks again until then', async () => {
  await using setup = await setUp([processing, 'cut off', finished]);
  const status = await setup.client.wait(ID);
  assert.equal(status.answer.status, 200);
  assert.deepEqual(
    setup.service.seen.map(({ path, headers }) => [path, headers.prefer]),
    [
      ['/export', 'wait=30'],
      ['/export', 'wait=30'],
      ['/export', 'wait=30'],
    ],
  );
  // The fake answers at once, so the client paces itself: a poll without news takes a second.
  assert.deepEqual(setup.slept, [1_000, 10]);
});

test('waiting ends when its time is up', async () => {
  await using setup = await setUp([processing, processing, processing]);
  await assert.rejects(setup.client.wait(ID, { timeoutMs: 1_500 }), (error) => {
    assert.ok(error instanceof ExportWaitTimeoutError);
    assert.equal(error.id, ID);
    return true;
  });
  assert.deepEqual(setup.slept, [1_000, 500]);
  assert.deepEqual(
    setup.service.seen.map(({ headers }) => headers.prefer),
    ['wait=1', undefined, undefined],
  );
});

test('watching on /lp/export looks at once, then waits for the next change, longer each time', async () => {
  await using setup = await setUp(
    [pending, pending, processing, processing, processing, processing, finished],
    {
      path: '/lp/export',
    },
  );
  assert.deepEqual(await statesOf(setup.client.watch(ID)), ['Pending', 'Processing', 'Finished']);
  assert.deepEqual(
    setup.service.seen.map(({ path }) => path),
    [0, 0, 1, 0, 1, 2, 4].map((seconds) => `/lp/export?timeout=${seconds}`),
  );
  // The fake does not wait as it is asked to: then the client does, a second for each poll without news.
  assert.deepEqual(setup.slept, [1_000, 1_000]);
});

test('watching on /export asks for the end in short waits', async () => {
  await using setup = await setUp([pending, pending, processing, processing, finished]);
  assert.deepEqual(await statesOf(setup.client.watch(ID)), ['Pending', 'Processing', 'Finished']);
  assert.deepEqual(
    setup.service.seen.map(({ path, headers }) => [path, headers.prefer]),
    [undefined, undefined, 'wait=1', undefined, 'wait=1'].map((prefer) => ['/export', prefer]),
  );
});

test('an export that has ended has no news', async () => {
  await using setup = await setUp([finished, finished]);
  const ended = await setup.client.get(ID);
  assert.deepEqual(await statesOf(setup.client.watch(ended)), []);
  assert.deepEqual(await statesOf(setup.client.watch(ID)), ['Finished']);
});

test('watching from a status tells only what comes after it, another failed attempt too', async () => {
  const between = (attempts: number): Reply => ({
    json: { id: ID, state: 'Processing', ext_response: {}, attempts },
  });
  await using setup = await setUp([between(1), between(1), processing, between(2), finished]);
  const seen: unknown[] = [];
  for await (const status of setup.client.watch({ id: ID, state: 'Processing' })) {
    seen.push(status.state === 'Finished' ? status.state : status.attempts);
  }
  assert.deepEqual(seen, [1, 2, 'Finished']);
});

test('a token function is asked once, and its line end is no part of the token', async () => {
  let asked = 0;
  const token = async (): Promise<string> => {
    asked += 1;
    return 'secret\n';
  };
  await using setup = await setUp(['cut off', pending, pending], { token });
  await setup.client.get(ID);
  await setup.client.get(ID);
  assert.equal(asked, 1);
  assert.deepEqual(tokensSeen(setup), ['secret', 'secret', 'secret']);
});

function tokensSeen({ service }: Setup): unknown[] {
  return service.seen.map(({ headers }) => headers['x-api-key']);
}

test('a token that is refused is renewed, and the same export is submitted again under the new one', async () => {
  const requests: TokenRequest[] = [];
  const token = (request: TokenRequest): string => {
    requests.push(request);
    return `token ${requests.length}`;
  };
  await using setup = await setUp([problem(401, 'caveat_refused'), pending, pending], { token });
  await setup.client.submit({ destination: DESTINATION, data: 1 });
  await setup.client.get(ID);
  assert.deepEqual(requests, [{ refused: null }, { refused: 'token 1' }]);
  assert.deepEqual(tokensSeen(setup), ['token 1', 'token 2', 'token 2']);
  const [first, second] = setup.service.seen;
  assert.equal(second?.headers['idempotency-key'], first?.headers['idempotency-key']);
  assert.deepEqual(setup.slept, []);
});

test('requests that are refused together renew the token once', async () => {
  let asked = 0;
  const token = (): string => `token ${++asked}`;
  const service = await startFakeService(({ headers }) =>
    headers['x-api-key'] === 'token 1' ? problem(401, 'invalid_token') : pending,
  );
  await using _ = service;
  const client = new ExportClient({ url: service.url, token });
  await Promise.all(Array.from({ length: 8 }, () => client.get(ID)));
  assert.equal(asked, 2);
});

test('a token that is refused again, or that cannot be renewed, is the end', async () => {
  const refusals = Array(4).fill(problem(401, 'invalid_token'));
  await using fixed = await setUp(refusals);
  await assert.rejects(fixed.client.get(ID), { code: 'invalid_token' });
  assert.equal(fixed.service.seen.length, 1);
  await using same = await setUp(refusals, { token: () => 'always the same' });
  await assert.rejects(same.client.get(ID), { code: 'invalid_token' });
  assert.equal(same.service.seen.length, 1);
  let count = 0;
  await using other = await setUp(refusals, { token: () => `token ${++count}` });
  await assert.rejects(other.client.get(ID), { code: 'invalid_token' });
  assert.equal(other.service.seen.length, 2);
});

test('a token function that fails is asked again by the next request', async () => {
  let asked = 0;
  const token = (): string => {
    asked += 1;
    if (asked === 1) throw new Error('the arbiter is away');
    return 'token';
  };
  await using setup = await setUp([pending], { token });
  await assert.rejects(setup.client.get(ID), { message: 'the arbiter is away' });
  assert.equal((await setup.client.get(ID)).state, 'Pending');
});

test('submitting and waiting is one request where that is enough, and polls where it is not', async () => {
  await using setup = await setUp([finished, pending, processing, finished]);
  const { answer } = await setup.client.submitAndWait({ destination: DESTINATION, data: 1 });
  assert.equal(answer.body, 'thanks');
  await setup.client.submitAndWait({ destination: DESTINATION, data: 2 }, { timeoutMs: 12_000 });
  assert.deepEqual(
    setup.service.seen.map(({ headers, body }) => [headers.prefer, 'id' in (body as object)]),
    [
      ['wait=30', false],
      ['wait=12', false],
      ['wait=12', true],
      ['wait=11', true],
    ],
  );
  const keys = setup.service.seen.map(({ headers }) => headers['idempotency-key']);
  assert.deepEqual(
    keys.map((key) => key !== undefined),
    [true, true, false, false],
  );
});

test('submitting and waiting runs out of time without ending the export', async () => {
  await using setup = await setUp([pending, pending, pending, pending]);
  const submission = { destination: DESTINATION, data: 1 };
  await assert.rejects(setup.client.submitAndWait(submission, { timeoutMs: 1_500 }), (error) => {
    assert.ok(error instanceof ExportWaitTimeoutError);
    assert.equal(error.id, ID);
    return true;
  });
});

test('a 429 uses up no try, but all waits of a request have a bound together', async () => {
  const notNow = problem(429, 'rate_limited', { 'retry-after': '9' });
  await using setup = await setUp([...Array(6).fill(notNow), pending, ...Array(7).fill(notNow)], {
    repeat: { triesMax: 2 },
  });
  await setup.client.submit({ destination: DESTINATION, data: 1 });
  assert.deepEqual(setup.slept, Array(6).fill(9_000));
  await assert.rejects(setup.client.submit({ destination: DESTINATION, data: 1 }), { code: 'rate_limited' });
  assert.equal(setup.slept.length, 12);
});

test('mistakes of the caller are TypeErrors that never show the token', async () => {
  assert.throws(() => new ExportClient({ url: 'export-service:8080', token: 't' }), TypeError);
  assert.throws(() => new ExportClient({ url: 'http://user:pw@x.example', token: 't' }), TypeError);
  const client = new ExportClient({ url: 'http://x.example', token: 'sec\nret' });
  await assert.rejects(client.get(ID), (error) => error instanceof TypeError && !/sec/.test(error.message));
  await assert.rejects(client.get(''), TypeError);
  const wrong: unknown[] = [
    { destination: '', data: 1 },
    { destination: DESTINATION },
    { destination: DESTINATION, data: 1, json: '1' },
    { destination: DESTINATION, json: { a: 1 } },
    { destination: DESTINATION, json: new Uint8Array([0xff]) },
    { destination: DESTINATION, data: () => 1 },
    { destination: DESTINATION, data: 1, idempotencyKey: 'with blank' },
    { destination: DESTINATION, data: 1, idempotencyKey: 'x'.repeat(256) },
  ];
  for (const submission of wrong) await assert.rejects(client.submit(submission as never), TypeError);
});

test('the address may have a path of its own', async () => {
  await using setup = await setUp([pending]);
  const client = new ExportClient({ url: `${setup.service.url}/box/`, token: 't', path: '/lp/export' });
  await client.submit({ destination: DESTINATION, data: 1 });
  assert.equal(setup.service.seen[0]?.path, '/box/lp/export');
});

test("the README's example runs", async () => {
  await using setup = await setUp([finished]);
  const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
  const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const index = new URL('index.ts', import.meta.url).href;
  const source = example
    .replace("'databox-export-client'", `'${index}'`)
    .replace("'http://127.0.0.1:8080'", `'${setup.service.url}'`)
    .replace('process.env.EXPORT_TOKEN', "'token'")
    .replace('console.log(', 'export const shown = (');
  const module = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  assert.equal(module.shown, '200 thanks');
});
