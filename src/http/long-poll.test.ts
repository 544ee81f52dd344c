/** Method: the clock stands still until a test turns it, so an answer that comes has a reason, and none comes late. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { DESTINATION, HttpFixture, tokenWith } from '../../test/support/http/http-fixture.ts';

const FRESH = { uri: DESTINATION, data: '1' };
const DELIVERED = {
  state: 'delivered',
  attempts: 1,
  finishedAt: 1,
  result: { kind: 'answer', answer: { status: 201, body: 'ok', truncated: false } },
} as const;

/** Whether a promise is still open after everything that was under way has been answered. */
async function isOpen(fixture: HttpFixture, promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  promise.finally(() => {
    isSettled = true;
  });
  for (let trip = 0; trip < 3; trip += 1) {
    await fixture.send({ method: 'GET', path: '/healthz' });
    await setImmediate();
  }
  return !isSettled;
}

describe('a poll on /lp/export', () => {
  it('is answered with the present state when its time is up, and not before', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = fixture.send({ path: '/lp/export?timeout=7.5', body: { id } });
    await fixture.untilWaiting(1);
    fixture.clock.advance(7_499);
    assert.ok(await isOpen(fixture, answer));
    fixture.clock.advance(1);
    assert.equal((await answer).json.state, 'Pending');
    assert.deepEqual(fixture.clock.pendingMs, []);
  });

  it('waits five seconds when it does not say', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = fixture.send({ path: '/lp/export', body: { id } });
    await fixture.untilWaiting(1);
    assert.deepEqual(fixture.clock.pendingMs, [5_000]);
    fixture.clock.advance(5_000);
    await answer;
  });

  it('is answered at the next change of the state an app sees', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = fixture.send({ path: '/lp/export', body: { id } });
    await fixture.untilWaiting(1);
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    assert.equal((await answer).json.state, 'Processing');
  });

  it('waits on through changes that no app can see', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    const answer = fixture.send({ path: '/lp/export', body: { id } });
    await fixture.untilWaiting(1);
    const lastError = { code: 'timeout', detail: 'No answer.' } as const;
    fixture.store.change(id, { state: 'waiting', nextAttemptAt: fixture.clock.now(), lastError });
    assert.ok(await isOpen(fixture, answer));
    fixture.store.change(id, { state: 'sending', attempts: 2 });
    assert.ok(await isOpen(fixture, answer));
    fixture.store.change(id, DELIVERED);
    assert.deepEqual((await answer).json.ext_response, { status: '201 Created', body: 'ok' });
  });

  it('ends on time also when changes came in between', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    const answer = fixture.send({ path: '/lp/export?timeout=10', body: { id } });
    await fixture.untilWaiting(1);
    fixture.clock.advance(9_000);
    fixture.store.change(id, { state: 'waiting', nextAttemptAt: null });
    assert.ok(await isOpen(fixture, answer));
    fixture.clock.advance(1_000);
    assert.equal((await answer).json.state, 'Processing');
    assert.deepEqual(fixture.clock.pendingMs, []);
  });

  it('does not wait for what has ended, nor when told not to, nor on /export', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    for (const path of ['/lp/export?timeout=0', '/lp/export?timeout=-3', '/export?timeout=9']) {
      assert.equal((await fixture.send({ path, body: { id } })).json.state, 'Pending');
    }
    fixture.store.change(id, DELIVERED);
    assert.equal((await fixture.send({ path: '/lp/export', body: { id } })).json.state, 'Finished');
  });

  it('wakes everybody who waits for the export', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answers = [1, 2].map(() => fixture.send({ path: '/lp/export', body: { id } }));
    await fixture.untilWaiting(2);
    fixture.store.change(id, { state: 'sending', attempts: 1 });
    for (const answer of answers) assert.equal((await answer).json.state, 'Processing');
  });

  it('does not wait with a new export or a batch', async () => {
    await using fixture = await HttpFixture.start();
    const fresh = await fixture.send({ path: '/lp/export?timeout=100', body: FRESH });
    assert.equal(fresh.json.state, 'Pending');
    const batch = await fixture.send({ path: '/lp/export?timeout=100', body: [{ id: fresh.json.id }] });
    assert.equal(batch.json[0]?.state, 'Pending');
  });

  it('gets the present state when the service stops', async () => {
    await using fixture = await HttpFixture.start();
    const id = await fixture.submit();
    const answer = fixture.send({ path: '/lp/export', body: { id } });
    await fixture.untilWaiting(1);
    fixture.service.stopAccepting();
    assert.equal((await answer).json.state, 'Pending');
  });
});

