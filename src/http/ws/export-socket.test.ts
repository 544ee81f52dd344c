/** Method: the real service and server on a real socket, asked by the `ws` client; a test moves exports on by hand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DESTINATION, HttpFixture, ROOT_KEY, tokenWith } from '../../../test/support/http/http-fixture.ts';
import { SOCKET_TOKEN, SocketClient } from '../../../test/support/http/socket-client.ts';
import { until } from '../../../test/support/until.ts';
import { ExportError } from '../../export/errors.ts';
import type { ExportJob } from '../../export/job.ts';
import { SOCKET_LIMITS } from './socket-limits.ts';

const FRESH = { id: '', uri: DESTINATION, data: '{"a":1}' };
const UNKNOWN_ID = '018f0000-0000-7000-8000-000000000000';
const SENDING = { state: 'sending', attempts: 1 } as const;
const DELIVERED = {
  state: 'delivered',
  attempts: 1,
  finishedAt: 1,
  result: { kind: 'answer', answer: { status: 201, body: 'thanks', truncated: false } },
} as const satisfies Partial<ExportJob>;

/** A socket token with something else in it. */
function socketToken(options: Parameters<typeof tokenWith>[0]): string {
  return tokenWith({ method: 'GET', path: '/ws/export', ...options });
}

describe('a new export in a frame', () => {
  it('is answered with Pending, and later told Processing and Finished, in the bytes of the original', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    client.send(FRESH);
    const first = await client.nextText();
    const { id } = JSON.parse(first);
    assert.equal(first, `{"id":"${id}","state":"Pending","ext_response":{}}`);
    fixture.store.change(id, SENDING);
    assert.equal(await client.nextText(), `{"id":"${id}","state":"Processing","ext_response":{}}`);
    fixture.store.change(id, DELIVERED);
    assert.equal(
      await client.nextText(),
      `{"id":"${id}","state":"Finished","ext_response":{"status":"201 Created","body":"thanks"}}`,
    );
    assert.deepEqual(fixture.queuedData, ['{"a":1}']);
  });

  it('is told all three states also when it ends before anybody looks', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    fixture.store.afterInsert = (id) => fixture.store.change(id, DELIVERED);
    const states = [await client.ask(FRESH), await client.next(), await client.next()].map(
      ({ state }) => state,
    );
    assert.deepEqual(states, ['Pending', 'Processing', 'Finished']);
  });

  it('is not said to have been sent when it ends without an attempt', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    const failure = { code: 'expired', detail: 'It was not sent in time.' } as const;
    fixture.store.change(id, {
      state: 'undeliverable',
      finishedAt: 1,
      result: { kind: 'failure', failure },
    });
    const told = await client.next();
    assert.equal(told.state, 'Finished');
    assert.deepEqual(told.ext_response, { status: '504 Gateway Timeout', body: '', error: failure });
  });

  it('is not told of changes that no app can see', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    fixture.store.change(id, SENDING);
    assert.equal((await client.next()).state, 'Processing');
    const lastError = { code: 'timeout', detail: 'No answer.' } as const;
    fixture.store.change(id, { state: 'waiting', nextAttemptAt: fixture.clock.steady(), lastError });
    fixture.store.change(id, { state: 'sending', attempts: 2 });
    assert.deepEqual(await client.unread(), []);
    fixture.store.change(id, DELIVERED);
    assert.equal((await client.next()).state, 'Finished');
  });

  it('is on record with the address of the socket', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    await client.submit();
    assert.equal(fixture.store.inserted[0]?.peer, '127.0.0.1');
  });

  it('is told to the socket that made it, and to no other', async () => {
    await using fixture = await HttpFixture.start();
    await using one = await SocketClient.open(fixture.port);
    await using other = await SocketClient.open(fixture.port);
    const id = await one.submit();
    fixture.store.change(id, DELIVERED);
    await one.next();
    assert.equal((await one.next()).state, 'Finished');
    assert.deepEqual(await other.unread(), []);
  });

  it('keeps its result for a poll when its socket has closed', async () => {
    await using fixture = await HttpFixture.start();
    const client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    await client[Symbol.asyncDispose]();
    fixture.store.change(id, DELIVERED);
    assert.equal((await fixture.send({ body: { id } })).json.state, 'Finished');
    await using later = await SocketClient.open(fixture.port);
    assert.equal((await later.ask({ id })).state, 'Finished');
  });

  it('with a known idempotency key is the first one, and is told on from there', async () => {
    await using fixture = await HttpFixture.start();
    const fresh = { ...FRESH, idempotency_key: 'once' };
    const first = await SocketClient.open(fixture.port);
    const { id } = await first.ask(fresh);
    await first[Symbol.asyncDispose]();
    fixture.store.change(id, SENDING);
    await using second = await SocketClient.open(fixture.port);
    const repeat = await second.ask(fresh);
    assert.deepEqual([repeat.id, repeat.state], [id, 'Processing']);
    const again = await second.ask(fresh);
    assert.deepEqual([again.id, again.state], [id, 'Processing']);
    fixture.store.change(id, DELIVERED);
    assert.equal((await second.next()).state, 'Finished');
    assert.deepEqual(await second.unread(), [], 'once, though it was asked for twice');
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('repeated after its end is answered with the result, and with nothing more', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const fresh = { ...FRESH, idempotency_key: 'once' };
    const { id } = await client.ask(fresh);
    fixture.store.change(id, DELIVERED);
    await client.next();
    await client.next();
    assert.equal((await client.ask(fresh)).state, 'Finished');
    assert.deepEqual(await client.unread(), []);
  });
});

