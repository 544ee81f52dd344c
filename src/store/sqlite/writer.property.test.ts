import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { beginning } from '../../../test/support/ledger/beginning.ts';
import { NOT_KEPT, STORE_KEYS } from '../../../test/support/store-keys.ts';
import { type Attempt, type JobResult, type Lane, UNSEEN } from '../../export/job.ts';
import type { Claim, ClaimedJob, ClaimRequest, NewJob, Settlement } from '../../export/job-store.ts';
import type { LaneReport } from '../../export/lane-health.ts';
import type { Operation, ResultOf } from './operations.ts';
import { SqliteWriter } from './writer.ts';

const LANES: readonly Lane[] = [0, 1, 2].map((n) => ({ client: '', destination: `https://d${n}.example/` }));
const LEASE_MS = 1_000;
const AGE_MS = 100_000;
const LONGEST = { retryMs: AGE_MS, ageMs: AGE_MS, keyMs: AGE_MS };
const PENDING_MAX = 20;

/** What may happen to a store, in any order. Numbers pick lanes and jobs; time only goes forward. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('insert' as const), lane: fc.nat(2), claim: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('claim' as const), lane: fc.nat(2), count: fc.nat(3) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      which: fc.nat(30),
      how: fc.constantFrom('delivered', 'down', 'indigestible', 'released', 'given up'),
      claimNext: fc.nat(2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(3_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('rescue', 'expire', 'crash', 'fail', 'renew') }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A store, and what an onlooker knows about it without looking inside. */
class Bench {
  readonly writer = new SqliteWriter(':memory:');

  constructor() {
    this.run({ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT });
    this.run({ kind: 'beginLedger', beginning: beginning() });
  }

  now = 1_000_000;
  readonly expiresAt = new Map<string, number>();
  count = 0;
  /** Every claim ever handed out, old ones too. */
  readonly claims: ClaimedJob[] = [];
  readonly accepted: string[] = [];
  /** Jobs that were seen to end. */
  readonly ended = new Set<string>();
  /** First attempts, in the order of their claims, by lane. */
  readonly firstClaims = new Map<string, string[]>();

  run<O extends Operation>(operation: O): ResultOf<O> {
    return this.writer.run([operation]).results[0] as ResultOf<O>;
  }

  get times() {
    return { wall: this.now, steady: this.now };
  }

  request(count: number): ClaimRequest {
    return { count, now: this.times, leaseExpiresAt: this.now + LEASE_MS };
  }

  insert(lane: Lane, isClaimed: boolean): void {
    const job = this.newJob(lane, isClaimed);
    this.expiresAt.set(job.id, job.expiresAt);
    const result = this.run({ kind: 'insert', jobs: [job], limits: this.limits });
    if (result.kind === 'refused') return;
    const [inserted] = result.jobs;
    this.accepted.push(inserted?.job.id ?? '');
    if (inserted?.claimed) this.note([inserted.claimed]);
  }

  get limits() {
    return { pendingMax: PENDING_MAX, acceptsNew: true, now: this.times };
  }

  newJob(lane: Lane, isClaimed: boolean): NewJob {
    this.count += 1;
    return {
      id: `00000000-0000-7000-8000-${String(this.count).padStart(12, '0')}`,
      lane,
      peer: null,
      data: Buffer.from('{}'),
      attemptsMax: 9,
      acceptedAt: this.now,
      expiresAt: this.now + AGE_MS,
      idempotency: null,
      claimUntil: isClaimed ? this.now + LEASE_MS : null,
    };
  }

