import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Attempt, AttemptError, JobResult, Lane } from '../export/job.ts';
import type {
  Claim,
  ClaimedJob,
  ClaimRequest,
  EndedJob,
  Inserted,
  InsertResult,
  JobStore,
  NewJob,
  Now,
  PayloadRetention,
  Settlement,
} from '../export/job-store.ts';
import { type LaneReport, NO_REPORT } from '../export/lane-health.ts';

/** A store under test: unlocked, and empty at first. `reopen` closes it and opens the same data again. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: JobStore;
  reopen(retention?: PayloadRetention): Promise<JobStore>;
}

export const NOW = Date.UTC(2026, 0, 1);
const LIMITS = { pendingMax: 1_000, acceptsNew: true, now: at(NOW) };
export const HOUR = 3_600_000;
export const LONGEST = { retryMs: HOUR, ageMs: 72 * HOUR, keyMs: 24 * HOUR };
export const LANE: Lane = { client: 'app', destination: 'https://a.example/in' };
export const OTHER_LANE: Lane = { client: 'app', destination: 'https://b.example/in' };
const ANSWER: JobResult = { kind: 'answer', answer: { status: 200, body: 'thanks', truncated: false } };

/** Opens a store of its own, with this kept of payloads. */
export type OpenStore = (retention: PayloadRetention) => Promise<StoreUnderTest>;

/** A promise of a store, as a test with a fresh one, closed afterwards. */
export type Promises = (
  promise: string,
  test: (store: JobStore, context: StoreUnderTest) => Promise<void>,
  retention?: PayloadRetention,
) => void;

/** Makes the tests of a suite. @param kept what a store does with payloads, where a promise does not say */
export function promisesOf(open: OpenStore, kept: PayloadRetention = { keepsPayloads: false }): Promises {
  return (promise, test, retention = kept) => {
    it(promise, async () => {
      await using context = await open(retention);
      await test(context.store, context);
    });
  };
}

/**
 * What every store promises. A store is done when this suite passes; a new promise is first a case here.
 */
