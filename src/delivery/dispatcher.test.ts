import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { openTemporaryStore } from '../../test/support/temporary-store.ts';
import { Consent } from '../export/consent.ts';
import { type Deliverer, type Delivery, unconnected } from '../export/deliverer.ts';
import { ExportError } from '../export/errors.ts';
import type { AttemptOutcome, JobState, Lane } from '../export/job.ts';
import type { ClaimedJob, JobStore, LaneBacklog, NewJob, Now } from '../export/job-store.ts';
import type { Rule } from '../export/rules.ts';
import { Dispatcher, type DispatchLimits } from './dispatcher.ts';

const ok: AttemptOutcome = {
  kind: 'answered',
  answer: { status: 200, body: 'ok', truncated: false },
  retryAfterMs: null,
};
/** An answer that is tried again: the export's trouble, not the destination's. */
const indigestible: AttemptOutcome = { ...ok, answer: { status: 500, body: 'ouch', truncated: false } };
/** The destination's trouble. */
const busy: AttemptOutcome = { ...ok, answer: { status: 503, body: 'busy', truncated: false } };
const unreachable: AttemptOutcome = {
  kind: 'failed',
  failure: { code: 'connection_failed', detail: 'refused' },
};

const LEASE_MS = 60_000;
const DAY_MS = 86_400_000;

/** An attempt under way, to be ended by the test. */
interface UnderWay {
  readonly job: ClaimedJob;
  readonly end: (outcome: AttemptOutcome) => void;
}

/** Makes attempts that last until the test ends them. */
class HeldDeliverer implements Deliverer {
  readonly started: string[] = [];
  readonly #arrived: UnderWay[] = [];
  readonly #expecting: ((attempt: UnderWay) => void)[] = [];

  deliver(job: ClaimedJob, signal: AbortSignal): Promise<Delivery> {
    this.started.push(job.id);
    const { promise, resolve } = Promise.withResolvers<Delivery>();
    const end = (outcome: AttemptOutcome): void => resolve({ ...unconnected(outcome), address: '192.0.2.1' });
    signal.addEventListener('abort', () => end({ kind: 'stopped', sent: true }));
    const expected = this.#expecting.shift();
    if (expected) expected({ job, end });
    else this.#arrived.push({ job, end });
    return promise;
  }

  /** The next attempt that begins. */
  next(): Promise<UnderWay> {
    const arrived = this.#arrived.shift();
    if (arrived) return Promise.resolve(arrived);
    return new Promise((resolve) => this.#expecting.push(resolve));
  }

  /** Attempts that began and were not yet asked for. */
  get waiting(): number {
    return this.#arrived.length;
  }
}

class Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly deliverer = new HeldDeliverer();
  readonly consent = new Consent();
  readonly storeFailures: string[] = [];
  readonly rescues: number[] = [];
  readonly breakages: unknown[] = [];
  readonly store: JobStore;
  readonly dispatcher: Dispatcher;
  readonly #close: () => PromiseLike<void>;

  private constructor(store: JobStore, limits: Partial<DispatchLimits>, close: () => PromiseLike<void>) {
    this.store = store;
    this.#close = close;
    this.dispatcher = this.newDispatcher(limits);
  }

  static async open(
    limits: Partial<DispatchLimits> = {},
    wrap: (store: JobStore) => JobStore = (store) => store,
  ): Promise<Bench> {
    const temporary = await openTemporaryStore();
    return new Bench(wrap(temporary.store), limits, () => temporary[Symbol.asyncDispose]());
  }

  newDispatcher(limits: Partial<DispatchLimits> = {}): Dispatcher {
    return new Dispatcher({
      store: this.store,
      deliverer: this.deliverer,
      consent: this.consent,
      clock: this.clock,
      random: () => 0.5,
      retryPolicy: { retryBaseMs: 5_000 },
      limits: { laneConcurrency: 1, concurrency: 256, leaseMs: LEASE_MS, ...limits },
      observer: {
        attempted: () => {},
        storeFailed: (doing) => this.storeFailures.push(doing),
        rescued: (lanes) => this.rescues.push(lanes),
        broke: (error) => this.breakages.push(error),
      },
    });
  }

  get now(): Now {
    return { wall: this.clock.now(), steady: this.clock.steady() };
  }