  note(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) {
      assert.ok(!this.ended.has(job.id), 'nothing that has ended is sent again');
      this.claims.push(job);
      if (job.attempts > 0) continue;
      const { destination } = job.lane;
      const order = this.firstClaims.get(destination) ?? [];
      if (!order.includes(job.id)) this.firstClaims.set(destination, [...order, job.id]);
    }
  }

  take(claim: Claim): Claim {
    this.note(claim.jobs);
    return claim;
  }

  settle(job: ClaimedJob, how: string, claimNext: number): boolean {
    const settlement = settlementOf(job, how, this.now);
    const { settled, next } = this.run({ kind: 'settle', settlement, next: this.request(claimNext) });
    const isOver = settlement.kind === 'waiting' && this.now >= (this.expiresAt.get(job.id) ?? 0);
    if (settled && (settlement.kind === 'finished' || isOver)) {
      assert.ok(!this.ended.has(job.id), 'no job ends twice');
      this.ended.add(job.id);
    }
    this.take(next);
    return settled;
  }

  step(happened: Step): void {
    switch (happened.kind) {
      case 'insert':
        this.insert(LANES[happened.lane] as Lane, happened.claim);
        return;
      case 'claim':
        this.take(
          this.run({
            kind: 'claim',
            lane: LANES[happened.lane] as Lane,
            request: this.request(happened.count),
          }),
        );
        return;
      case 'settle': {
        const job = this.claims[this.claims.length - 1 - happened.which];
        if (job) this.settle(job, happened.how, happened.claimNext);
        return;
      }
      case 'pass':
        this.now += happened.ms;
        return;
      case 'rescue':
        this.run({ kind: 'rescue', now: this.times, limit: 5 });
        return;
      case 'expire':
        this.expire();
        return;
      case 'crash':
        this.run({ kind: 'recover', now: this.times, longest: LONGEST });
        return;
      case 'renew':
        this.run({ kind: 'extendLeases', leases: this.claims.slice(-5), expiresAt: this.now + LEASE_MS });
        return;
      case 'fail':
        this.fail();
        return;
    }
  }

  expire(): void {
    const done = this.writer.run([{ kind: 'expire', now: this.times, limit: 5 }]);
    for (const id of done.changed) {
      assert.ok(!this.ended.has(id), 'no job ends twice');
      this.ended.add(id);
    }
  }

  /** A batch that does a lot and then fails as a whole: nothing of it may stay, in the store or in what the writer knows. */
  fail(): void {
    const job = this.newJob(LANES[0] as Lane, true);
    const claims = LANES.map((lane): Operation => ({ kind: 'claim', lane, request: this.request(2) }));
    const insert: Operation = { kind: 'insert', jobs: [job], limits: this.limits };
    const again: Operation = { kind: 'insert', jobs: [job], limits: this.limits };
    const settles = this.claims.slice(-2).map(
      (claimed): Operation => ({
        kind: 'settle',
        settlement: settlementOf(claimed, 'down', this.now),
        next: this.request(1),
      }),
    );
    // The same id twice breaks the store's own rule, in the last operation.
    assert.throws(() => this.writer.run([...claims, ...settles, insert, again]));
  }

  /** The destination is well and time passes: everything must come to its end. */
  drain(): void {
    for (let turn = 0; this.ended.size < this.accepted.length; turn += 1) {
      assert.ok(turn < 500, `stuck: ${this.accepted.length - this.ended.size} jobs do not end`);
      this.now += LEASE_MS;
      this.run({ kind: 'rescue', now: this.times, limit: 100 });
      for (const { lane } of this.run({ kind: 'busyLanes', now: this.now })) {
        const { jobs } = this.take(this.run({ kind: 'claim', lane, request: this.request(5) }));
        for (const job of jobs) assert.ok(this.settle(job, 'delivered', 0));
      }
    }
  }
}

const FAILURE: JobResult = { kind: 'failure', failure: { code: 'timeout', detail: '' } };

function settlementOf(job: ClaimedJob, how: string, now: number): Settlement {
  const attempt: Attempt = {
    number: job.attempts + 1,
    startedAt: now,
    endedAt: now,
    ...UNSEEN,
    status: null,
    error: null,
  };
  const of = { id: job.id, lane: job.lane, lease: job.lease, attempt, result: FAILURE };
  const failuresBefore = job.laneFailures;
  const up: LaneReport = { kind: 'up', failuresBefore };
  const waiting = {
    kind: 'waiting',
    nextAttemptAt: now + 500,
    lastError: { code: 'timeout', detail: '' },
  } as const;
  switch (how) {
    case 'delivered':
    case 'given up':
      return { ...of, kind: 'finished', state: how === 'delivered' ? how : 'undeliverable', laneReport: up };
    case 'down': {
      const pausedUntil = now + 700;
      return {
        ...of,
        ...waiting,
        returnsWithLane: true,
        laneReport: { kind: 'down', failuresBefore, pausedUntil },
      };
    }
    case 'indigestible':
      return { ...of, ...waiting, returnsWithLane: false, laneReport: up };
    default:
      return { ...of, kind: 'released', attempt: null };
  }
}

it('whatever happens to a store, no job is lost, none ends twice, and all come to their end in order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const bench = new Bench();
      try {
        for (const happened of steps) bench.step(happened);
        bench.drain();
        const order = bench.accepted.filter((id) => [...bench.firstClaims.values()].flat().includes(id));
        for (const claimed of bench.firstClaims.values()) {
          assert.deepEqual(
            claimed,
            order.filter((id) => claimed.includes(id)),
            'first attempts leave in the order of acceptance',
          );
        }
      } finally {
        bench.writer.close();
      }
    }),
    { numRuns: 300 },
  );
});