export function describeJobStore(name: string, open: OpenStore): void {
  const promises = promisesOf(open);

  describe(`${name}: taking in`, () => {
    promises('an inserted job is queued and can be read', async (store) => {
      const job = newJob({ data: bytes('{"a":1}') });
      await insert(store, job);
      const [read] = await store.get([job.id]);
      assert.deepEqual(read, {
        id: job.id,
        lane: LANE,
        state: 'queued',
        dataBytes: 7,
        attemptsMax: 9,
        attempts: 0,
        attemptsSpent: 0,
        acceptedAt: NOW,
        nextAttemptAt: null,
        lastError: null,
        finishedAt: null,
        result: null,
      });
    });

    promises('what was inserted is there after the store is opened again', async (store, context) => {
      const job = newJob({ data: bytes('"kept"') });
      await insert(store, job);
      const reopened = await context.reopen();
      assert.equal((await reopened.get([job.id]))[0]?.state, 'queued');
      const { jobs } = await claim(reopened, LANE, 1, NOW);
      assert.deepEqual(Buffer.from(jobs[0]?.data ?? []), Buffer.from('"kept"'));
    });

    promises('get answers in the order of its ids, with null for what is not there', async (store) => {
      const [first, second] = [newJob(), newJob()];
      await insert(store, first, second);
      const read = await store.get([second.id, randomUUID(), first.id]);
      assert.deepEqual(
        read.map((job) => job?.id),
        [second.id, undefined, first.id],
      );
    });

    promises('a job is there for its own client and destination, and for nobody else', async (store) => {
      const job = newJob();
      await insert(store, job);
      const isThere = async (client: string, destination: string | null): Promise<boolean> => {
        const [found, unknown] = await store.get([job.id, randomUUID()], { client, destination });
        assert.equal(unknown, null);
        assert.ok(found === null || found?.id === job.id);
        return found !== null;
      };
      const { client, destination } = LANE;
      assert.ok(await isThere(client, destination));
      assert.ok(await isThere(client, null));
      for (const [otherClient, otherDestination] of [
        [client, OTHER_LANE.destination],
        [client, `${destination}/`],
        [client, destination.toUpperCase()],
        [client, ''],
        [client.toUpperCase(), destination],
        ['', destination],
        ['', null],
        [`${client} `, null],
      ] as const) {
        assert.ok(!(await isThere(otherClient, otherDestination)), `${otherClient} ${otherDestination}`);
      }
    });

    promises('an empty payload and one of a megabyte come back byte for byte', async (store) => {
      const big = Buffer.alloc(1 << 20, 'ä€𝄞 ');
      await insert(store, newJob({ data: new Uint8Array(0) }), newJob({ data: big }));
      const { jobs } = await claim(store, LANE, 2, NOW);
      assert.equal(jobs[0]?.data.byteLength, 0);
      assert.ok(big.equals(jobs[1]?.data ?? new Uint8Array()));
    });

    promises('jobs inserted at the same time keep their payloads apart', async (store) => {
      const jobs = Array.from({ length: 50 }, (_, n) => newJob({ data: bytes(`"${n}"`) }));
      await Promise.all(jobs.map((job) => insert(store, job)));
      const { jobs: claimed } = await claim(store, LANE, 50, NOW);
      assert.deepEqual(claimed.map(text), jobs.map(text));
    });

    promises(
      'of a batch over the lane limit nothing is added, and the first job over it is named',
      async (store) => {
        const jobs = [newJob({ lane: OTHER_LANE }), newJob(), newJob(), newJob()];
        const result = await store.insert(jobs, { pendingMax: 2, acceptsNew: true, now: at(NOW) });
        assert.deepEqual(result, { kind: 'refused', reason: 'too_many_pending', index: 3 });
        assert.deepEqual(await store.get(jobs.map((job) => job.id)), [null, null, null, null]);
      },
    );

    promises(
      'the lane limit counts queued, sending and waiting jobs, and no finished ones',
      async (store) => {
        const [finished, waiting, sending, queued] = [newJob(), newJob(), newJob(), newJob()];
        await insert(store, finished, waiting, sending, queued);
        const { jobs } = await claim(store, LANE, 3, NOW);
        await store.settle(finish(jobs[0]), request(0, NOW));
        await store.settle(wait(jobs[1], NOW + 1), request(0, NOW));
        assert.equal(
          (await store.insert([newJob()], { pendingMax: 3, acceptsNew: true, now: at(NOW) })).kind,
          'refused',
        );
        assert.equal(
          (await store.insert([newJob()], { pendingMax: 4, acceptsNew: true, now: at(NOW) })).kind,
          'inserted',
        );
      },
    );

    promises('a refused insert leaves nothing behind that counts', async (store) => {
      await store.insert([newJob(), newJob()], { pendingMax: 1, acceptsNew: true, now: at(NOW) });
      assert.equal(
        (await store.insert([newJob()], { pendingMax: 1, acceptsNew: true, now: at(NOW) })).kind,
        'inserted',
      );
    });
  });

  describe(`${name}: idempotency keys`, () => {
    promises('a known key gives the first job, in its present state, and adds nothing', async (store) => {
      const first = newJob({ idempotency: key('k') });
      await insert(store, first);
      await claim(store, LANE, 1, NOW);
      const repeat = newJob({ idempotency: key('k') });
      const [inserted] = await insert(store, repeat);
      assert.equal(inserted?.isRepeat, true);
      assert.equal(inserted?.job.id, first.id);
      assert.equal(inserted?.job.state, 'sending');
      assert.deepEqual(await store.get([repeat.id]), [null]);
    });

    promises('a known key with another digest refuses the whole batch', async (store) => {
      await insert(store, newJob({ idempotency: key('k', 1) }));
      const jobs = [newJob(), newJob({ idempotency: key('k', 2) })];
      const result = await store.insert(jobs, LIMITS);
      assert.deepEqual(result, { kind: 'refused', reason: 'idempotency_mismatch', index: 1 });
      assert.deepEqual(await store.get([jobs[0]?.id ?? '']), [null]);
    });

    promises('a key that comes twice in a batch gives its first job twice', async (store) => {
      const inserted = await insert(
        store,
        newJob({ idempotency: key('k') }),
        newJob({ idempotency: key('k') }),
      );
      assert.equal(inserted[0]?.job.id, inserted[1]?.job.id);
      assert.deepEqual(
        inserted.map((one) => one.isRepeat),
        [false, true],
      );
    });

    promises(
      'a key that comes twice in a batch with different digests is refused at the second',
      async (store) => {
        const result = await store.insert(
          [newJob({ idempotency: key('k', 1) }), newJob({ idempotency: key('k', 2) })],
          LIMITS,
        );
        assert.deepEqual(result, { kind: 'refused', reason: 'idempotency_mismatch', index: 1 });
      },
    );

    promises('the same key for another lane is another key', async (store) => {
      await insert(store, newJob({ idempotency: key('k', 1) }));
      const [inserted] = await insert(store, newJob({ lane: OTHER_LANE, idempotency: key('k', 2) }));
      assert.equal(inserted?.isRepeat, false);
    });

    promises('a repeat is taken in also when the lane is full', async (store) => {
      await insert(store, newJob({ idempotency: key('k') }));
      const result = await store.insert([newJob({ idempotency: key('k') })], {
        pendingMax: 1,
        acceptsNew: true,
        now: at(NOW),
      });
      assert.equal(result.kind, 'inserted');
    });

    promises('when nothing new is taken in, a repeat still gets its first job', async (store) => {
      await insert(store, newJob({ idempotency: key('k', 1) }));
      const limits = { ...LIMITS, acceptsNew: false };
      const repeat = await store.insert([newJob({ idempotency: key('k', 1) })], limits);
      assert.equal(repeat.kind === 'inserted' && repeat.jobs[0]?.isRepeat, true);
      const mixed = [newJob({ idempotency: key('k', 1) }), newJob()];
      assert.deepEqual(await store.insert(mixed, limits), {
        kind: 'refused',
        reason: 'too_many_waiting',
        index: 1,
      });
      const other = await store.insert([newJob({ idempotency: key('k', 2) })], limits);
      assert.equal(other.kind === 'refused' && other.reason, 'idempotency_mismatch');
    });

    promises('a key outlives its time until its job has ended, and is forgotten then', async (store) => {
      await insert(store, newJob({ idempotency: key('k', 1) }));
      const { jobs } = await claim(store, LANE, 1, NOW);
      const late = async () => {
        const limits = { pendingMax: 1_000, acceptsNew: true, now: at(NOW + 25 * HOUR) };
        const result = await store.insert([newJob({ idempotency: key('k', 1) })], limits);
        return result.kind === 'inserted' ? result.jobs[0]?.isRepeat : null;
      };
      assert.equal(await late(), true);
      await store.settle(finish(jobs[0]), request(0, NOW));
      assert.equal(await late(), false);
    });
  });

  describe(`${name}: claiming`, () => {
    promises('jobs of a lane are claimed in the order of acceptance', async (store) => {
      const jobs = Array.from({ length: 5 }, () => newJob());
      for (const job of jobs) await insert(store, job);
      const first = await claim(store, LANE, 2, NOW);
      const second = await claim(store, LANE, 9, NOW);
      assert.deepEqual(
        [...first.jobs, ...second.jobs].map((job) => job.id),
        jobs.map((job) => job.id),
      );
    });

    promises('a claimed job is sending and is not claimed again', async (store) => {
      const job = newJob();
      await insert(store, job);
      await claim(store, LANE, 1, NOW);
      assert.equal((await store.get([job.id]))[0]?.state, 'sending');
      assert.deepEqual((await claim(store, LANE, 1, NOW)).jobs, []);
    });

    promises('a claim touches no other lane', async (store) => {
      await insert(store, newJob({ lane: OTHER_LANE }));
      assert.deepEqual((await claim(store, LANE, 1, NOW)).jobs, []);
      assert.equal((await claim(store, { ...OTHER_LANE, client: 'other' }, 1, NOW)).jobs.length, 0);
      assert.equal((await claim(store, OTHER_LANE, 1, NOW)).jobs.length, 1);
    });

    promises('a claim tells whether the lane has more', async (store) => {
      await insert(store, newJob(), newJob());
      assert.deepEqual((await claim(store, LANE, 1, NOW)).backlog, {
        lane: LANE,
        hasDue: true,
        nextDueAt: null,
        isPaused: false,
      });
      assert.deepEqual((await claim(store, LANE, 1, NOW)).backlog, {
        lane: LANE,
        hasDue: false,
        nextDueAt: null,
        isPaused: false,
      });
    });

    promises('a job that asks for it is claimed at its insertion', async (store) => {
      const job = newJob({ claimUntil: NOW + 60_000, data: bytes('"now"') });
      const [inserted] = await insert(store, job);
      assert.equal(inserted?.job.state, 'sending');
      assert.equal(text(inserted?.claimed ?? undefined), '"now"');
      assert.equal(
        (await store.settle(finish(inserted?.claimed ?? undefined), request(0, NOW))).settled,
        true,
      );
    });

    promises('a job behind another queued one is not claimed at its insertion', async (store) => {
      await insert(store, newJob());
      const [inserted] = await insert(store, newJob({ claimUntil: NOW + 60_000 }));
      assert.equal(inserted?.claimed, null);
      assert.equal(inserted?.job.state, 'queued');
    });
  });

  describe(`${name}: settling`, () => {
    promises('a finished job has its result, its attempt, and no payload to claim', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(finish(claimed), request(0, NOW));
      const [job] = await store.get([claimed.id]);
      assert.equal(job?.state, 'delivered');
      assert.deepEqual(job?.result, ANSWER);
      assert.equal(job?.finishedAt, NOW + 5);
      assert.equal(job?.attempts, 1);
      assert.deepEqual(await store.attempts(claimed.id), [attempt(1)]);
      assert.deepEqual((await claim(store, LANE, 1, NOW + HOUR)).jobs, []);
    });

    promises('an undeliverable job has its failure', async (store) => {
      const [claimed] = await claimNew(store);
      const result: JobResult = { kind: 'failure', failure: { code: 'timeout', detail: 'too slow' } };
      await store.settle({ ...finish(claimed), state: 'undeliverable', result }, request(0, NOW));
      const [job] = await store.get([claimed.id]);
      assert.equal(job?.state, 'undeliverable');
      assert.deepEqual(job?.result, result);
    });

    promises('an empty and a truncated answer come back as they were', async (store) => {
      for (const [body, truncated] of [
        ['', false],
        ['ä'.repeat(32_768), true],
      ] as const) {
        const [claimed] = await claimNew(store);
        const result: JobResult = { kind: 'answer', answer: { status: 299, body, truncated } };
        await store.settle({ ...finish(claimed), result }, request(0, NOW));
        assert.deepEqual((await store.get([claimed.id]))[0]?.result, result);
      }
    });

    promises('settling with an old lease changes nothing', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(release(claimed), request(0, NOW));
      const again = (await claim(store, LANE, 1, NOW)).jobs[0];
      const { settled } = await store.settle(finish(claimed), request(0, NOW));
      assert.equal(settled, false);
      assert.equal((await store.get([claimed.id]))[0]?.state, 'sending');
      assert.deepEqual(await store.attempts(claimed.id), []);
      assert.equal((await store.settle(finish(again), request(0, NOW))).settled, true);
    });

    promises('settling twice changes nothing the second time', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(finish(claimed), request(0, NOW));
      assert.equal((await store.settle(wait(claimed, NOW + 1), request(0, NOW))).settled, false);
      assert.equal((await store.get([claimed.id]))[0]?.state, 'delivered');
    });

    promises('a waiting job is claimed when it is due and not before', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(wait(claimed, NOW + 5_000), request(0, NOW));
      const [job] = await store.get([claimed.id]);
      assert.equal(job?.state, 'waiting');
      assert.equal(job?.nextAttemptAt, NOW + 5_000);
      assert.deepEqual(job?.lastError, ERROR);
      const early = await claim(store, LANE, 1, NOW + 4_999);
      assert.deepEqual(early, {
        jobs: [],
        backlog: { lane: LANE, hasDue: false, nextDueAt: NOW + 5_000, isPaused: false },
      });
      const due = await claim(store, LANE, 1, NOW + 5_000);
      assert.deepEqual(
        due.jobs.map(({ id, attempts, attemptsSpent }) => ({ id, attempts, attemptsSpent })),
        [{ id: claimed.id, attempts: 1, attemptsSpent: 1 }],
      );
    });

    promises('what is due again goes before what was accepted later', async (store) => {
      const [claimed] = await claimNew(store);
      await insert(store, newJob());
      await store.settle(wait(claimed, NOW + 1), request(0, NOW));
      assert.equal((await claim(store, LANE, 1, NOW + 1)).jobs[0]?.id, claimed.id);
    });

    promises('a released job is queued again in its old place, with no attempt spent', async (store) => {
      const [claimed] = await claimNew(store);
      await insert(store, newJob());
      await store.settle(release(claimed), request(0, NOW));
      const [again] = (await claim(store, LANE, 1, NOW)).jobs;
      assert.equal(again?.id, claimed.id);
      assert.equal(again?.attempts, 0);
      assert.equal(again?.attemptsSpent, 0);
    });

    promises(
      'a job released after it may have been sent lists the attempt without spending it',
      async (store) => {
        const [claimed] = await claimNew(store);
        const unknown = attempt(1, { code: 'answer_unknown', detail: 'stopped' });
        await store.settle({ ...release(claimed), attempt: unknown }, request(0, NOW));
        assert.deepEqual(await store.attempts(claimed.id), [unknown]);
        const [again] = (await claim(store, LANE, 1, NOW)).jobs;
        assert.equal(again?.attempts, 1);
        assert.equal(again?.attemptsSpent, 0);
      },
    );

    promises('settling claims the next of the lane in the same step', async (store) => {
      const [claimed] = await claimNew(store);
      const next = newJob();
      await insert(store, next, newJob());
      const settled = await store.settle(finish(claimed), request(1, NOW));
      assert.deepEqual(
        settled.next.jobs.map((job) => job.id),
        [next.id],
      );
      assert.equal(settled.next.backlog.hasDue, true);
    });
  });

  describe(`${name}: leases`, () => {
    promises(
      'a job whose lease ran out is queued again in its old place, its attempt as answer unknown',
      async (store) => {
        const [claimed] = await claimNew(store);
        await insert(store, newJob());
        assert.deepEqual(await store.rescue(at(NOW + 59_999), 10), []);
        const lanes = await store.rescue(at(NOW + 60_000), 10);
        assert.deepEqual(lanes, [{ lane: LANE, hasDue: true, nextDueAt: null, isPaused: false }]);
        assert.deepEqual(
          (await store.attempts(claimed.id)).map(({ number, error }) => [number, error?.code]),
          [[1, 'answer_unknown']],
        );
        const { jobs } = await claim(store, LANE, 1, NOW);
        assert.equal(jobs[0]?.id, claimed.id);
        assert.equal(jobs[0]?.attempts, 1);
        assert.equal(jobs[0]?.attemptsSpent, 0);
        assert.equal((await store.settle(finish(claimed), request(0, NOW))).settled, false);
      },
    );

    promises('a lease that was prolonged in time does not run out', async (store) => {
      const [claimed] = await claimNew(store);
      await store.extendLeases([claimed], NOW + 100_000);
      assert.deepEqual(await store.rescue(at(NOW + 99_999), 10), []);
      assert.equal((await store.settle(finish(claimed), request(0, NOW))).settled, true);
    });

    promises('prolonging an old lease does not touch the new one', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(release(claimed), request(1, NOW));
      await store.extendLeases([claimed], NOW + 100_000);
      assert.equal((await store.rescue(at(NOW + 60_000), 10)).length, 1);
    });

    promises('at most as many as asked are taken back at once', async (store) => {
      for (let n = 0; n < 3; n += 1) await insert(store, newJob());
      await claim(store, LANE, 3, NOW);
      await store.rescue(at(NOW + HOUR), 2);
      assert.equal((await claim(store, LANE, 9, NOW)).jobs.length, 2);
    });
  });

  describe(`${name}: a destination that is down`, () => {
    /** Claims the next job of the lane and lets it fail with the destination. */
    const failOnce = async (store: JobStore, now: number, pausedUntil: number): Promise<ClaimedJob> => {
      const [claimed] = (await claim(store, LANE, 1, now)).jobs;
      assert.ok(claimed);
      await store.settle(down(claimed, pausedUntil), request(0, now));
      return claimed;
    };

    promises('pauses its lane: nothing of it is claimed before the pause is over', async (store) => {
      await insert(store, newJob(), newJob());
      await failOnce(store, NOW, NOW + 5_000);
      const early = await claim(store, LANE, 5, NOW + 4_999);
      assert.deepEqual(early.jobs, []);
      assert.deepEqual(early.backlog, { lane: LANE, hasDue: false, nextDueAt: NOW + 5_000, isPaused: true });
      const [inserted] = await insert(store, newJob({ claimUntil: NOW + 60_000 }));
      assert.equal(inserted?.claimed, null, 'a new job waits like the others');
    });

    promises('is asked by one export, the oldest that is due, while the others wait', async (store) => {
      const [first] = [newJob(), newJob()];
      await insert(store, first as NewJob, newJob());
      await failOnce(store, NOW, NOW + 5_000);
      const asking = await claim(store, LANE, 5, NOW + 5_000);
      assert.deepEqual(
        asking.jobs.map(({ id, laneFailures }) => [id, laneFailures]),
        [[first?.id, 1]],
      );
      assert.deepEqual(asking.backlog, { lane: LANE, hasDue: false, nextDueAt: null, isPaused: true });
      assert.deepEqual((await claim(store, LANE, 5, NOW + 5_000)).jobs, []);
    });

    promises('that is well again gets everything at once, what had failed first', async (store) => {
      const jobs = [newJob(), newJob(), newJob()];
      await insert(store, ...jobs);
      await failOnce(store, NOW, NOW + 5_000);
      await failOnce(store, NOW + 5_000, NOW + 600_000);
      const [asking] = (await claim(store, LANE, 1, NOW + 600_000)).jobs;
      assert.equal(asking?.id, jobs[0]?.id);
      const { next } = await store.settle(up(asking), request(5, NOW + 600_001));
      assert.deepEqual(
        next.jobs.map(({ id, laneFailures }) => [id, laneFailures]),
        jobs.slice(1).map(({ id }) => [id, 0]),
      );
    });

    promises(
      'that is well again gets what had failed too, however far ahead its next attempt was',
      async (store) => {
        const jobs = [newJob(), newJob(), newJob()];
        await insert(store, ...jobs);
        const [first, second] = (await claim(store, LANE, 2, NOW)).jobs;
        await store.settle(down(first, NOW + 5_000), request(0, NOW));
        await store.settle(down(second, NOW + HOUR), request(0, NOW));
        const [asking] = (await claim(store, LANE, 1, NOW + 5_000)).jobs;
        assert.equal(asking?.id, jobs[0]?.id);
        const { next } = await store.settle(up(asking), request(5, NOW + 5_001));
        assert.deepEqual(
          next.jobs.map(({ id }) => id),
          jobs.slice(1).map(({ id }) => id),
        );
      },
    );

    promises('that fails several attempts together is paused once', async (store) => {
      await insert(store, newJob(), newJob(), newJob());
      const { jobs } = await claim(store, LANE, 2, NOW);
      for (const job of jobs) await store.settle(down(job, NOW + 5_000), request(0, NOW));
      const [asking] = (await claim(store, LANE, 1, NOW + 5_000)).jobs;
      assert.equal(asking?.laneFailures, 1);
    });

    promises('is not taken to be well by an attempt that began before it went down', async (store) => {
      await insert(store, newJob(), newJob(), newJob());
      const [one, two] = (await claim(store, LANE, 2, NOW)).jobs;
      await store.settle(down(one, NOW + 5_000), request(0, NOW));
      await store.settle(up(two), request(0, NOW));
      assert.deepEqual((await claim(store, LANE, 1, NOW + 1)).jobs, []);
    });

    promises(
      'does not touch other lanes, and is still known after the store is opened again',
      async (store, context) => {
        await insert(store, newJob(), newJob({ lane: OTHER_LANE }));
        await failOnce(store, NOW, NOW + 5_000);
        assert.equal((await claim(store, OTHER_LANE, 1, NOW)).jobs.length, 1);
        const reopened = await context.reopen();
        await reopened.recover(at(NOW), LONGEST);
        assert.deepEqual((await claim(reopened, LANE, 1, NOW + 4_999)).jobs, []);
        assert.equal((await claim(reopened, LANE, 1, NOW + 5_000)).jobs[0]?.laneFailures, 1);
      },
    );

    promises('leaves a job that it asked to come later to come later', async (store) => {
      await insert(store, newJob(), newJob());
      const [later] = (await claim(store, LANE, 1, NOW)).jobs;
      await store.settle(
        { ...down(later, NOW + 10), nextAttemptAt: NOW + HOUR, returnsWithLane: false },
        request(0, NOW),
      );
      const [asking] = (await claim(store, LANE, 1, NOW + 10)).jobs;
      const { next } = await store.settle(up(asking), request(5, NOW + 11));
      assert.deepEqual(next, {
        jobs: [],
        backlog: { lane: LANE, hasDue: false, nextDueAt: NOW + HOUR, isPaused: false },
      });
    });
  });

  describe(`${name}: age`, () => {
    const OLD = NOW + 72 * HOUR;

    promises('a job that was never tried ends as expired, without its payload', async (store) => {
      const [old, young] = [newJob(), newJob({ expiresAt: OLD + 5 })];
      await insert(store, old, young);
      assert.deepEqual(await store.expire(at(OLD - 1), 10), { ended: 0, nextAt: OLD });
      assert.deepEqual(await store.expire(at(OLD), 10), { ended: 1, nextAt: OLD + 5 });
      const [job] = await store.get([old.id]);
      assert.equal(job?.state, 'undeliverable');
      assert.equal(job?.finishedAt, OLD);
      assert.equal(job?.result?.kind === 'failure' && job.result.failure.code, 'expired');
      assert.deepEqual(
        (await claim(store, LANE, 9, OLD)).jobs.map(({ id }) => id),
        [young.id],
      );
    });

    promises('a job that was tried ends as its last attempt did, with its answer', async (store) => {
      const [claimed] = await claimNew(store);
      const busy: JobResult = { kind: 'answer', answer: { status: 503, body: 'busy', truncated: false } };
      await store.settle({ ...wait(claimed, OLD + HOUR), result: busy }, request(0, NOW));
      await store.expire(at(OLD), 10);
      assert.deepEqual((await store.get([claimed.id]))[0]?.result, busy);
    });

    promises(
      'a job that is too old is given to nobody, though nobody has come by to end it',
      async (store) => {
        const [old, tried, young] = [newJob(), newJob(), newJob({ expiresAt: OLD + 5 })];
        await insert(store, tried);
        const [first] = (await claim(store, LANE, 1, NOW)).jobs;
        const busy: JobResult = { kind: 'answer', answer: { status: 503, body: 'busy', truncated: false } };
        await store.settle({ ...wait(first, NOW + HOUR), result: busy }, request(0, NOW));
        await insert(store, old, young);
        const given = async (now: number) => (await claim(store, LANE, 9, now)).jobs.map(({ id }) => id);
        const heard: string[] = [];
        store.onChange((ids) => heard.push(...ids));
        assert.deepEqual(await given(OLD), [young.id]);
        assert.deepEqual(new Set(heard), new Set([old.id, tried.id, young.id]));
        const jobs = await store.get([old.id, tried.id]);
        assert.deepEqual(
          jobs.map((job) => [job?.state, job?.finishedAt]),
          [
            ['undeliverable', OLD],
            ['undeliverable', OLD],
          ],
        );
        const [result] = jobs.map((job) => job?.result);
        assert.equal(result?.kind === 'failure' && result.failure.code, 'expired');
        assert.deepEqual(jobs[1]?.result, busy);
        assert.equal(await store.payload(old.id), null);
      },
    );

    promises('a job that is being sent does not end by its age', async (store) => {
      const [claimed] = await claimNew(store);
      assert.equal((await store.expire(at(OLD), 10)).ended, 0);
      assert.equal((await store.settle(finish(claimed), request(0, OLD))).settled, true);
    });

    promises('a job whose attempt fails after its age was over ends as that attempt did', async (store) => {
      const [early, late] = [await claimNew(store), await claimNew(store, OTHER_LANE)];
      await store.settle(wait(early[0], OLD + HOUR), request(0, OLD - 1));
      assert.equal((await store.get([early[0].id]))[0]?.state, 'waiting');
      const busy: JobResult = { kind: 'answer', answer: { status: 503, body: 'busy', truncated: false } };
      const settlement = { ...wait(late[0], OLD + HOUR), result: busy };
      assert.equal((await store.settle(settlement, request(0, OLD))).settled, true);
      const [job] = await store.get([late[0].id]);
      assert.deepEqual([job?.state, job?.nextAttemptAt, job?.finishedAt], ['undeliverable', null, OLD]);
      assert.deepEqual(job?.result, busy);
      assert.deepEqual([job?.attempts, job?.attemptsSpent], [1, 1]);
      assert.equal(await store.payload(late[0].id), null);
    });

    promises('at most as many as asked end at once, and whoever listens hears of them', async (store) => {
      const heard: string[] = [];
      await insert(store, newJob(), newJob(), newJob());
      store.onChange((ids) => heard.push(...ids));
      assert.equal((await store.expire(at(OLD), 2)).ended, 2);
      assert.equal(heard.length, 2);
    });
  });

  describe(`${name}: clocks that were wrong`, () => {
    promises(
      'what waits for longer than it ever could is due after the longest wait there is',
      async (store, context) => {
        const [claimed] = await claimNew(store);
        await insert(store, newJob());
        await store.settle(down(claimed, NOW + 9_999 * HOUR), request(0, NOW));
        const reopened = await context.reopen();
        await reopened.recover(at(NOW), LONGEST);
        assert.deepEqual((await claim(reopened, LANE, 1, NOW + HOUR - 1)).jobs, []);
        assert.equal((await claim(reopened, LANE, 1, NOW + HOUR)).jobs.length, 1);
      },
    );
  });

  describe(`${name}: after a crash`, () => {
    promises(
      'what was being sent is recorded as answer unknown and is first in its lane again',
      async (store, context) => {
        const [claimed] = await claimNew(store);
        const behind = newJob();
        await insert(store, behind);
        const reopened = await context.reopen();
        assert.equal(await reopened.recover(at(NOW + 1_000), LONGEST), 1);
        const attempts = await reopened.attempts(claimed.id);
        assert.equal(attempts.length, 1);
        assert.equal(attempts[0]?.error?.code, 'answer_unknown');
        assert.equal(attempts[0]?.startedAt, NOW);
        assert.equal(attempts[0]?.endedAt, NOW + 1_000);
        const { jobs } = await claim(reopened, LANE, 2, NOW);
        assert.deepEqual(
          jobs.map((job) => job.id),
          [claimed.id, behind.id],
        );
        assert.equal(jobs[0]?.attempts, 1);
        assert.equal(jobs[0]?.attemptsSpent, 0);
      },
    );

    promises('the lease of before the crash settles nothing', async (store, context) => {
      const [claimed] = await claimNew(store);
      const reopened = await context.reopen();
      await reopened.recover(at(NOW), LONGEST);
      assert.equal((await reopened.settle(finish(claimed), request(0, NOW))).settled, false);
    });

    promises(
      'the lanes with unfinished jobs are known again, with what is due and when',
      async (store, context) => {
        const [, retried] = [await claimNew(store), await claimNew(store, OTHER_LANE)];
        await store.settle(wait(retried[0], NOW + 50), request(0, NOW));
        const done = await claimNew(store, { client: '', destination: 'https://c.example/' });
        await store.settle(finish(done[0]), request(0, NOW));
        const reopened = await context.reopen();
        await reopened.recover(at(NOW), LONGEST);
        const lanes = await reopened.busyLanes(NOW);
        assert.deepEqual(
          lanes.sort((a, b) => a.lane.destination.localeCompare(b.lane.destination)),
          [
            { lane: LANE, hasDue: true, nextDueAt: null, isPaused: false },
            { lane: OTHER_LANE, hasDue: false, nextDueAt: NOW + 50, isPaused: false },
          ],
        );
        assert.equal((await reopened.busyLanes(NOW + 50)).filter((lane) => lane.hasDue).length, 2);
      },
    );

    promises('the lane limit holds after the store is opened again', async (store, context) => {
      await insert(store, newJob());
      const reopened = await context.reopen();
      assert.equal(
        (await reopened.insert([newJob()], { pendingMax: 1, acceptsNew: true, now: at(NOW) })).kind,
        'refused',
      );
    });
  });

  describe(`${name}: retention`, () => {
    promises('only what finished before the limit is deleted, at most as much as asked', async (store) => {
      const finished = [];
      for (let n = 0; n < 3; n += 1) {
        const [claimed] = await claimNew(store);
        await store.settle(finish(claimed), request(0, NOW + n * HOUR));
        finished.push(claimed.id);
      }
      const open = newJob();
      await insert(store, open);
      assert.equal(await store.deleteExpired(NOW + 2 * HOUR, NOW, 1), 1);
      assert.equal(await store.deleteExpired(NOW + 2 * HOUR, NOW, 10), 1);
      const left = await store.get([...finished, open.id]);
      assert.deepEqual(
        left.map((job) => job?.id),
        [undefined, undefined, finished[2], open.id],
      );
      assert.deepEqual(await store.attempts(finished[0] ?? ''), []);
    });

    promises(
      'how long it is kept counts in steady time, whatever the wall clock said at its end',
      async (store) => {
        const ids = [];
        for (const finishedAt of [NOW - 9_999 * HOUR, NOW + 9_999 * HOUR]) {
          const [claimed] = await claimNew(store);
          await store.settle(finish(claimed, finishedAt), request(0, NOW));
          ids.push(claimed.id);
        }
        assert.equal(await store.deleteExpired(NOW, NOW, 10), 0);
        const jobs = await store.get(ids);
        assert.deepEqual(
          jobs.map((job) => job?.finishedAt),
          [NOW - 9_999 * HOUR, NOW + 9_999 * HOUR],
        );
        assert.equal(await store.deleteExpired(NOW + 1, NOW, 10), 2);
        assert.equal(await store.deleteHistory(NOW, 10), 0);
        assert.equal(await store.deleteHistory(NOW + 1, 10), 2);
      },
    );

    promises('a finished job outlives its idempotency key', async (store) => {
      const [claimed] = await claimNew(store, LANE, key('k'));
      await store.settle(finish(claimed), request(0, NOW));
      assert.equal(await store.deleteExpired(NOW + HOUR, NOW + HOUR, 10), 0);
      assert.equal((await insert(store, newJob({ idempotency: key('k') })))[0]?.job.id, claimed.id);
      assert.equal(await store.deleteExpired(NOW + HOUR, NOW + 24 * HOUR, 10), 1);
      assert.equal((await insert(store, newJob({ idempotency: key('k') })))[0]?.isRepeat, false);
    });
  });

  describe(`${name}: payloads`, () => {
    const KEPT = { keepsPayloads: true };
    const payloadOf = async (store: JobStore, id: string): Promise<string | null> => {
      const payload = await store.payload(id);
      return payload === null ? null : Buffer.from(payload).toString();
    };
    /** A job that has ended; its id. */
    const ended = async (store: JobStore, at = NOW, data = bytes('"kept"')): Promise<string> => {
      const [claimed] = await claimNew(store, LANE, null, data);
      await store.settle(finish(claimed), request(0, at));
      return claimed.id;
    };

    promises('a payload can be read until its job ends, and is erased with that', async (store) => {
      const [claimed] = await claimNew(store, LANE, null, bytes('"a"'));
      assert.equal(await payloadOf(store, claimed.id), '"a"');
      await store.settle(wait(claimed, NOW + 1), request(0, NOW));
      assert.equal(await payloadOf(store, claimed.id), '"a"');
      const [again] = (await claim(store, LANE, 1, NOW + 1)).jobs;
      await store.settle(finish(again), request(0, NOW));
      assert.equal(await store.payload(claimed.id), null);
      assert.equal(await store.payload(randomUUID()), null, 'of a job that never was');
    });

    promises('a payload is erased also when its job ends by its age', async (store) => {
      const old = newJob();
      await insert(store, old);
      assert.equal((await store.expire(at(old.expiresAt), 10)).ended, 1);
      assert.equal(await store.payload(old.id), null);
    });

    promises(
      'where payloads stay, they can be read after the end until they are erased, the oldest first',
      async (store, context) => {
        const [early, late] = [await ended(store, NOW), await ended(store, NOW + HOUR)];
        const old = newJob({ data: bytes('"old"') });
        await insert(store, old);
        await store.expire(at(old.expiresAt), 10);
        const reopened = await context.reopen();
        assert.deepEqual(await Promise.all([early, late, old.id].map((id) => payloadOf(reopened, id))), [
          '"kept"',
          '"kept"',
          '"old"',
        ]);
        assert.equal(await reopened.erasePayloads(NOW, 10), false);
        assert.equal(await payloadOf(reopened, early), '"kept"');
        assert.equal(await reopened.erasePayloads(NOW + HOUR, 10), false);
        assert.deepEqual(
          [await payloadOf(reopened, early), await payloadOf(reopened, late)],
          [null, '"kept"'],
        );
        assert.equal((await reopened.get([early]))[0]?.state, 'delivered', 'the job itself stays');
      },
      KEPT,
    );

    promises(
      'at most as many payloads as asked are erased at once, and never one of a job that has not ended',
      async (store) => {
        const ids = [];
        for (let n = 0; n < 3; n += 1) ids.push(await ended(store));
        const open = newJob({ data: bytes('"open"') });
        await insert(store, open);
        assert.equal(await store.erasePayloads(NOW + HOUR, 2), true);
        const left = await Promise.all(ids.map((id) => store.payload(id)));
        assert.equal(left.filter((payload) => payload !== null).length, 1);
        assert.equal(await store.erasePayloads(NOW + HOUR, 2), false);
        assert.equal(await payloadOf(store, open.id), '"open"');
      },
      KEPT,
    );

    promises(
      'large payloads are erased in small steps, however many are asked for',
      async (store) => {
        const ids = [];
        for (let n = 0; n < 12; n += 1) ids.push(await ended(store, NOW, Buffer.alloc(1 << 20, 'x')));
        let steps = 1;
        while (await store.erasePayloads(NOW + HOUR, 100)) steps += 1;
        assert.ok(steps > 1 && steps <= ids.length, `${steps} steps`);
        for (const id of ids) assert.equal(await store.payload(id), null);
      },
      KEPT,
    );

    promises(
      'a payload may outlive the result of its job, and goes with the last trace of it',
      async (store) => {
        const [one, two] = [await ended(store), await ended(store, NOW + HOUR)];
        assert.equal(await store.deleteExpired(NOW + 9 * HOUR, NOW, 10), 2);
        assert.equal(await payloadOf(store, one), '"kept"');
        assert.equal(await store.deleteHistory(NOW + HOUR, 10), 1);
        assert.equal(await store.payload(one), null);
        assert.equal(await store.erasePayloads(NOW + 9 * HOUR, 10), false);
        assert.equal(await store.payload(two), null);
      },
      KEPT,
    );

    promises(
      'what stayed under another setting is still erased',
      async (store, context) => {
        const id = await ended(store);
        const reopened = await context.reopen({ keepsPayloads: false });
        assert.equal(await payloadOf(reopened, id), '"kept"');
        const next = await ended(reopened);
        assert.equal(await reopened.payload(next), null);
        assert.equal(await reopened.erasePayloads(NOW + HOUR, 10), false);
        assert.equal(await reopened.payload(id), null);
      },
      KEPT,
    );

    promises('many jobs that come and go keep their payloads apart', async (store) => {
      // More than a store may look at in one go for room that became free.
      for (const round of [0, 1, 2]) {
        const jobs = Array.from({ length: 1_500 }, (_, n) => newJob({ data: bytes(`"${round}-${n}"`) }));
        await store.insert(jobs, { ...LIMITS, pendingMax: 10_000 });
        const { jobs: claimed } = await claim(store, LANE, 1_400, NOW);
        for (const job of claimed) assert.match(text(job), /^"\d-\d+"$/);
        await Promise.all(claimed.map((job) => store.settle(finish(job), request(0, NOW))));
      }
      const { jobs: left } = await claim(store, LANE, 1_000, NOW);
      assert.deepEqual(
        left.map(text),
        Array.from({ length: 300 }, (_, n) => `"2-${1_200 + n}"`),
      );
    });

    promises('a purge goes through when nobody reads', async (store) => {
      await ended(store);
      assert.equal(await store.purge(), true);
    });
  });

  describe(`${name}: changes and secrets`, () => {
    promises(
      'a listener hears of every new job and change of state after it can be read, until it stops',
      async (store) => {
        const heard: string[] = [];
        const stop = store.onChange((ids) => heard.push(...ids));
        const job = newJob();
        await insert(store, job);
        assert.deepEqual(heard, [job.id]);
        const { jobs } = await claim(store, LANE, 1, NOW);
        assert.deepEqual(heard, [job.id, job.id]);
        await store.settle(finish(jobs[0]), request(0, NOW));
        assert.deepEqual(heard, [job.id, job.id, job.id]);
        stop();
        await claimNew(store);
        assert.equal(heard.length, 3);
      },
    );

    promises(
      'a listener hears of every end once, however it came, with all that is counted of it',
      async (store) => {
        const heard: EndedJob[] = [];
        const stop = store.onEnded((ended) => heard.push(...ended));
        const [claimed] = await claimNew(store);
        assert.deepEqual(heard, []);
        await store.settle(wait(claimed, NOW), request(0, NOW));
        const [again] = (await claim(store, LANE, 1, NOW)).jobs;
        assert.deepEqual(heard, []);
        await store.settle(finish(again), request(0, NOW + 5));
        // A second settle changes nothing.
        await store.settle(finish(again), request(0, NOW + 5));
        const told = { id: claimed.id, lane: LANE, dataBytes: 2, acceptedAt: NOW, finishedAt: NOW + 5 };
        assert.deepEqual(heard, [{ ...told, state: 'delivered', attempts: 2, status: 200, failure: null }]);
        const late = newJob({ expiresAt: NOW + 1 });
        const taken = newJob();
        await insert(store, late, taken);
        await store.expire(at(NOW + 10), 10);
        await store.owner.cancel(taken.id, at(NOW + 20));
        assert.deepEqual(
          heard
            .slice(1)
            .map(({ id, state, attempts, status, failure }) => [id, state, attempts, status, failure]),
          [
            [late.id, 'undeliverable', 0, null, 'expired'],
            [taken.id, 'cancelled', 0, null, 'cancelled'],
          ],
        );
        stop();
        const [last] = await claimNew(store);
        await store.settle(finish(last), request(0, NOW));
        assert.equal(heard.length, 3);
      },
    );

    promises('its figures follow what is in it, and are there after a start', async (store, context) => {
      const standing = async (of: JobStore) => {
        const { queued, sending, waiting, busyLanes, pausedLanes, oldestAcceptedAt } = await of.figures();
        return { queued, sending, waiting, busyLanes, pausedLanes, oldestAcceptedAt };
      };
      const none = {
        queued: 0,
        sending: 0,
        waiting: 0,
        busyLanes: 0,
        pausedLanes: 0,
        oldestAcceptedAt: null,
      };
      assert.deepEqual(await standing(store), none);
      const [first] = await claimNew(store);
      await insert(
        store,
        newJob({ acceptedAt: NOW + 1, expiresAt: NOW + 72 * HOUR + 1 }),
        newJob({ lane: OTHER_LANE, acceptedAt: NOW + 2, expiresAt: NOW + 72 * HOUR + 2 }),
      );
      const three = {
        queued: 2,
        sending: 1,
        waiting: 0,
        busyLanes: 2,
        pausedLanes: 0,
        oldestAcceptedAt: NOW,
      };
      assert.deepEqual(await standing(store), three);
      await store.settle(down(first, NOW + HOUR), request(0, NOW));
      const paused = { ...three, sending: 0, waiting: 1, pausedLanes: 1 };
      assert.deepEqual(await standing(store), paused);
      const reopened = await context.reopen();
      await reopened.recover(at(NOW), LONGEST);
      assert.deepEqual(await standing(reopened), paused);
      const [probe] = (await claim(reopened, LANE, 1, NOW + HOUR)).jobs;
      await reopened.settle(up(probe), request(0, NOW + HOUR));
      assert.deepEqual(await standing(reopened), {
        ...three,
        sending: 0,
        oldestAcceptedAt: NOW + 1,
      });
    });

    promises('its figures count rules by kind, bytes and ledger entries', async (store) => {
      const before = await store.figures();
      assert.deepEqual(before.rules, { block: 0, hold: 0, budget: 0 });
      const rule = { app: null, destination: null, note: null, createdAt: NOW };
      await store.owner.addRule({ ...rule, id: randomUUID(), kind: 'hold' });
      await insert(store, newJob({ data: new Uint8Array(1 << 20) }));
      const after = await store.figures();
      assert.deepEqual(after.rules, { block: 0, hold: 1, budget: 0 });
      assert.ok(after.usedBytes - before.usedBytes >= 1 << 20);
      assert.equal(after.commitUnderWayMs, 0);
      // The rule and the export.
      assert.equal(after.ledgerEntries - before.ledgerEntries, 2);
    });

    promises('a secret is kept under its name; of two the first wins', async (store, context) => {
      assert.equal(await store.secrets.get('a'), null);
      assert.deepEqual(Buffer.from(await store.secrets.putIfAbsent('a', bytes('1'))), Buffer.from('1'));
      assert.deepEqual(Buffer.from(await store.secrets.putIfAbsent('a', bytes('2'))), Buffer.from('1'));
      const reopened = await context.reopen();
      assert.deepEqual(Buffer.from((await reopened.secrets.get('a')) ?? []), Buffer.from('1'));
    });

    promises(
      'a secret is replaced by who knows what is stored, and by nobody else',
      async (store, context) => {
        const { secrets } = store;
        assert.equal(await secrets.replace('a', bytes('1'), bytes('2')), false);
        assert.equal(await secrets.get('a'), null);
        assert.equal(await secrets.replace('a', null, bytes('1')), true);
        assert.equal(await secrets.replace('a', null, bytes('2')), false);
        assert.equal(await secrets.replace('a', bytes('2'), bytes('3')), false);
        assert.equal(await secrets.replace('b', null, bytes('other')), true);
        assert.equal(await secrets.replace('a', bytes('1'), bytes('2')), true);
        const { secrets: reopened } = await context.reopen();
        assert.deepEqual(Buffer.from((await reopened.get('a')) ?? []), Buffer.from('2'));
        assert.deepEqual(Buffer.from((await reopened.get('b')) ?? []), Buffer.from('other'));
      },
    );

    promises('of two who replace the same secret at once, one does', async ({ secrets }) => {
      await secrets.putIfAbsent('a', bytes('1'));
      const done = await Promise.all(
        ['2', '3'].map((value) => secrets.replace('a', bytes('1'), bytes(value))),
      );
      assert.deepEqual(done.toSorted(), [false, true]);
      const kept = done[0] ? '2' : '3';
      assert.deepEqual(Buffer.from((await secrets.get('a')) ?? []), Buffer.from(kept));
    });

    promises(
      'a closed store refuses with store_unavailable, and closing twice is harmless',
      async (store) => {
        await store[Symbol.asyncDispose]();
        await store[Symbol.asyncDispose]();
        await assert.rejects(store.ping(), { code: 'store_unavailable' });
        await assert.rejects(store.get([randomUUID()]), { code: 'store_unavailable' });
      },
    );

    promises('closing lets what was asked for before finish', async (store, context) => {
      const jobs = Array.from({ length: 20 }, () => newJob());
      const inserting = Promise.all(jobs.map((job) => insert(store, job)));
      const reopened = await context.reopen();
      await inserting;
      assert.equal((await claim(reopened, LANE, 50, NOW)).jobs.length, 20);
    });
  });
}