  /** As the service does: asks for a place, inserts, and hands over. */
  async submit(lane: Lane, fields: Partial<NewJob> = {}): Promise<string> {
    const id = randomUUID();
    const claimUntil = this.dispatcher.reserve(lane);
    const job: NewJob = {
      id,
      lane,
      peer: null,
      data: Buffer.from('{}'),
      attemptsMax: 9,
      acceptedAt: this.clock.now(),
      expiresAt: this.clock.steady() + DAY_MS,
      idempotency: null,
      claimUntil,
      ...fields,
    };
    const result = await this.store.insert([job], { pendingMax: 1_000_000, acceptsNew: true, now: this.now });
    assert.equal(result.kind, 'inserted');
    const claimed = result.kind === 'inserted' ? result.jobs[0]?.claimed : null;
    if (claimed) this.dispatcher.send(claimed);
    else {
      if (claimUntil !== null) this.dispatcher.cancel(lane);
      this.dispatcher.queued(lane);
    }
    return id;
  }

  async hold(lane: Lane): Promise<string> {
    const rule = holdOf(lane);
    await this.store.owner.addRule(rule);
    return rule.id;
  }

  /** What the store says of the lanes that are free again. */
  async release(hold: string): Promise<readonly LaneBacklog[]> {
    return (
      (await this.store.owner.removeRule(hold, this.now, 0))?.lanes ?? assert.fail('there is no such hold')
    );
  }

  /** Resolves when the job is in `state`. */
  async reaches(id: string, state: JobState): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = async (): Promise<void> => {
      if ((await this.store.get([id]))[0]?.state === state) resolve();
    };
    const stop = this.store.onChange(() => void check());
    await check();
    await promise;
    stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopping = this.dispatcher.stop(0);
    this.clock.advance(0);
    await stopping;
    await this.#close();
  }
}

const lane = (name: string): Lane => ({ client: '', destination: `https://${name}.example/in` });

const holdOf = ({ destination }: Lane): Rule => {
  return { id: randomUUID(), kind: 'hold', app: null, destination, note: null, createdAt: 0 };
};

