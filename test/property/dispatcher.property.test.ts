/**
 * Whatever the order of submissions, repeats, refusals, commits, failures of the store, answers and announcements:
 * nothing is stuck, nothing is sent beside more than may be, and a lane that sends one at a time keeps its order.
 *
 * The store is a real writer, but what is asked of it waits for the test to commit it, and what it answers waits too: so
 * everything can happen between a question, its commit and its answer.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Dispatcher, type DispatchLimits } from '../../src/delivery/dispatcher.ts';
import { Consent } from '../../src/export/consent.ts';
import { type Deliverer, type Delivery, unconnected } from '../../src/export/deliverer.ts';
import { ExportError } from '../../src/export/errors.ts';
import { ExportService } from '../../src/export/export-service.ts';
import type { Lane } from '../../src/export/job.ts';
import { JobFeed } from '../../src/export/job-feed.ts';
import type { ClaimedJob, JobStore } from '../../src/export/job-store.ts';
import type { Operation, ResultOf } from '../../src/store/sqlite/operations.ts';
import { SqliteWriter } from '../../src/store/sqlite/writer.ts';
import { beginning } from '../support/ledger/beginning.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { NOT_KEPT, STORE_KEYS } from '../support/store-keys.ts';

const LANES: readonly Lane[] = ['a', 'b', 'c'].map((client) => ({
  client,
  destination: 'https://x.example/in',
}));
const LEASE_MS = 60_000;
const PENDING_MAX = 6;
const TURNS_MAX = 1_000;
const RUNS = 200;

const which = fc.nat(5);
/** Most happens in one lane: what one lane does to itself takes more steps than what lanes do to each other. */
const lane = fc.constantFrom(0, 0, 0, 0, 1, 2);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('submit' as const),
      lane,
      count: fc.integer({ min: 1, max: 3 }),
      /** A key out of few, so that it is a repeat now and then, and a mismatch; none is none. */
      key: fc.option(fc.nat(2)),
      attemptsMax: fc.constantFrom(1, 9),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('commit' as const), count: fc.nat(4) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('tell' as const), count: fc.nat(4) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which,
      status: fc.constantFrom(200, 200, 500, 503, 503),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('announce' as const), lane }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), count: fc.nat(4) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(15_000) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Submit = Extract<Step, { kind: 'submit' }>;

/**
 * Was stuck once. The only export of a lane ends by a failure of its destination, while two more are being handed over,
 * the second a repeat of the first: the lane is down, has no timer, and the place that is taken is one that is only
 * reserved when the new one is announced.
 */
const ANNOUNCED_TO_A_RESERVED_PLACE: Step[] = [
  { kind: 'submit', lane: 0, count: 1, key: null, attemptsMax: 1 },
  { kind: 'commit', count: 1 },
  { kind: 'tell', count: 1 },
  { kind: 'answer', which: 0, status: 503 },
  { kind: 'submit', lane: 0, count: 2, key: 0, attemptsMax: 9 },
  { kind: 'commit', count: 2 },
  { kind: 'tell', count: 1 },
  { kind: 'tell', count: 1 },
];

interface Asked {
  readonly operation: Operation;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A store whose commits and answers come when the test says so, in the order of the questions. */
class HeldStore {
  readonly #writer = new SqliteWriter(':memory:');
  #asked: Asked[] = [];
  #answers: (() => void)[] = [];
  /** New jobs, in the order of acceptance. */
  readonly accepted: ClaimedJob['id'][] = [];

  constructor() {
    this.#writer.run([{ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT }]);
    this.#writer.run([{ kind: 'beginLedger', beginning: beginning() }]);
  }

  get isIdle(): boolean {
    return this.#asked.length === 0 && this.#answers.length === 0;
  }

  /** As a part of the service sees it: what the dispatcher and submissions need. */
  get jobStore(): JobStore {
    const ask = this.#ask.bind(this);
    const store: Partial<JobStore> = {
      insert: (jobs, limits) => ask({ kind: 'insert', jobs, limits }),
      claim: (of, request) => ask({ kind: 'claim', lane: of, request }),
      settle: (settlement, next) => ask({ kind: 'settle', settlement, next }),
      extendLeases: (leases, expiresAt) => ask({ kind: 'extendLeases', leases, expiresAt }),
      rescue: (now, limit) => ask({ kind: 'rescue', now, limit }),
      busyLanes: (now) => ask({ kind: 'busyLanes', now }),
    };
    return store as JobStore;
  }