const ERROR = { code: 'connection_failed', detail: 'refused' } as const satisfies AttemptError;
const FAILURE: JobResult = { kind: 'failure', failure: ERROR };

/** Both clocks at the same time. */
export function at(time: number): Now {
  return { wall: time, steady: time };
}

export function request(count: number, now: number): ClaimRequest {
  return { count, now: at(now), leaseExpiresAt: now + 60_000 };
}

export function claim(store: JobStore, lane: Lane, count: number, now: number): Promise<Claim> {
  return store.claim(lane, request(count, now));
}

export function newJob(fields: Partial<NewJob> = {}): NewJob {
  return {
    id: randomUUID(),
    lane: LANE,
    peer: null,
    data: bytes('{}'),
    attemptsMax: 9,
    acceptedAt: NOW,
    idempotency: null,
    expiresAt: NOW + 72 * HOUR,
    claimUntil: null,
    ...fields,
  };
}

export function key(name: string, digest = 0): NonNullable<NewJob['idempotency']> {
  return { key: name, digest: new Uint8Array([digest]), expiresAt: NOW + 24 * HOUR };
}

export async function insert(store: JobStore, ...jobs: NewJob[]): Promise<readonly Inserted[]> {
  const result: InsertResult = await store.insert(jobs, LIMITS);
  assert.equal(result.kind, 'inserted');
  return result.kind === 'inserted' ? result.jobs : [];
}

