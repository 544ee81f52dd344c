import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe } from 'node:test';
import type { ExportJob } from '../export/job.ts';
import type { InsertResult, JobStore, NewJob } from '../export/job-store.ts';
import type { ExportPage, ExportQuery, RedeliverResult, Redelivery } from '../export/owner-store.ts';
import { type BudgetRule, RULES_MAX, type Rule } from '../export/rules.ts';
import {
  at,
  bytes,
  claim,
  claimNew,
  finish,
  HOUR,
  insert,
  key,
  LANE,
  LONGEST,
  NOW,
  newJob,
  type OpenStore,
  OTHER_LANE,
  promisesOf,
  release,
  request,
  wait,
} from './job-store.contract.ts';

const LIMITS = { pendingMax: 1_000, acceptsNew: true, now: at(NOW) };

/** What every store promises the owner: a rule counts from the commit that holds it. */
export function describeOwnerStore(name: string, open: OpenStore): void {
  describeRedelivery(name, open);
  const promises = promisesOf(open);

  describe(`${name}: rules`, () => {
    promises(
      'are kept as they were made, the oldest first, until they are removed',
      async (store, context) => {
        const rules = [
          budget({ createdAt: 1, app: 'app', note: 'not more', destination: 'https://a.example' }),
          block({ createdAt: 2, destination: 'https://b.example/in' }),
          hold({ createdAt: 3 }),
        ];
        for (const first of [2, 1, 0])
          assert.deepEqual(await store.owner.addRule(rules[first] as Rule), rules.slice(first));
        assert.deepEqual(await store.owner.rules(), rules);
        const reopened = await context.reopen();
        assert.deepEqual(await reopened.owner.rules(), rules);
        const left = { rules: rules.slice(0, 2), lanes: [] };
        assert.deepEqual(await reopened.owner.removeRule(rules[2]?.id ?? '', at(NOW), 0), left);
        assert.equal(await reopened.owner.removeRule(randomUUID(), at(NOW), 0), null);
        assert.deepEqual(await reopened.owner.rules(), rules.slice(0, 2));
      },
    );

    promises('are bounded in number', async (store) => {
      const rules = Array.from({ length: RULES_MAX }, () => block({ app: 'nobody' }));
      const added = await Promise.all(rules.map((rule) => store.owner.addRule(rule)));
      assert.equal(Math.max(...added.map((all) => all?.length ?? 0)), RULES_MAX);
      assert.ok(!added.includes(null));
      assert.equal(await store.owner.addRule(block({})), null);
      assert.equal((await store.owner.rules()).length, RULES_MAX);
    });
  });

  describe(`${name}: a block`, () => {
    promises('refuses new jobs, repeats too, and names the first of a batch', async (store) => {
      await insert(store, newJob({ lane: OTHER_LANE, idempotency: key('k') }));
      await store.owner.addRule(block({ destination: 'https://b.example' }));
      const refused = { kind: 'refused', reason: 'blocked_by_owner' };
      const batch = [newJob(), newJob({ lane: OTHER_LANE })];
      assert.deepEqual(await store.insert(batch, LIMITS), { ...refused, index: 1 });
      assert.deepEqual(await store.get(batch.map(({ id }) => id)), [null, null]);
      const repeat = newJob({ lane: OTHER_LANE, idempotency: key('k') });
      assert.deepEqual(await store.insert([repeat], LIMITS), { ...refused, index: 0 });
      await insert(store, newJob());
    });

    promises('gives out nothing, and ends what is queued and what waits, in steps', async (store) => {
      const jobs = [newJob(), newJob(), newJob()];
      await insert(store, ...jobs, newJob({ lane: OTHER_LANE }));
      const { jobs: claimed } = await claim(store, LANE, 1, NOW);
      await store.settle(wait(claimed[0], NOW + 1), request(0, NOW));
      const rule = block({ destination: LANE.destination });
      await store.owner.addRule(rule);
      assert.deepEqual((await claim(store, LANE, 5, NOW + HOUR)).jobs, []);
      assert.equal(await store.owner.endBlocked(at(NOW), 2), 2);
      assert.equal(await store.owner.endBlocked(at(NOW), 2), 1);
      assert.equal(await store.owner.endBlocked(at(NOW), 2), 0);
      for (const job of await store.get(jobs.map(({ id }) => id))) assertStopped(job, 'blocked');
      assert.equal((await claim(store, OTHER_LANE, 5, NOW)).jobs.length, 1);
      await store.owner.removeRule(rule.id, at(NOW), NOW);
      await insert(store, newJob());
    });

    promises('lets an attempt end, and ends the job when another would follow', async (store) => {
      const [delivered] = await claimNew(store);
      const [failed] = await claimNew(store, OTHER_LANE);
      await store.owner.addRule(block({}));
      assert.equal(await store.owner.endBlocked(at(NOW), 10), 0);
      await store.settle(finish(delivered), request(0, NOW));
      await store.settle(wait(failed, NOW + 1), request(0, NOW));
      const [first, second] = await store.get([delivered.id, failed.id]);
      assert.equal(first?.state, 'delivered');
      assertStopped(second, 'blocked');
      assert.equal((await store.attempts(failed.id)).length, 1);
    });

    promises('ends what is given back unsent, and what a dead worker had', async (store) => {
      const [unsent] = await claimNew(store);
      const [lost] = await claimNew(store, OTHER_LANE);
      await store.owner.addRule(block({}));
      await store.settle(release(unsent), request(0, NOW));
      assert.equal(await store.recover(at(NOW), LONGEST), 1);
      for (const job of await store.get([unsent.id, lost.id])) assertStopped(job, 'blocked');
      assert.equal((await store.attempts(lost.id))[0]?.error?.code, 'answer_unknown');
    });
  });

  describe(`${name}: a hold`, () => {
    promises('takes in and gives out nothing until it is removed', async (store, context) => {
      const rule = hold({ app: 'app' });
      await insert(store, newJob());
      await store.owner.addRule(rule);
      const [inserted] = await insert(store, newJob({ claimUntil: NOW + HOUR }));
      assert.equal(inserted?.claimed, null);
      const { jobs, backlog } = await claim(store, LANE, 5, NOW);
      assert.deepEqual(jobs, []);
      assert.deepEqual(backlog, { lane: LANE, hasDue: false, nextDueAt: null, isPaused: true });
      const reopened = await context.reopen();
      assert.deepEqual((await claim(reopened, LANE, 5, NOW)).jobs, []);
      assert.equal((await reopened.busyLanes(NOW))[0]?.hasDue, false);
      const lanes = [{ lane: LANE, hasDue: true, nextDueAt: null, isPaused: false }];
      assert.deepEqual(await reopened.owner.removeRule(rule.id, at(NOW), NOW), { rules: [], lanes });
      assert.equal((await claim(reopened, LANE, 5, NOW)).jobs.length, 2);
    });

    promises('of two holds the second still counts when the first is removed', async (store) => {
      const [first, second] = [hold({ app: 'app' }), hold({ destination: 'https://a.example' })];
      await insert(store, newJob());
      await store.owner.addRule(first);
      await store.owner.addRule(second);
      const left = { rules: [second], lanes: [] };
      assert.deepEqual(await store.owner.removeRule(first.id, at(NOW), NOW), left);
      assert.deepEqual((await claim(store, LANE, 5, NOW)).jobs, []);
      assert.equal((await store.owner.removeRule(second.id, at(NOW), NOW))?.lanes.length, 1);
    });

    promises('keeps those of a lane that begins under it from ageing too', async (store, context) => {
      const rule = hold({});
      await store.owner.addRule(rule);
      await insert(store, newJob({ expiresAt: NOW + HOUR }));
      const after = NOW + 2 * HOUR;
      assert.equal((await store.expire(at(after), 10)).ended, 0);
      const reopened = await context.reopen();
      assert.equal((await reopened.expire(at(after), 10)).ended, 0);
      await reopened.owner.removeRule(rule.id, at(after), after + HOUR);
      assert.equal((await reopened.expire(at(after + HOUR - 1), 10)).ended, 0);
      assert.equal((await reopened.expire(at(after + HOUR), 10)).ended, 1);
    });

    promises('keeps jobs from ageing: they expire an age after their release', async (store, context) => {
      const [old, fresh] = [
        newJob({ expiresAt: NOW + HOUR }),
        newJob({ lane: OTHER_LANE, expiresAt: NOW + HOUR }),
      ];
      await insert(store, old, fresh);
      const rule = hold({ destination: LANE.destination });
      await store.owner.addRule(rule);
      const after = NOW + 2 * HOUR;
      assert.equal((await store.expire(at(after), 10)).ended, 1);
      await store.owner.removeRule(rule.id, at(after), after + HOUR);
      const reopened = await context.reopen();
      assert.equal((await reopened.expire(at(after + HOUR - 1), 10)).ended, 0);
      const { jobs } = await claim(reopened, LANE, 1, after);
      await reopened.settle(release(jobs[0]), request(0, after));
      assert.equal((await reopened.expire(at(after + HOUR), 10)).ended, 1);
    });
  });

  describe(`${name}: a hold that comes upon an attempt`, () => {
    const after = NOW + 100 * HOUR;

    promises('keeps the job from ending by its age when that attempt fails', async (store) => {
      const [held] = await claimNew(store);
      const rule = hold({});
      await store.owner.addRule(rule);
      await store.settle(wait(held, after), request(0, after));
      assert.equal((await store.get([held.id]))[0]?.state, 'waiting');
      assert.equal((await store.expire(at(after), 10)).ended, 0);
      await store.owner.removeRule(rule.id, at(after), after + HOUR);
      const [again] = (await claim(store, LANE, 1, after)).jobs;
      await store.settle(wait(again, after), request(0, after + HOUR));
      assert.equal((await store.get([held.id]))[0]?.state, 'undeliverable', 'an age after its release');
    });

    promises('and is gone again before its end gives the job an age from then on', async (store) => {
      const [held] = await claimNew(store);
      const rule = hold({});
      await store.owner.addRule(rule);
      await store.owner.removeRule(rule.id, at(after), after + HOUR);
      await store.settle(wait(held, after), request(0, after));
      assert.equal((await store.get([held.id]))[0]?.state, 'waiting');
    });
  });

  describe(`${name}: a budget`, () => {
    promises('lets 100 of 1,000 jobs through that race for it', async (store) => {
      await store.owner.addRule(budget({ limit: 100, unit: 'exports', per: 'hour' }));
      const results = await Promise.all(
        Array.from({ length: 1_000 }, () => store.insert([newJob()], LIMITS)),
      );
      const refused = results.filter(({ kind }) => kind === 'refused');
      assert.equal(refused.length, 900);
      assert.deepEqual(refused[0], {
        kind: 'refused',
        reason: 'budget_exhausted',
        index: 0,
        retryAt: NOW + HOUR,
      });
    });

    promises('counts bytes, all of a batch or nothing, and no repeats', async (store) => {
      await store.owner.addRule(budget({ limit: 10, unit: 'bytes', per: 'day' }));
      const four = () => newJob({ data: bytes('1234') });
      const index = refusedIndex(await store.insert([four(), four(), four()], LIMITS));
      assert.equal(index, 2);
      const first = { ...four(), idempotency: key('k') };
      await insert(store, first, four());
      assert.equal((await insert(store, { ...four(), idempotency: key('k') }))[0]?.job.id, first.id);
      assert.equal(refusedIndex(await store.insert([four()], LIMITS)), 0);
      await insert(store, newJob({ data: bytes('12') }));
    });

    promises(
      'begins anew with the hour, survives a restart, and counts what it names only',
      async (store, context) => {
        await store.owner.addRule(
          budget({ limit: 1, unit: 'exports', per: 'hour', destination: LANE.destination }),
        );
        await insert(store, newJob());
        const reopened = await context.reopen();
        assert.equal(refusedIndex(await reopened.insert([newJob()], LIMITS)), 0);
        await insert(reopened, newJob({ lane: OTHER_LANE }));
        const later = { ...LIMITS, now: at(NOW + HOUR) };
        assert.equal((await reopened.insert([newJob()], later)).kind, 'inserted');
        assert.equal(refusedIndex(await reopened.insert([newJob()], later)), 0);
        assert.equal(refusedIndex(await reopened.insert([newJob()], LIMITS)), 0, 'the clock went back');
      },
    );

    promises(
      'is given back by no wall clock that is set forward, or back, while something is cleared away',
      async (store) => {
        await store.owner.addRule(budget({ limit: 1, unit: 'exports', per: 'day' }));
        await insert(store, newJob());
        for (const wall of [NOW + 3_652 * 24 * HOUR, NOW - 3_652 * 24 * HOUR])
          await store.expire({ wall, steady: NOW + HOUR }, 10);
        assert.equal(refusedIndex(await store.insert([newJob()], LIMITS)), 0);
      },
    );

    promises('of several the first that is used up decides', async (store) => {
      await store.owner.addRule(budget({ limit: 5, unit: 'exports', per: 'day' }));
      await store.owner.addRule(budget({ limit: 1, unit: 'exports', per: 'hour' }));
      await insert(store, newJob());
      const result = await store.insert([newJob()], LIMITS);
      assert.equal(result.kind === 'refused' && result.retryAt, NOW + HOUR);
    });
  });

  describe(`${name}: what the owner sees`, () => {
    promises(
      'an export with its attempts, its submitter and what keeps it, and never a body',
      async (store) => {
        const job = newJob({ peer: '192.0.2.7' });
        await insert(store, job);
        const { jobs } = await claim(store, LANE, 1, NOW);
        await store.settle(wait(jobs[0], NOW + 1), request(0, NOW));
        const rule = hold({ app: 'app' });
        await store.owner.addRule(rule);
        const found = await store.owner.find(job.id);
        assert.equal(found?.peer, '192.0.2.7');
        assert.equal(found.heldBy, rule.id);
        assert.equal(found.redeliveryOf, null);
        assert.deepEqual(found.attempts, await store.attempts(job.id));
        assert.deepEqual(found.job, (await store.get([job.id]))[0]);
        await store.owner.removeRule(rule.id, at(NOW), 0);
        const again = await claim(store, LANE, 1, NOW + 1);
        await store.settle(finish(again.jobs[0]), request(0, NOW));
        const end = await store.owner.find(job.id);
        const answer = { status: 200, body: '', truncated: false };
        assert.deepEqual(end?.job.result, { kind: 'answer', answer });
        assert.equal(end.heldBy, null);
        assert.equal(await store.owner.find(randomUUID()), null);
      },
    );

    promises('lists by page, the newest first, without a gap while more come in', async (store) => {
      const ids: string[] = [];
      for (let n = 0; n < 5; n += 1) {
        const job = newJob({ lane: n % 2 === 0 ? LANE : OTHER_LANE });
        await insert(store, job);
        ids.unshift(job.id);
      }
      assert.deepEqual(await pages(store, 2), [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
      assert.deepEqual(await pages(store, 5), [ids]);
      const first = await store.owner.list({
        app: null,
        destination: null,
        phase: null,
        before: null,
        limit: 3,
      });
      await insert(store, newJob());
      const next = await store.owner.list({
        app: null,
        destination: null,
        phase: null,
        before: first.next,
        limit: 3,
      });
      assert.deepEqual(
        next.items.map(({ job }) => job.id),
        ids.slice(3),
      );
    });

    promises('lists those of an app, to a URL or an origin, and in a phase', async (store) => {
      const other = { client: 'other', destination: 'https://a.example/elsewhere' };
      const [queued, sending] = [newJob({ lane: OTHER_LANE }), newJob({ lane: other })];
      const [done] = await claimNew(store);
      await store.settle(finish(done), request(0, NOW));
      const [failed] = await claimNew(store);
      await store.settle(wait(failed, NOW + HOUR), request(0, NOW));
      await insert(store, queued, sending);
      await claim(store, other, 1, NOW);
      const found = async (filter: Partial<ExportQuery>) => (await pages(store, 1, filter)).flat();
      assert.deepEqual(await found({ app: 'other' }), [sending.id]);
      assert.deepEqual(await found({ destination: 'https://a.example' }), [sending.id, failed.id, done.id]);
      assert.deepEqual(await found({ destination: LANE.destination }), [failed.id, done.id]);
      assert.deepEqual(await found({ phase: 'pending' }), [queued.id]);
      assert.deepEqual((await found({ phase: 'processing' })).toSorted(), [failed.id, sending.id].toSorted());
      assert.deepEqual(await found({ phase: 'finished' }), [done.id]);
      assert.deepEqual(await found({ app: 'app', phase: 'finished' }), [done.id]);
      assert.deepEqual(await found({ app: 'nobody' }), []);
    });

    promises('sums up by app and destination what was accepted in a time', async (store) => {
      const [done] = await claimNew(store);
      await store.settle(finish(done), request(0, NOW));
      await insert(store, newJob({ data: bytes('12345'), acceptedAt: NOW + HOUR }));
      const late = newJob({ lane: OTHER_LANE, acceptedAt: NOW + 2 * HOUR });
      await insert(store, late);
      await store.owner.cancel(late.id, at(NOW));
      const [other, first, ...more] = await store.owner.summary(NOW, NOW + 3 * HOUR);
      assert.deepEqual(more, []);
      const none = { delivered: 0, undeliverable: 0, blocked: 0, cancelled: 0 };
      const { client: app, destination } = LANE;
      const times = { firstAt: NOW, lastAt: NOW + HOUR };
      assert.deepEqual(first, { app, destination, accepted: 2, ...none, delivered: 1, bytes: 7, ...times });
      assert.equal(other?.cancelled, 1);
      const [second, ...none2] = await store.owner.summary(NOW + 1, NOW + 2 * HOUR);
      assert.deepEqual(none2, []);
      assert.equal(second?.accepted, 1);
    });

    promises(
      'what apps can no longer read is still there, until its history ends too',
      async (store, context) => {
        const [done] = await claimNew(store);
        await store.settle(finish(done), request(0, NOW));
        assert.equal(await store.deleteExpired(NOW + HOUR, NOW, 10), 1);
        assert.equal(await store.deleteExpired(NOW + HOUR, NOW, 10), 0);
        assert.deepEqual(await store.get([done.id]), [null]);
        const reopened = await context.reopen();
        assert.deepEqual(await pages(reopened, 5), [[done.id]]);
        assert.equal((await reopened.owner.find(done.id))?.attempts.length, 1);
        assert.equal(await reopened.deleteHistory(NOW, 10), 0);
        assert.equal(await reopened.deleteHistory(NOW + HOUR, 10), 1);
        assert.equal(await reopened.owner.find(done.id), null);
        assert.deepEqual(await reopened.owner.summary(0, NOW + HOUR), []);
      },
    );
  });

  describe(`${name}: a cancel`, () => {
    promises('ends what is queued or waits, and nothing that has ended', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(wait(claimed, NOW + HOUR), request(0, NOW));
      const queued = newJob();
      await insert(store, queued);
      const [done] = await claimNew(store, OTHER_LANE);
      await store.settle(finish(done), request(0, NOW));
      const cancel = (id: string) => store.owner.cancel(id, at(NOW));
      assert.equal(await cancel(claimed.id), 'cancelled');
      assert.equal(await cancel(queued.id), 'cancelled');
      assert.equal(await cancel(queued.id), 'finished');
      assert.equal(await cancel(done.id), 'finished');
      assert.equal(await cancel(randomUUID()), 'unknown');
      for (const job of await store.get([claimed.id, queued.id])) assertStopped(job, 'cancelled');
      assert.deepEqual((await claim(store, LANE, 5, NOW + 2 * HOUR)).jobs, []);
    });

    promises('of what is being sent waits for the attempt, and no other follows', async (store, context) => {
      const [delivered] = await claimNew(store);
      const [failed] = await claimNew(store, OTHER_LANE);
      const lane = { client: 'third', destination: 'https://c.example/' };
      const [lost] = await claimNew(store, lane);
      for (const { id } of [delivered, failed, lost])
        assert.equal(await store.owner.cancel(id, at(NOW)), 'requested');
      await store.settle(finish(delivered), request(0, NOW));
      await store.settle(wait(failed, NOW + 1), request(0, NOW));
      const reopened = await context.reopen();
      await reopened.recover(at(NOW), LONGEST);
      const [first, second, third] = await reopened.get([delivered.id, failed.id, lost.id]);
      assert.equal(first?.state, 'delivered');
      assertStopped(second, 'cancelled');
      assertStopped(third, 'cancelled');
    });
  });
}

/** What redelivering promises; a part of {@link describeOwnerStore}. */
function describeRedelivery(name: string, open: OpenStore): void {
  const promises = promisesOf(open, { keepsPayloads: true });
  const again = (changes: Partial<Redelivery> = {}): Redelivery => ({
    id: randomUUID(),
    acceptedAt: NOW + HOUR,
    expiresAt: NOW + 2 * HOUR,
    ...changes,
  });
  const ended = async (store: JobStore, job: Partial<NewJob> = {}): Promise<string> => {
    const [inserted] = await insert(store, newJob({ data: bytes('"kept"'), attemptsMax: 3, ...job }));
    const { jobs } = await claim(store, job.lane ?? LANE, 1, NOW);
    await store.settle(finish(jobs[0]), request(0, NOW));
    return inserted?.job.id ?? '';
  };
  const reason = (result: RedeliverResult): string =>
    result.kind === 'refused' ? result.reason : result.kind;

  describe(`${name}: a redelivery`, () => {
    promises('is a new job with the same data, which says what it repeats', async (store) => {
      const id = await ended(store, { peer: '192.0.2.7' });
      const as = again();
      const result = await store.owner.redeliver(id, as, LIMITS);
      assert.ok(result.kind === 'inserted');
      const [{ job, claimed, isRepeat } = assert.fail()] = result.jobs;
      assert.deepEqual([claimed, isRepeat], [null, false]);
      assert.deepEqual(job, (await store.get([as.id]))[0]);
      const { lane, state, attempts, attemptsMax, dataBytes, acceptedAt } = job;
      assert.deepEqual(
        { lane, state, attempts, attemptsMax, dataBytes, acceptedAt },
        { lane: LANE, state: 'queued', attempts: 0, attemptsMax: 3, dataBytes: 6, acceptedAt: NOW + HOUR },
      );
      const owned = await store.owner.find(as.id);
      assert.deepEqual([owned?.redeliveryOf, owned?.peer, owned?.attempts], [id, null, []]);
      assert.equal((await store.expire(at(NOW + 2 * HOUR - 1), 10)).ended, 0);
      const { jobs } = await claim(store, LANE, 1, NOW + HOUR);
      assert.equal(Buffer.from(jobs[0]?.data ?? []).toString(), '"kept"');
      assert.equal((await store.owner.find(id))?.redeliveryOf, null);
    });

    promises('can be repeated, and repeats what apps can no longer read', async (store) => {
      const id = await ended(store);
      await store.deleteExpired(NOW + HOUR, NOW, 10);
      const [first, second] = [again(), again()];
      assert.equal(reason(await store.owner.redeliver(id, first, LIMITS)), 'inserted');
      assert.equal(reason(await store.owner.redeliver(first.id, second, LIMITS)), 'inserted');
      assert.equal((await store.owner.find(second.id))?.redeliveryOf, first.id);
    });

    promises('needs the payload, and leaves nothing behind without it', async (store, context) => {
      const id = await ended(store);
      assert.equal(reason(await store.owner.redeliver(randomUUID(), again(), LIMITS)), 'unknown');
      await store.erasePayloads(NOW + HOUR, 10);
      const as = again();
      assert.equal(reason(await store.owner.redeliver(id, as, LIMITS)), 'erased');
      assert.equal(await store.owner.find(as.id), null);
      const reopened = await context.reopen({ keepsPayloads: false });
      const next = await ended(reopened);
      assert.equal(reason(await reopened.owner.redeliver(next, as, LIMITS)), 'erased');
    });

    promises('is judged as new jobs are: by rules, budgets and limits', async (store) => {
      const id = await ended(store);
      const rule = block({ app: 'app' });
      await store.owner.addRule(rule);
      assert.equal(reason(await store.owner.redeliver(id, again(), LIMITS)), 'blocked_by_owner');
      await store.owner.removeRule(rule.id, at(NOW), NOW);
      await store.owner.addRule(budget({ limit: 1, unit: 'exports', per: 'hour' }));
      const narrow = { ...LIMITS, pendingMax: 0 };
      assert.equal(reason(await store.owner.redeliver(id, again(), narrow)), 'too_many_pending');
      assert.equal(reason(await store.owner.redeliver(id, again(), LIMITS)), 'inserted');
      assert.deepEqual(await store.owner.redeliver(id, again(), LIMITS), {
        kind: 'refused',
        reason: 'budget_exhausted',
        index: 0,
        retryAt: NOW + HOUR,
      });
    });

    promises('is held as new jobs are', async (store) => {
      const id = await ended(store);
      const rule = hold({});
      await store.owner.addRule(rule);
      const as = again();
      assert.equal(reason(await store.owner.redeliver(id, as, LIMITS)), 'inserted');
      assert.deepEqual((await claim(store, LANE, 1, NOW + HOUR)).jobs, []);
      assert.equal((await store.owner.find(as.id))?.heldBy, rule.id);
    });

    promises('of several that race for a budget so many get through as it has', async (store) => {
      const id = await ended(store);
      await store.owner.addRule(budget({ limit: 3, unit: 'exports', per: 'hour' }));
      const all = Array.from({ length: 10 }, () => store.owner.redeliver(id, again(), LIMITS));
      const reasons = (await Promise.all(all)).map(reason);
      assert.equal(reasons.filter((each) => each === 'inserted').length, 3);
    });
  });
}

/** Pages of `limit`, one after the other. */
async function pages(store: JobStore, limit: number, filter: Partial<ExportQuery> = {}): Promise<string[][]> {
  const found: string[][] = [];
  let before: string | null = null;
  do {
    const page: ExportPage = await store.owner.list({
      app: null,
      destination: null,
      phase: null,
      ...filter,
      before,
      limit,
    });
    found.push(page.items.map(({ job }) => job.id));
    before = page.next;
  } while (before !== null);
  return found;
}

type Given<R extends Rule> = Partial<Omit<R, 'kind'>>;

function base() {
  return { id: randomUUID(), app: null, destination: null, note: null, createdAt: NOW };
}

function block(given: Given<Rule>): Rule {
  return { ...base(), ...given, kind: 'block' };
}

function hold(given: Given<Rule>): Rule {
  return { ...base(), ...given, kind: 'hold' };
}

function budget(given: Given<BudgetRule>): Rule {
  return { ...base(), limit: 1, unit: 'exports', per: 'hour', ...given, kind: 'budget' };
}

function refusedIndex(result: InsertResult): number | null {
  if (result.kind !== 'refused') return null;
  assert.equal(result.reason, 'budget_exhausted');
  return result.index;
}

function assertStopped(job: ExportJob | null | undefined, state: 'blocked' | 'cancelled'): void {
  assert.equal(job?.state, state);
  assert.equal(job?.finishedAt !== null, true);
  const code = state === 'blocked' ? 'blocked_by_owner' : 'cancelled';
  assert.equal(job?.result?.kind === 'failure' && job.result.failure.code, code);
}