describe('a frame with a known id', () => {
  it('is answered with the present state at once, and with that alone', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    await using client = await SocketClient.open(fixture.port);
    client.send({ id, uri: DESTINATION, data: '{}' });
    assert.equal(await client.nextText(), `{"id":"${id}","state":"Pending","ext_response":{}}`);
    fixture.store.change(id, SENDING);
    assert.deepEqual(await client.unread(), []);
    fixture.store.change(id, DELIVERED);
    assert.equal((await client.ask({ id })).state, 'Finished');
    assert.equal((await client.ask({ id: id.toUpperCase() })).state, 'Finished', 'as often as it is asked');
  });

  it('tells how the tries went while another one is due', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const lastError = { code: 'timeout', detail: 'No answer.' } as const;
    fixture.store.change(id, { state: 'waiting', attempts: 1, nextAttemptAt: 0, lastError });
    await using client = await SocketClient.open(fixture.port);
    const answer = await client.ask({ id });
    assert.equal(answer.attempts, 1);
    assert.deepEqual(answer.last_error, lastError);
  });

  it('of somebody else is as unknown as one that never was', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 10 } });
    const id = await fixture.submit();
    const other = 'https://other.example/';
    const answers: string[] = [];
    for (const [token, frame] of [
      [SOCKET_TOKEN, { id: UNKNOWN_ID }],
      [SOCKET_TOKEN, { id, uri: other }],
      [socketToken({ identifier: 'other' }), { id }],
      [socketToken({ destination: other }), { id }],
    ] as const) {
      await using client = await SocketClient.open(fixture.port, { token });
      client.send(frame);
      answers.push(await client.nextText());
    }
    assert.equal(JSON.parse(answers[0] ?? '').code, 'unknown_export');
    assert.equal(new Set(answers).size, 1);
  });
});