/** A new job, claimed at once. */
export async function claimNew(
  store: JobStore,
  lane = LANE,
  idempotency: NewJob['idempotency'] = null,
  data = bytes('{}'),
): Promise<[ClaimedJob]> {
  await insert(store, newJob({ lane, idempotency, data }));
  const [claimed] = (await claim(store, lane, 1, NOW)).jobs;
  assert.ok(claimed);
  return [claimed];
}

function attempt(number: number, error: AttemptError | null = null, endedAt = NOW + 5): Attempt {
  return {
    number,
    startedAt: NOW,
    endedAt,
    address: '192.0.2.1',
    tlsFingerprint: 'ab'.repeat(32),
    bytes: 2,
    status: error === null ? 200 : null,
    error,
  };
}

type Kind<K extends Settlement['kind']> = Extract<Settlement, { kind: K }>;

function of(claimed: ClaimedJob | undefined) {
  assert.ok(claimed);
  return { id: claimed.id, lane: claimed.lane, lease: claimed.lease };
}

export function finish(claimed: ClaimedJob | undefined, endedAt = NOW + 5): Kind<'finished'> {
  return {
    ...of(claimed),
    kind: 'finished',
    state: 'delivered',
    result: ANSWER,
    laneReport: NO_REPORT,
    attempt: attempt((claimed?.attempts ?? 0) + 1, null, endedAt),
  };
}