describe('Prefer: wait', () => {
  for (const path of ['/export', '/lp/export']) {
    it(`keeps a new export on ${path} until it has ended`, async () => {
      await using fixture = await HttpFixture.start();
      const answer = fixture.send({ path, body: FRESH, headers: { prefer: 'wait=20' } });
      await fixture.untilWaiting(1);
      const id = fixture.store.inserted[0]?.id ?? '';
      fixture.store.change(id, { state: 'sending', attempts: 1 });
      assert.ok(await isOpen(fixture, answer));
      fixture.store.change(id, DELIVERED);
      const { json, headers } = await answer;
      assert.equal(json.state, 'Finished');
      assert.equal(headers['preference-applied'], 'wait=20');
    });

    it(`goes before the time-out of a poll on ${path}`, async () => {
      await using fixture = await HttpFixture.start();
      const id = await fixture.submit();
      const answer = fixture.send({
        path: `${path}?timeout=1`,
        body: { id },
        headers: { prefer: 'wait=20' },
      });
      await fixture.untilWaiting(1);
      fixture.clock.advance(19_999);
      assert.ok(await isOpen(fixture, answer));
      fixture.clock.advance(1);
      const { json, headers } = await answer;
      assert.equal(json.state, 'Pending');
      assert.equal(headers['preference-applied'], 'wait=20');
    });
  }

  it('is granted up to the ceiling, and the answer says so', async () => {
    await using fixture = await HttpFixture.start({ settings: { longPollMaxMs: 2_500 } });
    const answer = fixture.send({ body: FRESH, headers: { prefer: 'wait=9999999' } });
    await fixture.untilWaiting(1);
    assert.deepEqual(fixture.clock.pendingMs, [2_000]);
    fixture.clock.advance(2_000);
    assert.equal((await answer).headers['preference-applied'], 'wait=2');
  });

  it('of several headers the first counts', async () => {
    await using fixture = await HttpFixture.start();
    const answer = fixture.send({ body: FRESH, headers: { prefer: ['respond-async', 'wait=3', 'wait=4'] } });
    await fixture.untilWaiting(1);
    fixture.clock.advance(3_000);
    assert.equal((await answer).headers['preference-applied'], 'wait=3');
  });

  it('holds for a repeat too, which may have ended already', async () => {
    await using fixture = await HttpFixture.start();
    const repeat = () => fixture.send({ body: FRESH, headers: { prefer: 'wait=3', 'idempotency-key': 'k' } });
    const first = repeat();
    await fixture.untilWaiting(1);
    fixture.clock.advance(3_000);
    const { id } = (await first).json;
    const second = repeat();
    await fixture.untilWaiting(1);
    fixture.store.change(id, DELIVERED);
    assert.deepEqual((await second).json, {
      id,
      state: 'Finished',
      ext_response: { status: '201 Created', body: 'ok' },
    });
    assert.equal((await repeat()).json.state, 'Finished');
  });

  it('of 0 is applied and waits for nothing', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 0 } });
    const answer = await fixture.send({ body: FRESH, headers: { prefer: 'wait=0' } });
    assert.equal(answer.headers['preference-applied'], 'wait=0');
  });

  it('that makes no sense is not there', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ body: FRESH, headers: { prefer: 'wait=soon' } });
    assert.equal(answer.headers['preference-applied'], undefined);
  });

  it('is not for batches', async () => {
    await using fixture = await HttpFixture.start();
    const answer = await fixture.send({ body: [FRESH], headers: { prefer: 'wait=10' } });
    assert.equal(answer.headers['preference-applied'], undefined);
  });
});