describe('a frame that is refused', () => {
  const refused: [what: string, code: string, status: number, frame: unknown][] = [
    ['nothing', 'invalid_json', 400, ''],
    ['no JSON', 'invalid_json', 400, '{"uri"'],
    ['text after the object', 'invalid_json', 400, '{} {}'],
    ['no object', 'invalid_request', 400, '17'],
    ['a batch', 'invalid_request', 400, [FRESH]],
    ['a batch of polls', 'invalid_request', 400, [{ id: UNKNOWN_ID }]],
    ['an empty batch', 'invalid_request', 400, []],
    ['no uri', 'invalid_request', 400, { data: '1' }],
    ['no data', 'invalid_request', 400, { uri: DESTINATION }],
    ['an id that is no UUID', 'invalid_request', 400, { ...FRESH, id: 'x' }],
    ['data that is no JSON', 'invalid_request', 400, { ...FRESH, data: 'text' }],
    ['another destination', 'caveat_refused', 401, { ...FRESH, uri: 'https://other.example/' }],
    ['an unknown id', 'unknown_export', 404, { id: UNKNOWN_ID }],
  ];
  for (const [what, code, status, frame] of refused) {
    it(`with ${what} gets the problem ${code}, and the socket lives on`, async () => {
      await using fixture = await HttpFixture.start();
      await using client = await SocketClient.open(fixture.port);
      const problem = await client.ask(frame);
      assert.equal(problem.code, code);
      assert.equal(problem.status, status);
      assert.equal(problem.type, `/docs#${code}`);
      assert.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'detail', 'code']);
      assert.deepEqual(fixture.store.inserted, []);
      assert.equal((await client.ask(FRESH)).state, 'Pending');
    });
  }

  it('says of a batch what to do instead', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    assert.match((await client.ask([FRESH])).detail, /a frame of its own/);
  });

  it('for its data-bytes is refused alone: a smaller one passes', async () => {
    await using fixture = await HttpFixture.start();
    const token = socketToken({ more: ['data-bytes <= 3'] });
    await using client = await SocketClient.open(fixture.port, { token });
    assert.equal((await client.ask({ ...FRESH, data: '1234' })).code, 'caveat_refused');
    assert.equal((await client.ask({ ...FRESH, data: '123' })).state, 'Pending');
  });

  it('for its missing destination caveat is refused, a poll too', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const token = socketToken({ destination: null });
    await using client = await SocketClient.open(fixture.port, { token });
    assert.equal((await client.ask(FRESH)).code, 'destination_missing');
    assert.equal((await client.ask({ id })).code, 'destination_missing');
  });

  it('for a destination that nothing may be sent to is refused', async () => {
    await using fixture = await HttpFixture.start();
    const uri = 'http://plain.example/';
    await using client = await SocketClient.open(fixture.port, { token: socketToken({ destination: uri }) });
    assert.equal((await client.ask({ ...FRESH, uri })).code, 'destination_refused');
  });

  it('for its key or the lane is refused in the order of judgement', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 1 } });
    await using client = await SocketClient.open(fixture.port);
    const keyed = { ...FRESH, idempotency_key: 'k' };
    assert.equal((await client.ask(keyed)).state, 'Pending');
    assert.equal((await client.ask({ ...keyed, data: '2' })).code, 'idempotency_mismatch');
    assert.equal((await client.ask(FRESH)).code, 'too_many_pending');
  });

  it('because the store failed gets the problem, and the next one is stored', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    for (const code of ['store_unavailable', 'store_full'] as const) {
      fixture.store.failure = new ExportError(code, 'The store is out of order.');
      assert.equal((await client.ask(FRESH)).code, code);
    }
    fixture.store.failure = null;
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('by a mistake of ours gets internal_error without a reason, which is logged', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const mistake = new TypeError('secret reason');
    fixture.store.failure = mistake;
    client.send(FRESH);
    const text = await client.nextText();
    assert.equal(JSON.parse(text).code, 'internal_error');
    assert.ok(!text.includes('secret'));
    assert.deepEqual(fixture.unexpected, [mistake]);
    fixture.store.failure = null;
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });
});

describe('a binary frame', () => {
  it('is ignored, as the original does', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    client.ws.send(Buffer.from(JSON.stringify(FRESH)));
    client.ws.send(Buffer.from([0xff, 0x00]));
    assert.deepEqual(await client.unread(), []);
    assert.equal((await client.ask(FRESH)).state, 'Pending');
    assert.equal(fixture.store.inserted.length, 1);
  });
});