export function wait(claimed: ClaimedJob | undefined, nextAttemptAt: number): Kind<'waiting'> {
  const number = (claimed?.attempts ?? 0) + 1;
  return {
    ...of(claimed),
    kind: 'waiting',
    nextAttemptAt,
    returnsWithLane: false,
    lastError: ERROR,
    result: FAILURE,
    laneReport: NO_REPORT,
    attempt: attempt(number, ERROR),
  };
}

/** The destination is down. */
function down(claimed: ClaimedJob | undefined, pausedUntil: number): Kind<'waiting'> {
  const laneReport: LaneReport = { kind: 'down', failuresBefore: claimed?.laneFailures ?? 0, pausedUntil };
  return { ...wait(claimed, pausedUntil), returnsWithLane: true, laneReport };
}

/** The destination is well. */
function up(claimed: ClaimedJob | undefined): Kind<'finished'> {
  return { ...finish(claimed), laneReport: { kind: 'up', failuresBefore: claimed?.laneFailures ?? 0 } };
}

export function release(claimed: ClaimedJob | undefined): Kind<'released'> {
  return { ...of(claimed), kind: 'released', attempt: null };
}

export function bytes(content: string): Uint8Array {
  return Buffer.from(content);
}

function text(job: { data: Uint8Array } | undefined): string {
  return Buffer.from(job?.data ?? []).toString();
}
