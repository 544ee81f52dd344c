/** The owner's client against a real HTTP server that follows a script. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwnerClient, type OwnerClientOptions, type OwnerEvent } from './index.ts';
import { type FakeService, type Judge, type Reply, startFakeService } from './support/fake-service.ts';

const ID = '0b0d3f5e-7a57-4c0e-9a55-0b9f6d0f0001';

function exportWith(id: string) {
  return { id, app: 'steps', state: 'Pending' };
}

function page(ids: readonly string[], next: string | null): Reply {
  return { json: { items: ids.map(exportWith), next } };
}

function problem(status: number, code: string): Reply {
  return { status, json: { type: 'x', title: code, status, code, detail: `Why: ${code}.` } };
}

function events(text: string): Reply {
  return { text, headers: { 'content-type': 'text/event-stream; charset=utf-8' } };
}

interface Setup extends AsyncDisposable {
  client: OwnerClient;
  service: FakeService;
  slept: number[];
}

async function setUp(script: Reply[] | Judge, options: Partial<OwnerClientOptions> = {}): Promise<Setup> {
  const service = await startFakeService(script);
  const slept: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    slept.push(ms);
  };
  const repeat = { sleep, backoffMs: (failures: number) => failures * 10 };
  const client = new OwnerClient({ url: service.url, token: 'owner-token', repeat, ...options });
  return { client, service, slept, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}

async function take(stream: AsyncIterable<OwnerEvent>, count: number): Promise<OwnerEvent[]> {
  const taken: OwnerEvent[] = [];
  for await (const event of stream) if (taken.push(event) === count) break;
  return taken;
}

test('exports come page after page, and no page is asked for before it is read', async () => {
  await using setup = await setUp([page(['a', 'b'], '17'), page(['c'], null)]);
  const ids: string[] = [];
  const filter = { app: 'a b', destination: 'https://x.example/?q=1', state: 'Pending', limit: 2 } as const;
  for await (const { id } of setup.client.exports(filter)) {
    ids.push(id);
    assert.equal(setup.service.seen.length, ids.length < 3 ? 1 : 2);
  }
  assert.deepEqual(ids, ['a', 'b', 'c']);
  const query = 'app=a+b&destination=https%3A%2F%2Fx.example%2F%3Fq%3D1&state=Pending&limit=2';
  assert.deepEqual(
    setup.service.seen.map(({ method, path }) => [method, path]),
    [
      ['GET', `/owner/exports?${query}`],
      ['GET', `/owner/exports?${query}&before=17`],
    ],
  );
  assert.equal(setup.service.seen[0]?.headers['x-api-key'], 'owner-token');
});

test('each call is the request that the interface has', async () => {
  const rule = { id: 'r', kind: 'hold', created_at: '2026-01-01T00:00:00.000Z' };
  const link = { code: 'c', expires_at: '2026-01-01T00:10:00.000Z' };
  const listed = { json: { items: [], next: null } };
  const one = { json: exportWith(ID) };
  await using setup = await setUp([
    one,
    one,
    one,
    listed,
    listed,
    { json: rule },
    { status: 204, text: '' },
    { json: link },
  ]);
  const { client } = setup;
  assert.equal((await client.get(ID)).id, ID);
  await client.cancel(ID);
  await client.redeliver(ID);
  assert.deepEqual(await client.summary({ since: new Date(0), until: '2026-01-01' }), []);
  assert.deepEqual(await client.rules(), []);
  assert.deepEqual(await client.addRule({ kind: 'hold', app: 'steps' }), rule);
  assert.equal(await client.removeRule('a/b'), undefined);
  assert.deepEqual(await client.createLink(), link);
  assert.deepEqual(
    setup.service.seen.map(({ method, path, body }) => [method, path, body]),
    [
      ['GET', `/owner/exports/${ID}`, undefined],
      ['POST', `/owner/exports/${ID}/cancel`, {}],
      ['POST', `/owner/exports/${ID}/redeliver`, {}],
      ['GET', '/owner/summary?since=1970-01-01T00%3A00%3A00.000Z&until=2026-01-01', undefined],
      ['GET', '/owner/rules', undefined],
      ['POST', '/owner/rules', { kind: 'hold', app: 'steps' }],
      ['DELETE', '/owner/rules/a%2Fb', {}],
      ['POST', '/owner/links', {}],
    ],
  );
});

test('a question is repeated, and a change is made once or not at all', async () => {
  await using asking = await setUp([problem(503, 'store_unavailable'), 'cut off', page([], null)]);
  assert.deepEqual((await asking.client.page()).items, []);
  assert.deepEqual(asking.slept, [10, 20]);
  for (const reply of [problem(503, 'store_unavailable'), 'cut off'] as const) {
    await using changing = await setUp([reply]);
    await assert.rejects(changing.client.redeliver(ID), /store_unavailable|No answer/);
    assert.equal(changing.service.seen.length, 1);
  }
});

test('a token that is refused is renewed, for changes and events too', async () => {
  await using setup = await setUp(
    ({ headers, path }) => {
      if (headers['x-api-key'] !== 'good') return problem(401, 'invalid_token');
      return path === '/owner/events' ? events('event: reset\ndata: {}\n\n') : { json: exportWith(ID) };
    },
    { token: ({ refused }) => (refused === null ? 'old' : 'good') },
  );
  assert.equal((await setup.client.cancel(ID)).id, ID);
  await using other = await setUp([problem(401, 'invalid_token'), events('event: reset\ndata: {}\n\n')], {
    token: ({ refused }) => (refused === null ? 'old' : 'good'),
  });
  assert.deepEqual(await take(other.client.events(), 1), [{ id: '', type: 'reset' }]);
  assert.deepEqual(
    other.service.seen.map(({ headers }) => headers['x-api-key']),
    ['old', 'good'],
  );
});

test('events go on after the last one when the connection ends, also one that came without a message', async () => {
  const rule = { id: 'r', kind: 'hold', created_at: '2026-01-01T00:00:00.000Z' };
  await using setup = await setUp([
    events('retry: 1\nid: a-0\n\n'),
    events(
      `id: a-1\nevent: export\ndata: ${JSON.stringify(exportWith(ID))}\n\nid: a-2\nevent: new\ndata: 1\n\n`,
    ),
    'cut off',
    events(`id: a-3\nevent: rule\ndata: ${JSON.stringify({ change: 'removed', rule })}\n\n`),
  ]);
  const told = await take(setup.client.events(), 2);
  assert.deepEqual(told, [
    { id: 'a-1', type: 'export', export: exportWith(ID) },
    { id: 'a-3', type: 'rule', change: 'removed', rule },
  ]);
  assert.deepEqual(
    setup.service.seen.map(({ headers }) => headers['last-event-id']),
    [undefined, 'a-0', 'a-2', 'a-2'],
  );
});

test('events begin where they are told to, and end with the signal', async () => {
  await using setup = await setUp([events('event: reset\nid: b-1\ndata: {}\n\n'), 'silence']);
  const ending = new AbortController();
  const told: OwnerEvent[] = [];
  const reason = new Error('enough');
  await assert.rejects(async () => {
    for await (const event of setup.client.events({ lastEventId: 'a-9', signal: ending.signal })) {
      told.push(event);
      setImmediate(() => ending.abort(reason));
    }
  }, reason);
  assert.deepEqual(told, [{ id: 'b-1', type: 'reset' }]);
  assert.equal(setup.service.seen[0]?.headers['last-event-id'], 'a-9');
});

test('a stream that falls silent is connected anew', async () => {
  let connections = 0;
  await using setup = await setUp(
    () => {
      connections += 1;
      return connections === 1 ? 'silence' : events('event: reset\ndata: {}\n\n');
    },
    { eventSilenceMsMax: 100 },
  );
  assert.equal((await take(setup.client.events(), 1)).length, 1);
  assert.ok(connections >= 2);
});

test('what refuses for good is thrown, and so is what is no service', async () => {
  await using refused = await setUp([problem(401, 'caveat_refused')]);
  await assert.rejects(take(refused.client.events(), 1), { code: 'caveat_refused' });
  for (const reply of [{ json: [] }, { json: {} }, { json: null }, { text: '<html>' }]) {
    await using other = await setUp([reply, reply, reply]);
    await assert.rejects(other.client.page(), { code: 'unexpected_answer' });
    await assert.rejects(other.client.get(ID), { code: 'unexpected_answer' });
    await assert.rejects(take(other.client.events(), 1), { code: 'unexpected_answer' });
  }
  await using never = await setUp(() => 'cut off');
  await assert.rejects(take(never.client.events(), 1), { name: 'ExportConnectionError' });
  assert.equal(never.service.seen.length, 6);
  assert.throws(() => new OwnerClient({ url: 'ftp://x', token: 't' }), TypeError);
  await assert.rejects(never.client.get(''), TypeError);
});

test('the environment has the address and the token', async () => {
  await using setup = await setUp([page([], null)]);
  const client = OwnerClient.fromEnvironment({}, { EXPORT_URL: setup.service.url, EXPORT_TOKEN: 'from env' });
  await client.page();
  assert.equal(setup.service.seen[0]?.headers['x-api-key'], 'from env');
});

test('the ledger: its logs, its entries page after page, the newest checkpoint, a receipt', async () => {
  const entry = (index: number) => ({ index, entry: `{"n":${index}}`, leaf_hash: 'AA==' });
  const log = { origin: 'box/export/1', verifier_key: 'box/export/1+0+AA', size: 3 };
  await using setup = await setUp([
    { json: { items: [log], next: null } },
    { json: { items: [entry(1), entry(2)], next: '3' } },
    { json: { items: [entry(3)], next: null } },
    { text: 'box/export/1\n3\n' },
    { text: 'c2sp.org/tlog-proof@v1\n' },
  ]);
  const { client, service } = setup;
  assert.deepEqual(await client.ledgerLogs(), [log]);
  const indexes: number[] = [];
  for await (const { index } of client.ledgerEntries({ log: 'box/export/1', from: 1, limit: 2 }))
    indexes.push(index);
  assert.deepEqual(indexes, [1, 2, 3]);
  assert.equal(await client.ledgerCheckpoint({ log: 'box/export/1' }), 'box/export/1\n3\n');
  assert.equal(await client.receipt(ID), 'c2sp.org/tlog-proof@v1\n');
  const name = 'log=box%2Fexport%2F1';
  assert.deepEqual(
    service.seen.map(({ method, path }) => `${method} ${path}`),
    [
      'GET /owner/ledger/logs',
      `GET /owner/ledger?${name}&from=1&limit=2`,
      `GET /owner/ledger?${name}&from=3&limit=2`,
      `GET /owner/ledger/checkpoint?${name}`,
      `GET /owner/exports/${ID}/receipt`,
    ],
  );
});

test('a receipt that is not there is a refusal, and a token that has run out is renewed for it', async () => {
  const gone = { status: 404, json: { code: 'not_found', detail: 'There is no receipt for this export.' } };
  const refused = { status: 401, json: { code: 'bad_token', detail: 'over' } };
  const tokens = ['old', 'new'];
  await using setup = await setUp([refused, gone], { token: () => tokens.shift() ?? 'none' });
  await assert.rejects(setup.client.receipt(ID), { code: 'not_found', status: 404 });
  assert.deepEqual(
    setup.service.seen.map(({ headers }) => headers['x-api-key']),
    ['old', 'new'],
  );
});