describe('the token of an open socket', () => {
  it('is judged again for every frame: one whose time passes opens nothing more', async () => {
    await using fixture = await HttpFixture.start();
    const token = socketToken({ more: ['time < 2026-03-01T12:00:10Z'] });
    await using client = await SocketClient.open(fixture.port, { token });
    const id = await client.submit();
    fixture.clock.advance(9_999);
    assert.equal((await client.ask({ id })).state, 'Pending');
    fixture.clock.advance(1);
    assert.equal((await client.ask({ id })).code, 'caveat_refused');
    assert.equal((await client.ask(FRESH)).code, 'caveat_refused');
    assert.equal(fixture.store.inserted.length, 1);
  });

  it('of a key that was dropped opens nothing more', async () => {
    const keys = [ROOT_KEY];
    await using fixture = await HttpFixture.start({ keys });
    await using client = await SocketClient.open(fixture.port);
    await client.submit();
    keys[0] = Buffer.from('a new one');
    assert.equal((await client.ask(FRESH)).code, 'invalid_token');
    keys.length = 0;
    assert.equal((await client.ask(FRESH)).code, 'no_root_key');
  });

  it('is judged for a push as for a poll: a refusal comes in its place, names the export, and is the last of it', async () => {
    await using fixture = await HttpFixture.start();
    const token = socketToken({ more: ['time < 2026-03-01T12:00:10Z'] });
    await using client = await SocketClient.open(fixture.port, { token });
    const [id, other] = [await client.submit(), await client.submit()];
    fixture.store.change(id, SENDING);
    assert.equal((await client.next()).state, 'Processing');
    fixture.clock.advance(10_000);
    fixture.store.change(id, DELIVERED);
    const refusal = await client.next();
    assert.deepEqual([refusal.code, refusal.id], ['caveat_refused', id]);
    fixture.store.change(id, { ...DELIVERED, finishedAt: 2 });
    assert.deepEqual(await client.unread(), []);
    fixture.store.change(other, SENDING);
    assert.equal((await client.next()).id, other);
    assert.equal((await fixture.send({ body: { id } })).json.state, 'Finished');
  });

  it('does not matter to a push that the store failed to read: it is told, and the result stays', async () => {
    await using fixture = await HttpFixture.start();
    await using client = await SocketClient.open(fixture.port);
    const id = await client.submit();
    fixture.store.failure = new ExportError('store_unavailable', 'The store is out of order.');
    fixture.store.change(id, DELIVERED);
    const told = await client.next();
    assert.deepEqual([told.code, told.id], ['store_unavailable', id]);
    fixture.store.failure = null;
    assert.equal((await client.ask({ id })).state, 'Finished');
  });
});

describe('many frames at once', () => {
  it('are stored and answered in their order, refused ones among them', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 1_000 } });
    await using client = await SocketClient.open(fixture.port);
    for (let n = 0; n < 100; n += 1) client.send(n % 10 === 9 ? '{' : { ...FRESH, data: String(n) });
    const ids: string[] = [];
    for (let n = 0; n < 100; n += 1) {
      const answer = await client.next();
      if (n % 10 === 9) assert.equal(answer.code, 'invalid_json', String(n));
      else ids.push(answer.id);
    }
    assert.deepEqual(
      fixture.store.inserted.map(({ id }) => id),
      ids,
    );
    assert.deepEqual(
      fixture.queuedData,
      Array.from({ length: 100 }, (_, n) => String(n)).filter((n) => !n.endsWith('9')),
    );
  });

  it('are taken up a few at a time, and the rest when those are stored', async () => {
    await using fixture = await HttpFixture.start({
      limits: { pendingMax: 1_000 },
      socketLimits: { framesUnderWayMax: 3 },
    });
    const stored = fixture.store.holdInserts();
    await using client = await SocketClient.open(fixture.port);
    for (let n = 0; n < 50; n += 1) client.send({ ...FRESH, data: String(n) });
    await until(() => fixture.store.insertsUnderWay === 3);
    // Whatever else had come by now would be under way as well.
    await fixture.send({ method: 'GET', path: '/healthz' });
    assert.equal(fixture.store.insertsUnderWay, 3);
    stored.resolve();
    for (let n = 0; n < 50; n += 1) assert.equal((await client.next()).state, 'Pending');
    assert.ok(fixture.store.insertsUnderWayMost <= 3, String(fixture.store.insertsUnderWayMost));
  });

  it('by 10,000 are all answered', async () => {
    await using fixture = await HttpFixture.start({ limits: { pendingMax: 100_000 } });
    await using client = await SocketClient.open(fixture.port);
    for (let n = 0; n < 10_000; n += 1) client.send(FRESH);
    for (let n = 0; n < 10_000; n += 1) assert.equal((await client.next()).state, 'Pending');
    assert.equal(new Set(fixture.store.inserted.map(({ id }) => id)).size, 10_000);
  });
});