  #ask<O extends Operation>(operation: O): Promise<ResultOf<O>> {
    return new Promise<ResultOf<O>>((resolve, reject) => {
      this.#asked.push({ operation, resolve: resolve as Asked['resolve'], reject });
    });
  }

  commit(count: number): void {
    for (const { operation, resolve } of this.#asked.splice(0, count)) {
      const [result] = this.#writer.run([operation]).results;
      if (operation.kind === 'insert') this.#note(result as ResultOf<typeof operation>);
      this.#answers.push(() => resolve(result));
    }
  }

  #note(result: ResultOf<Extract<Operation, { kind: 'insert' }>>): void {
    if (result.kind === 'refused') return;
    for (const { job, isRepeat } of result.jobs) if (!isRepeat) this.accepted.push(job.id);
  }

  fail(count: number): void {
    const error = new ExportError('store_full', 'There is no room.');
    for (const { reject } of this.#asked.splice(0, count)) this.#answers.push(() => reject(error));
  }

  tell(count: number): void {
    for (const answer of this.#answers.splice(0, count)) answer();
  }

  /** How many of all jobs have not ended. */
  unfinished(now: number): number {
    const [lanes] = this.#writer.run([{ kind: 'busyLanes', now }]).results as [readonly unknown[]];
    return lanes.length;
  }

  close(): void {
    this.#writer.close();
  }
}

interface Attempt {
  readonly job: ClaimedJob;
  readonly end: (status: number) => void;
}

/** Submissions and the dispatcher as they are in the service, with the store and the destinations in the test's hand. */
class World implements Deliverer {
  readonly #clock = new ManualClock();
  readonly #store = new HeldStore();
  readonly #limits: DispatchLimits;
  readonly #dispatcher: Dispatcher;
  readonly #service: ExportService;
  readonly #broken: unknown[] = [];
  /** Under way, in the order in which they began. */
  readonly #attempts: Attempt[] = [];
  /** Of each lane the jobs that were sent for the first time, in that order. */
  readonly #firsts = new Map<string, string[]>();
  readonly #submissions = new Set<Promise<unknown>>();
  #ids = 0;

  constructor(limits: Omit<DispatchLimits, 'leaseMs'>) {
    this.#limits = { ...limits, leaseMs: LEASE_MS };
    const parts = { store: this.#store.jobStore, clock: this.#clock };
    this.#dispatcher = new Dispatcher({
      ...parts,
      deliverer: this,
      consent: new Consent(),
      random: () => 0.5,
      retryPolicy: { retryBaseMs: 5_000 },
      limits: this.#limits,
      observer: {
        attempted: () => {},
        storeFailed: () => {},
        rescued: () => {},
        broke: (error) => this.#broken.push(error),
      },
    });
    this.#service = new ExportService({
      ...parts,
      dispatch: this.#dispatcher,
      feed: new JobFeed(),
      destinationPolicy: { refusal: () => null },
      newId: () => `00000000-0000-7000-8000-${String(++this.#ids).padStart(12, '0')}`,
      digest: (data) => data,
      limits: {
        attemptsMax: 9,
        pendingMax: PENDING_MAX,
        ageMsMax: 1_000 * 86_400_000,
        waitingMax: 1,
        rateMax: 0,
      },
    });
  }

  async start(): Promise<void> {
    const started = this.#dispatcher.start();
    this.#settleStore();
    await started;
  }

  deliver(job: ClaimedJob, signal: AbortSignal): Promise<Delivery> {
    const { promise, resolve } = Promise.withResolvers<Delivery>();
    const attempt: Attempt = {
      job,
      end: (status) => {
        this.#attempts.splice(this.#attempts.indexOf(attempt), 1);
        const answer = { status, body: '', truncated: false };
        resolve(unconnected({ kind: 'answered', answer, retryAfterMs: null }));
      },
    };
    this.#attempts.push(attempt);
    signal.addEventListener('abort', () => resolve(unconnected({ kind: 'stopped', sent: true })));
    this.#assertWithinLimits(job);
    if (job.attempts === 0) this.#noteFirst(job);
    return promise;
  }

  #assertWithinLimits({ id, lane: { client } }: ClaimedJob): void {
    const { concurrency, laneConcurrency } = this.#limits;
    const ofLane = this.#attempts.filter(({ job }) => job.lane.client === client);
    assert.ok(this.#attempts.length <= concurrency, `${this.#attempts.length} attempts at once`);
    assert.ok(ofLane.length <= laneConcurrency, `${ofLane.length} attempts of a lane at once`);
    assert.equal(ofLane.filter(({ job }) => job.id === id).length, 1, 'an export beside itself');
  }

  #noteFirst({ id, lane: { client } }: ClaimedJob): void {
    const firsts = this.#firsts.get(client) ?? [];
    if (!firsts.includes(id)) this.#firsts.set(client, [...firsts, id]);
  }

  async step(happened: Step): Promise<void> {
    switch (happened.kind) {
      case 'submit':
        this.#submit(LANES[happened.lane] as Lane, happened);
        break;
      case 'commit':
        this.#store.commit(happened.count);
        break;
      case 'tell':
        this.#store.tell(happened.count);
        break;
      case 'answer':
        this.#attempts[happened.which]?.end(happened.status);
        break;
      case 'announce':
        this.#dispatcher.queued(LANES[happened.lane] as Lane);
        break;
      case 'fail':
        this.#store.fail(happened.count);
        break;
      case 'pass':
        this.#clock.advance(happened.ms);
        break;
    }
    await turn();
    assert.deepEqual(this.#broken, []);
  }

  #submit({ client, destination: uri }: Lane, { count, key, attemptsMax }: Submit): void {
    const url = new URL(uri);
    const requests = Array.from({ length: count }, (_, n) => ({
      destination: { uri, url },
      // The second of a batch under the same key is a repeat, the third would be another export.
      data: Buffer.from(n < 2 ? '1' : '2'),
      attemptsMax,
      idempotencyKey: key === null ? null : String(key),
    }));
    const submission = this.#service.submit(requests, { client, peer: null }).catch((error: unknown) => {
      if (!(error instanceof ExportError)) throw error;
    });
    this.#submissions.add(submission);
    submission.then(() => this.#submissions.delete(submission));
  }

  #settleStore(): void {
    this.#store.commit(Number.MAX_SAFE_INTEGER);
    this.#store.tell(Number.MAX_SAFE_INTEGER);
  }

  /** The store works, the destinations are well and time passes: everything must come to its end by itself. */
  async drain(): Promise<void> {
    for (let turns = 0; ; turns += 1) {
      while (!this.#store.isIdle || this.#attempts.length > 0) {
        this.#settleStore();
        for (const attempt of [...this.#attempts]) attempt.end(200);
        await turn();
      }
      assert.deepEqual(this.#broken, []);
      if (this.#store.unfinished(this.#clock.steady()) === 0) break;
      assert.ok(turns < TURNS_MAX, `stuck: ${this.#store.unfinished(this.#clock.steady())} lanes`);
      // The one that is always there renews leases.
      const next = this.#clock.pendingMs.toSorted((a, b) => a - b);
      assert.ok(next.length > 1, 'stuck: nothing is under way, and no timer will wake anything');
      this.#clock.advance(next[0] ?? 0);
      await turn();
    }
    await Promise.all(this.#submissions);
  }

  assertOrder(): void {
    if (this.#limits.laneConcurrency > 1) return;
    for (const [client, firsts] of this.#firsts) {
      const inOrder = this.#store.accepted.filter((id) => firsts.includes(id));
      assert.deepEqual(firsts, inOrder, `first attempts of ${client}`);
    }
  }

  async close(): Promise<void> {
    const stopped = this.#dispatcher.stop(0);
    this.#clock.advance(0);
    for (let turns = 0; turns < 5; turns += 1) {
      await turn();
      this.#settleStore();
    }
    await stopped;
    this.#store.close();
  }
}

it('nothing is stuck, sent beside more than may be, or out of order, whatever happens when', async () => {
  const limits = fc.record({
    laneConcurrency: fc.constantFrom(1, 3, 4),
    concurrency: fc.constantFrom(2, 3, 5, 100),
  });
  await fc.assert(
    fc.asyncProperty(limits, fc.array(step, { maxLength: 60, size: 'max' }), async (given, steps) => {
      const world = new World(given);
      try {
        await world.start();
        for (const happened of steps) await world.step(happened);
        await world.drain();
        world.assertOrder();
      } finally {
        await world.close();
      }
    }),
    { numRuns: RUNS, examples: [[{ laneConcurrency: 3, concurrency: 100 }, ANNOUNCED_TO_A_RESERVED_PLACE]] },
  );
});
