/**
 * Whatever the order of rules, submissions, redeliveries, sendings, cancels, releases and crashes, also of a crash in the
 * middle of a decision, and of a store that fails at any step of one, before or after its commit: nothing that the owner
 * forbade when its request was opened has left, and nothing that is allowed is stuck.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Dispatcher } from '../../src/delivery/dispatcher.ts';
import { Chore } from '../../src/export/chore.ts';
import type { Clock } from '../../src/export/clock.ts';
import { Consent } from '../../src/export/consent.ts';
import { type Deliverer, type Delivery, unconnected } from '../../src/export/deliverer.ts';
import type { ExportError } from '../../src/export/errors.ts';
import type { AttemptOutcome, Lane } from '../../src/export/job.ts';
import { isFinal } from '../../src/export/job.ts';
import type { ClaimedJob, JobStore } from '../../src/export/job-store.ts';
import { type NewRule, OwnerService } from '../../src/export/owner-service.ts';
import { matcherOf, type Rule } from '../../src/export/rules.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { DECISION_STEPS, FlakyStore } from '../support/stores/flaky-store.ts';
import { openTemporaryStore } from '../support/temporary-store.ts';

const LANES: readonly Lane[] = [
  { client: 'a', destination: 'https://x.example/1' },
  { client: 'a', destination: 'https://x.example/2' },
  { client: 'b', destination: 'https://x.example/1' },
  { client: 'b', destination: 'https://y.example/' },
];
const TARGETS = [
  { app: null, destination: null },
  { app: 'a', destination: null },
  { app: null, destination: 'https://x.example' },
  { app: 'b', destination: 'https://x.example/1' },
] as const;
const AGE_MS = 1_000_000;
const LEASE_MS = 60_000;
const TURNS_MAX = 2_000;
/** In which everything that a store's failures left undone is done. */
const MENDED_MS = 10_000;

