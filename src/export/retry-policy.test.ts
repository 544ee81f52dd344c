import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AttemptOutcome } from './job.ts';
import { attemptError, isRetriedStatus, judgeAttempt, retryDelayMs } from './retry-policy.ts';

const POLICY = { retryBaseMs: 5_000 };
const NOW = Date.UTC(2026, 0, 1);
const MIDDLE = 0.5;
const HOUR = 3_600_000;

function answered(status: number, retryAfterMs: number | null = null): AttemptOutcome {
  return { kind: 'answered', answer: { status, body: 'b', truncated: false }, retryAfterMs };
}

describe('which answers are tried again', () => {
  it('408, 425, 429 and 5xx other than 501 and 505, and no others', () => {
    const retried = Array.from({ length: 1_000 }, (_, status) => status).filter(isRetriedStatus);
    const fiveHundreds = Array.from({ length: 100 }, (_, n) => 500 + n).filter((s) => s !== 501 && s !== 505);
    assert.deepEqual(retried, [408, 425, 429, ...fiveHundreds]);
  });
});

describe('how long the wait is', () => {
  it('follows the schedule, and stays at its last step', () => {
    const waits = Array.from({ length: 11 }, (_, n) => retryDelayMs(n + 1, POLICY, MIDDLE, null));
    const [s, m] = [1_000, 60_000];
    assert.deepEqual(waits, [
      5 * s,
      30 * s,
      2 * m,
      10 * m,
      30 * m,
      2 * HOUR,
      5 * HOUR,
      10 * HOUR,
      10 * HOUR,
      10 * HOUR,
      10 * HOUR,
    ]);
  });

  it('lies within 20 % around the schedule', () => {
    assert.equal(retryDelayMs(1, POLICY, 0, null), 4_000);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (random) => {
        const wait = retryDelayMs(1, POLICY, random, null);
        return wait >= 4_000 && wait <= 6_000;
      }),
    );
  });

  it('is scaled by the base', () => {
    assert.equal(retryDelayMs(2, { retryBaseMs: 10 }, MIDDLE, null), 60);
  });

  it('is the longer one of the schedule and Retry-After, and a day at most', () => {
    assert.equal(retryDelayMs(1, POLICY, MIDDLE, 4_000), 5_000);
    assert.equal(retryDelayMs(1, POLICY, MIDDLE, 90_000), 90_000);
    assert.equal(retryDelayMs(1, POLICY, MIDDLE, 400 * HOUR), 24 * HOUR);
  });
});

describe('what an attempt makes of its job', () => {
  const fresh = { attemptsMax: 3, attemptsSpent: 0 };
  const last = { attemptsMax: 3, attemptsSpent: 2 };
  const failed: AttemptOutcome = { kind: 'failed', failure: { code: 'timeout', detail: 'slow' } };
  const judge = (job: typeof fresh, outcome: AttemptOutcome) =>
    judgeAttempt(job, outcome, POLICY, NOW, MIDDLE);

  it('an answer that is not tried again ends it as delivered, whatever its status', () => {
    for (const status of [200, 204, 302, 400, 404, 501, 505]) {
      const verdict = judge(fresh, answered(status));
      assert.equal(verdict.kind === 'finished' && verdict.state, 'delivered', String(status));
    }
  });

  it('an answer that is tried again, or a failure, waits while attempts are left', () => {
    assert.deepEqual(judge(fresh, answered(503)), {
      kind: 'waiting',
      nextAttemptAt: NOW + 5_000,
      lastError: { code: 'http_status', detail: 'The destination answered 503.' },
    });
    assert.deepEqual(judge(fresh, failed), {
      kind: 'waiting',
      nextAttemptAt: NOW + 5_000,
      lastError: { code: 'timeout', detail: 'slow' },
    });
  });

  it('with the last attempt spent, the last outcome is the result', () => {
    const refused = judge(last, failed);
    assert.deepEqual(refused, {
      kind: 'finished',
      state: 'undeliverable',
      result: { kind: 'failure', failure: { code: 'timeout', detail: 'slow' } },
    });
    const unavailable = judge(last, answered(503));
    assert.equal(unavailable.kind === 'finished' && unavailable.result.kind, 'answer');
    assert.equal(unavailable.kind === 'finished' && unavailable.state, 'undeliverable');
  });

  it('at attempts_max 1 the first failure is the end', () => {
    assert.equal(judge({ attemptsMax: 1, attemptsSpent: 0 }, failed).kind, 'finished');
  });

  it('a refused address ends it at once, with attempts left', () => {
    const outcome: AttemptOutcome = {
      kind: 'refused',
      failure: { code: 'address_refused', detail: 'private' },
    };
    assert.equal(judge(fresh, outcome).kind, 'finished');
  });

  it('a stop of ours spends nothing, also at the last attempt', () => {
    for (const sent of [true, false])
      assert.deepEqual(judge(last, { kind: 'stopped', sent }), { kind: 'released' });
  });

  it('is kept with the error it had, and with none when it ended well', () => {
    assert.equal(attemptError(answered(200)), null);
    assert.equal(attemptError(answered(503))?.code, 'http_status');
    assert.equal(attemptError(failed)?.code, 'timeout');
    assert.equal(attemptError({ kind: 'stopped', sent: true })?.code, 'answer_unknown');
  });
});