describe('exports that are watched', () => {
  const limits = { pendingMax: 100 };

  it('are bounded for a socket: one more is refused and not queued, until one has ended', async () => {
    await using fixture = await HttpFixture.start({ limits, socketLimits: { watchedPerSocketMax: 2 } });
    await using client = await SocketClient.open(fixture.port);
    const first = await client.submit();
    await client.submit({ idempotency_key: 'second' });
    const refusal = await client.ask(FRESH);
    assert.deepEqual([refusal.code, refusal.status], ['too_many_waiting', 429]);
    assert.equal(fixture.store.inserted.length, 2);
    const poll = await client.ask({ id: first });
    assert.equal(poll.state, 'Pending', 'a poll needs no seat');
    await using other = await SocketClient.open(fixture.port);
    assert.equal((await other.ask(FRESH)).state, 'Pending', 'each socket has its own');
    fixture.store.change(first, DELIVERED);
    await client.next();
    assert.equal((await client.next()).state, 'Finished');
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('come after idempotency: a mismatch is a mismatch, and a repeat of what has ended is answered', async () => {
    await using fixture = await HttpFixture.start({ limits, socketLimits: { watchedPerSocketMax: 1 } });
    const ended = await fixture.submit({ idempotency_key: 'ended' });
    fixture.store.change(ended, DELIVERED);
    await fixture.submit({ idempotency_key: 'open' });
    await using client = await SocketClient.open(fixture.port);
    await client.submit();
    const keyed = (key: string, data = '{}') => client.ask({ ...FRESH, idempotency_key: key, data });
    assert.equal((await keyed('ended', '2')).code, 'idempotency_mismatch');
    assert.equal((await keyed('ended')).state, 'Finished');
    assert.equal((await keyed('open')).code, 'too_many_waiting');
  });

  it('are bounded in all, and a socket that closes gives its seats back', async () => {
    await using fixture = await HttpFixture.start({ limits, socketLimits: { watchedMax: 3 } });
    const first = await SocketClient.open(fixture.port);
    await using second = await SocketClient.open(fixture.port);
    for (const client of [first, first, second]) await client.submit();
    for (const client of [first, second]) assert.equal((await client.ask(FRESH)).code, 'too_many_waiting');
    await first[Symbol.asyncDispose]();
    const answers = [];
    // The server hears of the closing in its own time.
    await until(async () => {
      const answer = await second.ask(FRESH);
      answers.push(answer);
      return answer.state === 'Pending';
    });
    assert.equal((await second.ask(FRESH)).state, 'Pending', 'both are free');
    assert.equal((await second.ask(FRESH)).code, 'too_many_waiting');
  });

  it('take no seat of a long poll, and long polls none of theirs', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 0 } });
    await using client = await SocketClient.open(fixture.port);
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('are refused and unwatched alike when the export is refused: no seat is lost', async () => {
    await using fixture = await HttpFixture.start({ limits, socketLimits: { watchedPerSocketMax: 1 } });
    await using client = await SocketClient.open(fixture.port);
    fixture.store.failure = new ExportError('store_unavailable', 'The store is out of order.');
    for (let n = 0; n < 3; n += 1) assert.equal((await client.ask(FRESH)).code, 'store_unavailable');
    fixture.store.failure = null;
    assert.equal((await client.ask(FRESH)).state, 'Pending');
  });

  it('may be 10,000 on a socket and 100,000 in all, unless told otherwise', () => {
    assert.equal(SOCKET_LIMITS.watchedPerSocketMax, 10_000);
    assert.equal(SOCKET_LIMITS.watchedMax, 100_000);
  });
});