describe('seats for those who wait', () => {
  it('are bounded: who finds none hears 429, and nothing is queued', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 1 } });
    const first = fixture.send({ body: FRESH, headers: { prefer: 'wait=10' } });
    await fixture.untilWaiting(1);
    const refused = await fixture.send({ body: FRESH, headers: { prefer: 'wait=10' } });
    assert.equal(refused.status, 429);
    assert.equal(refused.json.code, 'too_many_waiting');
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal(fixture.store.inserted.length, 1);
    fixture.clock.advance(10_000);
    const { id } = (await first).json;
    assert.equal((await fixture.send({ path: '/lp/export?timeout=0', body: { id } })).status, 200);
  });

  it('come after idempotency: with a full house a mismatch is a mismatch, and a repeat of what has ended an answer', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 1 } });
    const headers = { prefer: 'wait=10', 'idempotency-key': 'known' };
    const { id } = (await fixture.send({ body: FRESH, headers: { 'idempotency-key': 'known' } })).json;
    const waiter = fixture.send({ body: FRESH, headers: { prefer: 'wait=10' } });
    await fixture.untilWaiting(1);
    const mismatch = await fixture.send({ body: { ...FRESH, data: '"other"' }, headers });
    assert.equal(mismatch.json.code, 'idempotency_mismatch');
    assert.equal((await fixture.send({ body: FRESH, headers })).json.code, 'too_many_waiting');
    const answer = { status: 200, body: 'ok', truncated: false };
    fixture.store.change(id, { state: 'delivered', finishedAt: 1, result: { kind: 'answer', answer } });
    const repeat = await fixture.send({ body: FRESH, headers });
    assert.equal(repeat.json.state, 'Finished');
    assert.equal(fixture.store.inserted.length, 2);
    fixture.clock.advance(10_000);
    await waiter;
  });

  it('are given back after the wait, however it ends', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 1 } });
    const id = await fixture.submit();
    const foreign = { token: tokenWith({ identifier: 'other' }), path: '/lp/export', body: { id } };
    assert.equal((await fixture.send(foreign)).status, 404);
    const hopeless = { ...FRESH, uri: 'http://plain.example/' };
    const refused = await fixture.send({
      token: tokenWith({ destination: hopeless.uri }),
      body: hopeless,
      headers: { prefer: 'wait=5' },
    });
    assert.equal(refused.status, 403);
    for (const prefer of ['', 'wait=1', 'wait=1']) {
      const answer = fixture.send({ path: '/lp/export?timeout=1', body: { id }, headers: { prefer } });
      await fixture.untilWaiting(1);
      fixture.clock.advance(1_000);
      assert.equal((await answer).status, 200);
    }
  });

  for (const [what, identifiers] of Object.entries({
    'named by their tokens': ['greedy', 'other'],
    'known by their destinations only': ['', ''],
  })) {
    it(`are shared among apps ${what}: who holds most answers early, with the present state, for one who holds fewer`, async () => {
      await using fixture = await HttpFixture.start({ limits: { waitingMax: 2 } });
      const [greedy, other] = identifiers;
      const destination = 'https://other.example/in';
      const tokens = [
        tokenWith({ identifier: greedy ?? '' }),
        tokenWith({ identifier: other ?? '', destination }),
      ];
      const wait = (app: 0 | 1) =>
        fixture.send({
          token: tokens[app] ?? null,
          body: { ...FRESH, uri: app === 0 ? FRESH.uri : destination },
          headers: { prefer: 'wait=10' },
        });
      const first = wait(0);
      await fixture.untilWaiting(1);
      const second = wait(0);
      await fixture.untilWaiting(2);
      assert.equal((await wait(0)).json.code, 'too_many_waiting');
      const third = wait(1);
      const { status, json } = await first;
      assert.deepEqual([status, json.state], [200, 'Pending']);
      await fixture.untilWaiting(2);
      assert.equal((await wait(1)).json.code, 'too_many_waiting', 'it would hold more than the other');
      fixture.clock.advance(10_000);
      for (const answer of [second, third]) assert.equal((await answer).status, 200);
    });
  }

  it('are not needed by who does not wait', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 0 } });
    const id = await fixture.submit();
    const ask = () => fixture.send({ path: '/lp/export', body: { id } });
    assert.equal((await ask()).json.code, 'too_many_waiting');
    fixture.store.change(id, DELIVERED);
    assert.equal((await ask()).status, 200);
  });

  it('are given back when the app hangs up, and what it handed in stays queued', async () => {
    await using fixture = await HttpFixture.start({ limits: { waitingMax: 1 } });
    const id = await fixture.submit();
    const asked = [
      { path: '/lp/export', body: { id } },
      { path: '/export', body: FRESH, headers: { prefer: 'wait=100' } },
    ];
    for (const options of asked) {
      const hangUp = new AbortController();
      const answer = fixture.send({ ...options, signal: hangUp.signal });
      await fixture.untilWaiting(1);
      hangUp.abort();
      await assert.rejects(answer);
      await fixture.untilWaiting(0);
    }
    assert.equal(fixture.store.inserted.length, 2);
    assert.deepEqual(fixture.unexpected, []);
    const again = fixture.send({ path: '/lp/export?timeout=1', body: { id } });
    await fixture.untilWaiting(1);
    fixture.clock.advance(1_000);
    assert.equal((await again).status, 200);
  });
});
