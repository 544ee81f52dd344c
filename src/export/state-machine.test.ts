import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Attempt, isFinal, type JobResult, UNSEEN } from './job.ts';
import type { Settlement } from './job-store.ts';
import { NO_REPORT } from './lane-health.ts';
import {
  accept,
  claim,
  expire,
  type Progress,
  requestCancel,
  rescue,
  settle,
  stop,
  TRANSITIONS,
} from './state-machine.ts';

const RESULT: JobResult = { kind: 'failure', failure: { code: 'timeout', detail: 'slow' } };
const ATTEMPT: Attempt = { number: 1, startedAt: 0, endedAt: 7, ...UNSEEN, status: null, error: null };

function settlement(kind: Settlement['kind'], lease: number, isDelivered = true): Settlement {
  const of = { id: 'x', lane: { client: '', destination: '' }, lease, attempt: ATTEMPT };
  const how = { result: RESULT, laneReport: NO_REPORT };
  switch (kind) {
    case 'finished':
      return { ...of, ...how, kind, state: isDelivered ? 'delivered' : 'undeliverable' };
    case 'waiting':
      return {
        ...of,
        ...how,
        kind,
        nextAttemptAt: 9,
        returnsWithLane: true,
        lastError: { code: 'timeout', detail: 'slow' },
      };
    case 'released':
      return { ...of, kind };
  }
}

/** The wall clock was set. */
const AT = { wall: 7, steady: 3 };

/** Things that may happen to a job, in any order; `lease` may be an old one. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('claim' as const), lease: fc.integer({ min: 1, max: 5 }) }),
  fc.record({
    kind: fc.constant('settle' as const),
    lease: fc.integer({ min: 1, max: 5 }),
    how: fc.constantFrom<Settlement['kind']>('finished', 'waiting', 'released'),
    isDelivered: fc.boolean(),
  }),
  fc.record({ kind: fc.constantFrom('rescue', 'expire', 'block', 'cancel') }),
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** What the event makes of the job; the same job when it has no business with it. */
function after(job: Progress, happened: Event): Progress {
  const { state } = job;
  switch (happened.kind) {
    case 'claim': {
      if (state !== 'queued' && state !== 'waiting') return job;
      return claim(job, { lease: happened.lease, leaseExpiresAt: 1, claimedAt: 0 });
    }
    case 'settle':
      return settle(job, settlement(happened.how, happened.lease, happened.isDelivered), AT.steady) ?? job;
    case 'rescue':
      return state === 'sending' ? rescue(job).progress : job;
    case 'expire':
      return state === 'queued' || state === 'waiting' ? expire(job, AT) : job;
    case 'block':
      return state === 'queued' || state === 'waiting' ? stop(job, 'block', AT) : job;
    case 'cancel':
      if (state === 'sending') return requestCancel(job);
      return isFinal(state) ? job : stop(job, 'cancel', AT);
  }
}

/** What holds in every state that a job can get into. */
function assertSound(job: Progress): void {
  assert.equal(job.lease !== null, job.state === 'sending', 'a lease, exactly while it is sent');
  assert.equal(job.leaseExpiresAt !== null, job.state === 'sending');
  assert.equal(job.nextAttemptAt !== null, job.state === 'waiting', 'a next time, exactly while it waits');
  assert.equal(job.finishedAt !== null, isFinal(job.state), 'an end, exactly when it has ended');
  assert.equal(job.keptSince, isFinal(job.state) ? AT.steady : null, 'kept from its end on, by steady time');
  if (isFinal(job.state)) assert.notEqual(job.result, null, 'no end without a result');
  assert.ok(job.attemptsSpent <= job.attempts, 'nothing is spent that was not made');
  const isMovedOn = Object.values(TRANSITIONS).some(({ from }) =>
    (from as readonly string[]).includes(job.state),
  );
  assert.equal(isMovedOn, !isFinal(job.state), 'something moves on whatever has not ended');
}

describe('the state machine', () => {
  it('no sequence of events ends a job twice, or leaves it in a state that nothing moves on', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let job = accept();
        for (const happened of events) {
          const next = after(job, happened);
          assertSound(next);
          if (isFinal(job.state)) assert.equal(next, job, 'the end is the end');
          assert.ok(next.attempts - job.attempts <= 1);
          job = next;
        }
      }),
    );
  });

  it('whatever happened, claiming and settling brings a job to its end', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let job = events.reduce(after, accept());
        if (job.state === 'sending') job = rescue(job).progress;
        if (!isFinal(job.state)) {
          job = claim(job, { lease: 9, leaseExpiresAt: 1, claimedAt: 0 });
          job = settle(job, settlement('finished', 9), AT.steady) ?? job;
        }
        assert.ok(isFinal(job.state));
      }),
    );
  });

  it('a settle with another lease than the present one is nothing', () => {
    const sending = claim(accept(), { lease: 1, leaseExpiresAt: 1, claimedAt: 0 });
    assert.equal(settle(sending, settlement('finished', 2), AT.steady), null);
    const released = settle(sending, settlement('released', 1), AT.steady);
    assert.ok(released);
    assert.equal(settle(released, settlement('finished', 1), AT.steady), null);
  });

  it('only attempts that ended by themselves are spent', () => {
    const sending = claim(accept(), { lease: 1, leaseExpiresAt: 1, claimedAt: 0 });
    const counts = (job: Progress | null) => [job?.attempts, job?.attemptsSpent];
    assert.deepEqual(counts(settle(sending, settlement('waiting', 1), AT.steady)), [1, 1]);
    assert.deepEqual(counts(settle(sending, settlement('finished', 1), AT.steady)), [1, 1]);
    assert.deepEqual(counts(rescue(sending).progress), [1, 0]);
    assert.deepEqual(counts(settle(sending, settlement('released', 1), AT.steady)), [1, 0]);
    const unsent = { ...settlement('released', 1), attempt: null } as Settlement;
    assert.deepEqual(counts(settle(sending, unsent, AT.steady)), [0, 0]);
  });

  it('a transition that the machine does not have is our own mistake', () => {
    const ended = expire(accept(), AT);
    assert.throws(() => claim(ended, { lease: 1, leaseExpiresAt: 1, claimedAt: 0 }), /cannot claim/);
    assert.throws(() => rescue(accept()), /cannot rescue/);
  });

  it('the owner stops what is not being sent, and nothing that has ended', () => {
    const sending = claim(accept(), { lease: 1, leaseExpiresAt: 1, claimedAt: 0 });
    assert.throws(() => stop(sending, 'block', AT), /cannot block/);
    assert.throws(() => stop(expire(accept(), AT), 'cancel', AT), /cannot cancel/);
    assert.throws(() => requestCancel(accept()), /cancelled at once/);
    const failed = settle(sending, settlement('waiting', 1), AT.steady);
    const stopped = stop(failed ?? accept(), 'block', AT);
    const { result } = stopped;
    assert.equal(result?.kind === 'failure' && result.failure.code, 'blocked_by_owner');
  });

  it('docs/state-machine.md tells of every transition, from where to where', () => {
    const page = readFileSync(new URL('../../docs/state-machine.md', import.meta.url), 'utf8');
    for (const [name, { from, to }] of Object.entries(TRANSITIONS)) {
      const states = from.length === 0 ? '—' : from.map((state) => `\`${state}\``).join(', ');
      assert.ok(page.includes(`| \`${name}\` | ${states} | \`${to}\` |`), name);
    }
  });
});