/** What of a decision the store fails at, if it does. */
const failing = fc.option(
  fc.record({
    at: fc.constantFrom(...DECISION_STEPS),
    moment: fc.constantFrom('before' as const, 'after' as const),
    times: fc.integer({ min: 1, max: 3 }),
  }),
);
type Failing = typeof failing extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('submit' as const), lane: fc.nat(LANES.length - 1) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which: fc.nat(3),
      status: fc.constantFrom(200, 500, 503),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      failing,
      kind: fc.constant('rule' as const),
      rule: fc.constantFrom('block' as const, 'hold' as const),
      target: fc.nat(TARGETS.length - 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('unrule' as const), which: fc.nat(3), failing }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('redeliver' as const), which: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('half a block' as const), target: fc.nat(TARGETS.length - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(40_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash', 'stop') }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Attempt {
  readonly job: ClaimedJob;
  readonly mayLeave: () => boolean;
  readonly end: (outcome: AttemptOutcome) => void;
  isOpen: boolean;
  isOver: boolean;
}

/** A service without its HTTP: store, dispatcher and owner are real, and the destination is the test's. */
class World implements Deliverer, AsyncDisposable {
  readonly clock = new ManualClock();
  readonly accepted: string[] = [];
  /** What is in force: what the owner was told, or, when the store failed, what is in it. */
  readonly rules: Rule[] = [];
  readonly cancelled = new Set<string>();
  attempts: Attempt[] = [];
  readonly #store: JobStore;
  readonly #flaky: FlakyStore;
  readonly #close: () => PromiseLike<void>;
  #dispatcher!: Dispatcher;
  #owner!: OwnerService;
  /** Counts lives: what belongs to a dead one is heard no more. */
  #life = 0;

  private constructor(store: JobStore, close: () => PromiseLike<void>) {
    this.#store = store;
    this.#flaky = new FlakyStore(store);
    this.#close = close;
  }

  static async create(): Promise<World> {
    const { store, ...temporary } = await openTemporaryStore({ keepsPayloads: true });
    const world = new World(store, () => temporary[Symbol.asyncDispose]());
    await world.#start();
    return world;
  }

  async #start(): Promise<void> {
    this.#life += 1;
    this.attempts = [];
    // A service does not start on a store that fails.
    this.#flaky.heal();
    const consent = new Consent();
    const { store } = this.#flaky;
    const clock = this.#clockOfLife(this.#life);
    const dispatcher = new Dispatcher({
      store,
      clock,
      consent,
      deliverer: this,
      random: () => 0.5,
      retryPolicy: { retryBaseMs: 5_000 },
      limits: { laneConcurrency: 2, concurrency: 5, leaseMs: LEASE_MS },
      observer: { attempted: () => {}, storeFailed: () => {}, rescued: () => {}, broke: assert.ifError },
    });
    this.#dispatcher = dispatcher;
    const resume = dispatcher.resume.bind(dispatcher);
    this.#owner = new OwnerService({ store, clock, consent, resume, newId: randomUUID, ageMsMax: AGE_MS });
    await store.recover(this.#now, { retryMs: AGE_MS, ageMs: 100 * AGE_MS, keyMs: AGE_MS });
    await this.#owner.start();
    await dispatcher.start();
    const owner = this.#owner;
    new Chore({ clock, step: () => owner.watchRules(), onError: assert.ifError }).start();
  }

  /** A dead process does nothing when its time comes. */
  #clockOfLife(life: number): Clock {
    return {
      now: () => this.clock.now(),
      steady: () => this.clock.steady(),
      schedule: (delayMs, task) => this.clock.schedule(delayMs, () => life === this.#life && task()),
    };
  }

  async #stop(): Promise<void> {
    const stopped = this.#dispatcher.stop(0);
    this.clock.advance(0);
    await stopped;
  }

  get #now() {
    return { wall: this.clock.now(), steady: this.clock.steady() };
  }

  deliver(job: ClaimedJob, signal: AbortSignal, mayLeave: () => boolean): Promise<Delivery> {
    const life = this.#life;
    const { promise, resolve } = Promise.withResolvers<Delivery>();
    const attempt: Attempt = {
      job,
      mayLeave,
      isOpen: false,
      isOver: false,
      end: (outcome) => {
        attempt.isOver = true;
        if (life === this.#life) resolve(unconnected(outcome));
      },
    };
    signal.addEventListener('abort', () => attempt.end({ kind: 'stopped', sent: attempt.isOpen }));
    this.attempts.push(attempt);
    return promise;
  }

  async step(happened: Step): Promise<void> {
    switch (happened.kind) {
      case 'submit':
        await this.#submit(LANES[happened.lane] as Lane);
        break;
      case 'open':
        this.#open(this.#running[happened.which]);
        break;
      case 'answer':
        this.#answer(this.#running.filter(({ isOpen }) => isOpen)[happened.which], happened.status);
        break;
      case 'rule':
        this.#failAt(happened.failing);
        await this.#addRule({
          kind: happened.rule,
          note: null,
          ...(TARGETS[happened.target] as (typeof TARGETS)[0]),
        });
        break;
      case 'unrule':
        this.#failAt(happened.failing);
        await this.#removeRule(this.rules[happened.which]);
        break;
      case 'cancel':
        await this.#cancel(this.accepted.at(-1 - happened.which));
        break;
      case 'redeliver':
        await this.#redeliver(this.accepted.at(-1 - happened.which));
        break;
      case 'half a block':
        await this.#dieAddingBlock(TARGETS[happened.target] as (typeof TARGETS)[0]);
        break;
      case 'pass':
        this.clock.advance(happened.ms);
        break;
      case 'crash':
        await this.#start();
        break;
      case 'stop':
        await this.#stop();
        await this.#start();
        break;
    }
    await this.#quiet();
  }

  #failAt(failing: Failing): void {
    if (failing !== null) this.#flaky.fail(failing.at, failing.moment, failing.times);
  }

  get #running(): Attempt[] {
    return this.attempts.filter(({ isOver }) => !isOver);
  }

  async #submit(lane: Lane): Promise<void> {
    const id = randomUUID();
    const { wall, steady } = this.#now;
    const claimUntil = this.#dispatcher.reserve(lane);
    const job = {
      id,
      lane,
      peer: null,
      data: Buffer.from('1'),
      attemptsMax: 9,
      idempotency: null,
      claimUntil,
    };
    const result = await this.#store.insert(
      [{ ...job, acceptedAt: wall, expiresAt: steady + 100 * AGE_MS }],
      { pendingMax: 1_000, acceptsNew: true, now: this.#now },
    );
    const inserted = result.kind === 'inserted' ? result.jobs[0] : undefined;
    if (inserted?.claimed) this.#dispatcher.send(inserted.claimed);
    else if (claimUntil !== null) this.#dispatcher.cancel(lane);
    if (result.kind === 'refused') {
      assert.ok(this.#forbids('block', lane), 'only a block refuses');
      return;
    }
    assert.ok(!this.#forbids('block', lane), 'a block refuses');
    this.accepted.push(id);
    if (!inserted?.claimed) this.#dispatcher.queued(lane);
  }

  /** What `ExportService.redeliver` does. */
  async #redeliver(id: string | undefined): Promise<void> {
    if (id === undefined) return;
    const lane = (await this.#store.get([id]))[0]?.lane ?? assert.fail('every export is known');
    const { wall, steady } = this.#now;
    const as = { id: randomUUID(), acceptedAt: wall, expiresAt: steady + 100 * AGE_MS };
    const limits = { pendingMax: 1_000, acceptsNew: true, now: this.#now };
    const result = await this.#store.owner.redeliver(id, as, limits);
    if (result.kind === 'refused') {
      assert.ok(this.#forbids('block', lane), 'only a block refuses');
      return;
    }
    assert.equal(result.kind, 'inserted', 'its data is kept');
    assert.ok(!this.#forbids('block', lane), 'a block refuses');
    this.accepted.push(as.id);
    this.#dispatcher.queued(lane);
  }

  /** The rule is on disk, and the process dies before it has ended what the rule stops. */
  async #dieAddingBlock(target: { readonly app: string | null; readonly destination: string | null }) {
    const rule: Rule = { ...target, id: randomUUID(), kind: 'block', note: null, createdAt: this.#now.wall };
    await this.#store.owner.addRule(rule);
    this.rules.push(rule);
    await this.#start();
    await this.#checkBlocks();
  }

  #forbids(kind: Rule['kind'], lane: Lane): boolean {
    return this.rules.some((rule) => rule.kind === kind && matcherOf(rule).matches(lane));
  }

  /** The moment that counts. */
  #open(attempt: Attempt | undefined): void {
    if (attempt === undefined || attempt.isOpen) return;
    if (!attempt.mayLeave()) {
      attempt.end({ kind: 'stopped', sent: false });
      return;
    }
    const { id, lane } = attempt.job;
    assert.ok(!this.cancelled.has(id), 'what was taken back does not leave');
    assert.ok(
      !this.#forbids('block', lane) && !this.#forbids('hold', lane),
      'what is forbidden does not leave',
    );
    attempt.isOpen = true;
  }

  #answer(attempt: Attempt | undefined, status: number): void {
    attempt?.end({ kind: 'answered', answer: { status, body: '', truncated: false }, retryAfterMs: null });
  }

  async #addRule(rule: NewRule): Promise<void> {
    const { failures } = this.#flaky;
    try {
      this.rules.push(await this.#owner.addRule(rule));
    } catch (error) {
      await this.#lookAtRules(error);
    }
    // What an earlier block stops may have been left undone; another block does that too.
    if (rule.kind === 'block' && this.#flaky.failures === failures) await this.#checkBlocks();
  }

  /** Whoever was answered so may find any rules. */
  async #lookAtRules(error: unknown): Promise<void> {
    assert.equal((error as ExportError).code, 'store_unavailable');
    this.rules.splice(0, this.rules.length, ...(await this.#store.owner.rules()));
  }

  async #checkBlocks(): Promise<void> {
    const jobs = await this.#store.get(this.accepted);
    for (const job of jobs) {
      if (job && !isFinal(job.state) && this.#forbids('block', job.lane))
        assert.equal(job.state, 'sending', 'a block ends at once what is not being sent');
    }
  }

  async #removeRule(rule: Rule | undefined): Promise<void> {
    if (rule === undefined) return;
    try {
      assert.equal(await this.#owner.removeRule(rule.id), true);
      this.rules.splice(this.rules.indexOf(rule), 1);
    } catch (error) {
      await this.#lookAtRules(error);
    }
  }

  async #cancel(id: string | undefined): Promise<void> {
    if (id === undefined) return;
    const job = await this.#owner.cancel(id).catch((error) => {
      assert.equal(error.code, 'already_finished');
      return null;
    });
    const isOpen = this.#running.some((attempt) => attempt.isOpen && attempt.job.id === id);
    if (job !== null && !isOpen) this.cancelled.add(id);
  }

  /** Lets everything happen that can without time passing or the destination doing something. */
  async #quiet(): Promise<void> {
    for (let calm = 0; calm < 3; calm += 1) {
      await this.#store.ping();
      await turn();
    }
  }

  /** A well store, no rules any more, a well destination, time: everything must come to its end. */
  async drain(): Promise<void> {
    this.#flaky.heal();
    for (let ms = 0; ms < MENDED_MS; ms += 1_000) {
      this.clock.advance(1_000);
      await this.#quiet();
    }
    await this.#checkBlocks();
    while (this.rules.length > 0) await this.#removeRule(this.rules[0]);
    for (let turns = 0; ; turns += 1) {
      const jobs = await this.#store.get(this.accepted);
      if (jobs.every((job) => job && isFinal(job.state))) return;
      assert.ok(turns < TURNS_MAX, `stuck: ${jobs.map((job) => job?.state).join(' ')}`);
      for (const attempt of this.#running) {
        this.#open(attempt);
        if (attempt.isOpen) this.#answer(attempt, 200);
      }
      await this.#quiet();
      if (this.#running.length === 0) this.clock.advance(LEASE_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life += 1;
    await this.#close();
  }
}

it('nothing forbidden leaves, and nothing allowed is stuck', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 80 }), async (steps) => {
      await using world = await World.create();
      for (const happened of steps) await world.step(happened);
      await world.drain();
    }),
    // A world is a real store on a disk: to look for a smaller example would take minutes. The seed plays it again.
    { numRuns: 40, endOnFailure: true },
  );
});