describe('Dispatcher', () => {
  it('a job that finds its lane free is sent without a claim of its own', async () => {
    await using bench = await Bench.open({}, (store) => forbid(store, 'claim'));
    const id = await bench.submit(lane('a'));
    const attempt = await bench.deliverer.next();
    assert.equal(attempt.job.id, id);
    attempt.end(ok);
    await bench.reaches(id, 'delivered');
  });

  it('first attempts of a lane leave in the order of acceptance, one at a time', async () => {
    await using bench = await Bench.open();
    const ids = [];
    for (let n = 0; n < 10; n += 1) ids.push(await bench.submit(lane('a')));
    for (const id of ids) {
      const attempt = await bench.deliverer.next();
      assert.equal(attempt.job.id, id);
      assert.equal(bench.deliverer.waiting, 0, 'one at a time');
      attempt.end(ok);
    }
    await bench.reaches(ids.at(-1) ?? '', 'delivered');
  });

  it('a lane whose destination never answers does not delay another lane', async () => {
    await using bench = await Bench.open();
    await bench.submit(lane('hangs'));
    await bench.submit(lane('hangs'));
    await bench.deliverer.next();
    const id = await bench.submit(lane('answers'));
    (await bench.deliverer.next()).end(ok);
    await bench.reaches(id, 'delivered');
  });

  it('a lane has as many attempts in flight as it may, and no more', async () => {
    await using bench = await Bench.open({ laneConcurrency: 3 });
    for (let n = 0; n < 5; n += 1) await bench.submit(lane('a'));
    const [first] = [
      await bench.deliverer.next(),
      await bench.deliverer.next(),
      await bench.deliverer.next(),
    ];
    await bench.store.ping();
    assert.equal(bench.deliverer.waiting, 0);
    first?.end(ok);
    await bench.deliverer.next();
  });

  it('all lanes together have as many attempts in flight as there may be', async () => {
    await using bench = await Bench.open({ concurrency: 2 });
    for (const name of ['a', 'b', 'c']) await bench.submit(lane(name));
    const first = await bench.deliverer.next();
    await bench.deliverer.next();
    await bench.store.ping();
    assert.equal(bench.deliverer.waiting, 0);
    first.end(ok);
    assert.equal((await bench.deliverer.next()).job.lane.destination, lane('c').destination);
  });

  it('a busy lane does not starve lanes that wait for a place', async () => {
    await using bench = await Bench.open({ concurrency: 1 });
    for (let n = 0; n < 5; n += 1) await bench.submit(lane('busy'));
    const quiet = await bench.submit(lane('quiet'));
    (await bench.deliverer.next()).end(ok);
    const second = await bench.deliverer.next();
    assert.equal(second.job.id, quiet);
    second.end(ok);
    for (let n = 0; n < 4; n += 1) (await bench.deliverer.next()).end(ok);
  });

  it('an export that the destination cannot digest steps aside: the next one goes, and it is tried again when it is due', async () => {
    await using bench = await Bench.open();
    const failing = await bench.submit(lane('a'));
    const following = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(indigestible);
    const second = await bench.deliverer.next();
    assert.equal(second.job.id, following);
    second.end(ok);
    await bench.reaches(following, 'delivered');
    bench.clock.advance(4_999);
    await bench.store.ping();
    assert.equal(bench.deliverer.waiting, 0, 'not before it is due');
    bench.clock.advance(1);
    const third = await bench.deliverer.next();
    assert.equal(third.job.id, failing);
    assert.equal(third.job.attemptsSpent, 1);
    third.end(ok);
    await bench.reaches(failing, 'delivered');
    assert.deepEqual(
      (await bench.store.attempts(failing)).map(({ number, status, error }) => [number, status, error?.code]),
      [
        [1, 500, 'http_status'],
        [2, 200, undefined],
      ],
    );
  });

  it('a destination that is down is asked again by the oldest export when the pause is over; the others wait', async () => {
    await using bench = await Bench.open({ laneConcurrency: 3 });
    const ids = [await bench.submit(lane('a'))];
    (await bench.deliverer.next()).end(unreachable);
    await bench.reaches(ids[0] ?? '', 'waiting');
    for (let n = 0; n < 5; n += 1) ids.push(await bench.submit(lane('a')));
    bench.clock.advance(4_999);
    await bench.store.ping();
    assert.equal(bench.deliverer.waiting, 0, 'nothing before the pause is over');
    bench.clock.advance(1);
    const asking = await bench.deliverer.next();
    assert.equal(asking.job.id, ids[0]);
    await bench.store.ping();
    assert.equal(bench.deliverer.waiting, 0, 'one asks');
    asking.end(ok);
    const rest = [];
    for (let n = 0; n < 5; n += 1) {
      const attempt = await bench.deliverer.next();
      rest.push(attempt.job);
      attempt.end(ok);
    }
    assert.deepEqual(
      rest.map(({ id }) => id),
      ids.slice(1),
    );
    assert.ok(rest.every(({ attemptsSpent }) => attemptsSpent === 0));
    await bench.reaches(ids.at(-1) ?? '', 'delivered');
  });

  it('the pause grows along the schedule, to ten minutes', async () => {
    await using bench = await Bench.open();
    for (let n = 0; n < 9; n += 1) await bench.submit(lane('a'), { attemptsMax: 1 });
    (await bench.deliverer.next()).end(unreachable);
    const pauses = [];
    for (let n = 0; n < 6; n += 1) {
      const pausedAt = bench.clock.steady();
      while (bench.deliverer.waiting === 0) {
        await new Promise(setImmediate);
        const next = bench.clock.pendingMs.filter((ms) => ms > 0 && ms !== LEASE_MS / 3);
        if (next.length > 0) bench.clock.advance(Math.min(...next));
      }
      pauses.push(bench.clock.steady() - pausedAt);
      (await bench.deliverer.next()).end(unreachable);
    }
    assert.deepEqual(pauses, [5_000, 30_000, 120_000, 600_000, 600_000, 600_000]);
  });

  it('a lane that is paused wakes after a restart, when its time has come', async () => {
    await using bench = await Bench.open();
    const id = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(unreachable);
    await bench.reaches(id, 'waiting');
    await bench.dispatcher.stop(0);
    const again = bench.newDispatcher();
    await again.start();
    bench.clock.advance(5_000);
    (await bench.deliverer.next()).end(ok);
    await bench.reaches(id, 'delivered');
    await again.stop(0);
  });

  it('the wall clock may jump: what waits is sent when its time has really passed', async () => {
    for (const jumpMs of [-10 * DAY_MS, 10 * DAY_MS]) {
      await using bench = await Bench.open();
      const id = await bench.submit(lane('a'));
      (await bench.deliverer.next()).end(indigestible);
      await bench.reaches(id, 'waiting');
      bench.clock.jump(jumpMs);
      bench.clock.advance(4_999);
      await bench.store.ping();
      assert.equal(bench.deliverer.waiting, 0);
      bench.clock.advance(1);
      (await bench.deliverer.next()).end(ok);
      await bench.reaches(id, 'delivered');
    }
  });

  it('a lease is renewed as long as its attempt lives', async () => {
    await using bench = await Bench.open();
    await bench.dispatcher.start();
    const id = await bench.submit(lane('a'));
    const attempt = await bench.deliverer.next();
    for (let n = 0; n < 9; n += 1) {
      bench.clock.advance(LEASE_MS / 3);
      await bench.store.ping();
      await new Promise(setImmediate);
    }
    attempt.end(ok);
    await bench.reaches(id, 'delivered');
    assert.deepEqual(bench.rescues, []);
  });

  it('a job whose worker is gone is taken back when its lease runs out, and sent again', async () => {
    await using bench = await Bench.open();
    await bench.dispatcher.start();
    const id = await bench.submit(lane('a'), { claimUntil: null });
    const stopped = bench.dispatcher.stop(0);
    bench.clock.advance(0);
    await stopped;
    // Somebody claimed it and was never heard of again.
    const request = { count: 1, now: bench.now, leaseExpiresAt: bench.clock.steady() + LEASE_MS };
    await bench.store.claim(lane('a'), request);
    const again = bench.newDispatcher();
    await again.start();
    while (bench.deliverer.waiting === 0) {
      bench.clock.advance(LEASE_MS / 3);
      await bench.store.ping();
      await new Promise(setImmediate);
    }
    (await bench.deliverer.next()).end(ok);
    await bench.reaches(id, 'delivered');
    assert.deepEqual(bench.rescues, [1]);
    await again.stop(0);
  });

  it('a job whose attempts are used up ends with the last outcome', async () => {
    await using bench = await Bench.open();
    const id = await bench.submit(lane('a'), { attemptsMax: 2 });
    (await bench.deliverer.next()).end(busy);
    await bench.reaches(id, 'waiting');
    bench.clock.advance(5_000);
    (await bench.deliverer.next()).end(unreachable);
    await bench.reaches(id, 'undeliverable');
    const [job] = await bench.store.get([id]);
    assert.deepEqual(job?.result, {
      kind: 'failure',
      failure: { code: 'connection_failed', detail: 'refused' },
    });
  });

  it('retries that were due while nobody ran are sent at the start', async () => {
    await using bench = await Bench.open();
    const id = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(busy);
    await bench.reaches(id, 'waiting');
    await bench.dispatcher.stop(0);
    bench.clock.advance(60_000);
    const again = bench.newDispatcher();
    await again.start();
    const attempt = await bench.deliverer.next();
    assert.equal(attempt.job.id, id);
    attempt.end(ok);
    await bench.reaches(id, 'delivered');
    await again.stop(0);
  });

  it('a stop lets an attempt in flight end, and begins none', async () => {
    await using bench = await Bench.open();
    const first = await bench.submit(lane('a'));
    const second = await bench.submit(lane('a'));
    const attempt = await bench.deliverer.next();
    const stopped = bench.dispatcher.stop(30_000);
    attempt.end(ok);
    await stopped;
    assert.deepEqual(
      (await bench.store.get([first, second])).map((job) => job?.state),
      ['delivered', 'queued'],
    );
    assert.deepEqual(bench.deliverer.started, [first]);
  });

  it('an attempt that outlasts the drain is cut off; its job goes back to the queue unspent, as answer unknown', async () => {
    await using bench = await Bench.open();
    const id = await bench.submit(lane('a'), { attemptsMax: 1 });
    await bench.deliverer.next();
    const stopped = bench.dispatcher.stop(30_000);
    bench.clock.advance(30_000);
    await stopped;
    const [job] = await bench.store.get([id]);
    assert.equal(job?.state, 'queued');
    assert.equal(job?.attemptsSpent, 0);
    assert.deepEqual(
      (await bench.store.attempts(id)).map(({ error }) => error?.code),
      ['answer_unknown'],
    );
  });

  it('a job that was claimed as we stop goes back without having been sent', async () => {
    await using bench = await Bench.open();
    const place = lane('a');
    const claimUntil = bench.dispatcher.reserve(place);
    assert.ok(claimUntil !== null);
    const stopped = bench.dispatcher.stop(0);
    await stopped;
    const id = randomUUID();
    const inserted = await bench.store.insert(
      [
        {
          id,
          lane: place,
          peer: null,
          data: Buffer.from('{}'),
          attemptsMax: 1,
          acceptedAt: bench.clock.now(),
          expiresAt: bench.clock.steady() + DAY_MS,
          idempotency: null,
          claimUntil,
        },
      ],
      { pendingMax: 10, acceptsNew: true, now: bench.now },
    );
    const claimed = inserted.kind === 'inserted' ? inserted.jobs[0]?.claimed : null;
    assert.ok(claimed);
    bench.dispatcher.send(claimed);
    await bench.reaches(id, 'queued');
    assert.deepEqual(bench.deliverer.started, []);
  });

  it('an outcome that the store does not take is offered again until it does', async () => {
    let failures = 2;
    await using bench = await Bench.open({}, (store) =>
      override(store, 'settle', (...args) => {
        if (failures === 0) return store.settle(...args);
        failures -= 1;
        return Promise.reject(new ExportError('store_full', 'full'));
      }),
    );
    const id = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(ok);
    const done = bench.reaches(id, 'delivered');
    while (failures > 0) {
      await new Promise(setImmediate);
      bench.clock.advance(1_000);
    }
    await done;
    assert.deepEqual(bench.storeFailures, ['settle', 'settle']);
    assert.equal(bench.deliverer.started.length, 1, 'it is not sent twice');
  });

  it('a late outcome under a lost lease does not undo the cancel of the attempt that is under way', async () => {
    const late = Promise.withResolvers<void>();
    const done = Promise.withResolvers<void>();
    let isFirst = true;
    await using bench = await Bench.open({ laneConcurrency: 2 }, (store) =>
      override(store, 'settle', async (...args) => {
        if (!isFirst) return store.settle(...args);
        isFirst = false;
        await late.promise;
        return store.settle(...args).finally(done.resolve);
      }),
    );
    const id = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(ok);
    const { wall, steady } = bench.now;
    const muchLater = { wall: wall + DAY_MS / 2, steady: steady + DAY_MS / 2 };
    bench.dispatcher.resume(await bench.store.rescue(muchLater, 10));
    const second = await bench.deliverer.next();
    bench.consent.cancel(id);
    late.resolve();
    await done.promise;
    await new Promise(setImmediate);
    assert.ok(!bench.consent.permits({ id, lane: lane('a') }), 'it is still cancelled');
    second.end(ok);
    await bench.reaches(id, 'delivered');
    await new Promise(setImmediate);
    assert.ok(bench.consent.permits({ id, lane: lane('a') }), 'what has ended is forgotten');
  });

  it('a job that is inserted in the commit of a settle, behind it, is claimed though the settle saw no more', async () => {
    await using bench = await Bench.open();
    await bench.submit(lane('a'));
    const attempt = await bench.deliverer.next();
    attempt.end(ok);
    // The settle has been asked for by then and is sent at the end of this turn, together with the insert.
    for (let n = 0; n < 10; n += 1) await null;
    const id = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(ok);
    await bench.reaches(id, 'delivered');
  });

  it('what is heard late of a released lane does not hide a job that came meanwhile', async () => {
    await using bench = await Bench.open({ concurrency: 1 });
    const waiting = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(indigestible);
    await bench.reaches(waiting, 'waiting');
    const hold = await bench.hold(lane('a'));
    await bench.submit(lane('b'));
    const other = await bench.deliverer.next();
    const heardLate = await bench.release(hold);
    assert.deepEqual(
      heardLate.map(({ hasDue }) => hasDue),
      [false],
    );
    const id = await bench.submit(lane('a'));
    bench.dispatcher.resume(heardLate);
    other.end(ok);
    assert.equal((await bench.deliverer.next()).job.id, id);
  });

  it('what is heard late of a released lane does not put off a retry that is due before', async () => {
    await using bench = await Bench.open();
    const slow = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(indigestible);
    await bench.reaches(slow, 'waiting');
    bench.clock.advance(5_000);
    (await bench.deliverer.next()).end(indigestible);
    await bench.reaches(slow, 'waiting');
    const heardLate = await bench.release(await bench.hold(lane('a')));
    const id = await bench.submit(lane('a'));
    (await bench.deliverer.next()).end(indigestible);
    await bench.reaches(id, 'waiting');
    bench.dispatcher.resume(heardLate);
    bench.clock.advance(5_000);
    assert.equal((await bench.deliverer.next()).job.id, id);
  });

  it('a release that shares the commit of a settle, behind it, counts though the settle saw the hold', async () => {
    await using bench = await Bench.open();
    await bench.submit(lane('a'));
    const id = await bench.submit(lane('a'));
    const attempt = await bench.deliverer.next();
    const hold = await bench.hold(lane('a'));
    attempt.end(ok);
    // The settle has been asked for by then and is sent at the end of this turn, together with the release.
    for (let n = 0; n < 10; n += 1) await null;
    const removing = bench.store.owner.removeRule(hold, bench.now, 0);
    // At once, which is before the dispatcher is done with the settle.
    await removing.then((removal) => bench.dispatcher.resume(removal?.lanes ?? []));
    assert.equal((await bench.deliverer.next()).job.id, id);
  });

  it('what the store gives out and may not leave is asked for again in a moment, and not at once', async () => {
    await using bench = await Bench.open();
    bench.consent.learn([holdOf(lane('a'))]);
    const id = await bench.submit(lane('a'));
    for (let n = 1; n <= 3; n += 1) {
      (await bench.deliverer.next()).end({ kind: 'stopped', sent: false });
      await bench.reaches(id, 'queued');
      for (let turn = 0; turn < 5; turn += 1) {
        await bench.store.ping();
        await new Promise(setImmediate);
      }
      assert.equal(bench.deliverer.started.length, n);
      bench.clock.advance(1_000);
    }
    bench.consent.learn([]);
    (await bench.deliverer.next()).end(ok);
    await bench.reaches(id, 'delivered');
    assert.equal((await bench.store.attempts(id)).length, 1, 'nothing is spent');
  });

  it('an attempt that throws, which it never should, is reported and does not end the process', async () => {
    await using bench = await Bench.open();
    bench.deliverer.deliver = () => Promise.reject(new TypeError('our own mistake'));
    await bench.submit(lane('a'));
    while (bench.breakages.length === 0) await new Promise(setImmediate);
    assert.match(String(bench.breakages[0]), /our own mistake/);
  });

  it('a claim that the store refuses is made again, and the lane goes on', async () => {
    let failures = 1;
    await using bench = await Bench.open({}, (store) =>
      override(store, 'claim', (...args) => {
        if (failures === 0) return store.claim(...args);
        failures -= 1;
        return Promise.reject(new ExportError('store_unavailable', 'gone'));
      }),
    );
    const id = randomUUID();
    await bench.submit(lane('a'), { id, claimUntil: null });
    while (bench.deliverer.waiting === 0) {
      await new Promise(setImmediate);
      bench.clock.advance(1_000);
    }
    (await bench.deliverer.next()).end(ok);
    await bench.reaches(id, 'delivered');
    assert.deepEqual(bench.storeFailures, ['claim']);
  });

  it('thousands of jobs over many lanes all end, each lane in its order', async () => {
    await using bench = await Bench.open({ concurrency: 7 });
    const order = new Map<string, string[]>();
    const submitted = [];
    for (let n = 0; n < 2_000; n += 1) {
      const target = lane(`d${n % 50}`);
      submitted.push(
        bench
          .submit(target)
          .then((id) => order.set(target.destination, [...(order.get(target.destination) ?? []), id])),
      );
    }
    const sent = new Map<string, string[]>();
    for (let n = 0; n < 2_000; n += 1) {
      const { job, end } = await bench.deliverer.next();
      sent.set(job.lane.destination, [...(sent.get(job.lane.destination) ?? []), job.id]);
      end(ok);
    }
    await Promise.all(submitted);
    assert.deepEqual(sent, order);
  });
});

/** The same store, but one method is another. */
function override<K extends 'claim' | 'settle'>(
  store: JobStore,
  method: K,
  replacement: JobStore[K],
): JobStore {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === method) return replacement;
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The same store, but calling one method fails the test. */
function forbid(store: JobStore, method: 'claim' | 'settle'): JobStore {
  return override(store, method, (() => assert.fail(`${method} was called`)) as never);
}
