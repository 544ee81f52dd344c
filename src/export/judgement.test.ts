import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AttemptOutcome } from './job.ts';
import { attemptError, type JudgedJob, judgeAttempt, type Verdict } from './judgement.ts';
import { healthAfter, type LaneReport, NO_REPORT, WELL } from './lane-health.ts';

const POLICY = { retryBaseMs: 5_000 };
const NOW = Date.UTC(2026, 0, 1);
const MIDDLE = 0.5;
const HOUR = 3_600_000;

const fresh: JudgedJob = { attemptsMax: 3, attemptsSpent: 0, laneFailures: 0 };
const last: JudgedJob = { ...fresh, attemptsSpent: 2 };
const failed: AttemptOutcome = { kind: 'failed', failure: { code: 'timeout', detail: 'slow' } };

function answered(status: number, retryAfterMs: number | null = null): AttemptOutcome {
  return { kind: 'answered', answer: { status, body: 'b', truncated: false }, retryAfterMs };
}

function judge(job: JudgedJob, outcome: AttemptOutcome): Verdict {
  return judgeAttempt(job, outcome, POLICY, NOW, MIDDLE);
}

function waiting(verdict: Verdict): Extract<Verdict, { kind: 'waiting' }> {
  assert.equal(verdict.kind, 'waiting');
  return verdict as Extract<Verdict, { kind: 'waiting' }>;
}

function reportOf(verdict: Verdict): LaneReport {
  assert.notEqual(verdict.kind, 'released');
  return verdict.kind === 'released' ? NO_REPORT : verdict.laneReport;
}

describe('what an attempt makes of its job', () => {
  it('an answer that is not tried again ends it as delivered, whatever its status', () => {
    for (const status of [200, 204, 302, 400, 404, 501, 505]) {
      const verdict = judge(fresh, answered(status));
      assert.equal(verdict.kind === 'finished' && verdict.state, 'delivered', String(status));
    }
  });

  it('an answer that is tried again waits while attempts are left, and is kept in case nothing better follows', () => {
    const verdict = waiting(judge(fresh, answered(500)));
    assert.equal(verdict.nextAttemptAt, NOW + 5_000);
    assert.deepEqual(verdict.lastError, { code: 'http_status', detail: 'The destination answered 500.' });
    assert.equal(verdict.result.kind === 'answer' && verdict.result.answer.status, 500);
  });

  it('so does a failure', () => {
    const verdict = waiting(judge(fresh, failed));
    assert.deepEqual(verdict.lastError, { code: 'timeout', detail: 'slow' });
    assert.deepEqual(verdict.result, { kind: 'failure', failure: { code: 'timeout', detail: 'slow' } });
  });

  it('with the last attempt spent, the last outcome is the result', () => {
    const ended = judge(last, failed);
    assert.equal(ended.kind === 'finished' && ended.state, 'undeliverable');
    assert.equal(ended.kind === 'finished' && ended.result.kind, 'failure');
    const unavailable = judge(last, answered(503));
    assert.equal(unavailable.kind === 'finished' && unavailable.state, 'undeliverable');
    assert.equal(unavailable.kind === 'finished' && unavailable.result.kind, 'answer');
  });

  it('at attempts_max 1 the first failure is the end', () => {
    assert.equal(judge({ ...fresh, attemptsMax: 1 }, failed).kind, 'finished');
  });

  it('a refused address ends it at once, with attempts left, and says nothing of the destination', () => {
    const verdict = judge(fresh, {
      kind: 'refused',
      failure: { code: 'address_refused', detail: 'private' },
    });
    assert.equal(verdict.kind, 'finished');
    assert.equal(reportOf(verdict), NO_REPORT);
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

describe('what an attempt says of its destination', () => {
  it('no complete answer, 429, 502, 503 and 504 say that it is down; every other answer, that it is well', () => {
    assert.equal(reportOf(judge(fresh, failed)).kind, 'down');
    for (const status of [429, 502, 503, 504])
      assert.equal(reportOf(judge(fresh, answered(status))).kind, 'down');
    for (const status of [200, 301, 400, 404, 408, 425, 500, 501, 505, 507]) {
      assert.equal(reportOf(judge(fresh, answered(status))).kind, 'up', String(status));
    }
  });

  it('the last attempt of an export says so too', () => {
    assert.equal(reportOf(judge(last, failed)).kind, 'down');
  });

  it('the pause climbs the schedule to 10 minutes', () => {
    const pauses = [0, 1, 2, 3, 4, 99].map((laneFailures) => {
      const report = reportOf(judge({ ...fresh, laneFailures }, failed));
      return report.kind === 'down' && report.pausedUntil - NOW;
    });
    assert.deepEqual(pauses, [5_000, 30_000, 120_000, 600_000, 600_000, 600_000]);
  });

  it('Retry-After prolongs the pause beyond that, and the export then waits for its own time', () => {
    const verdict = waiting(judge(fresh, answered(429, HOUR)));
    assert.deepEqual(verdict.laneReport, { kind: 'down', failuresBefore: 0, pausedUntil: NOW + HOUR });
    assert.equal(verdict.nextAttemptAt, NOW + HOUR);
    assert.equal(verdict.returnsWithLane, false);
  });

  it('an export is not due before its lane is', () => {
    const verdict = waiting(judge({ ...fresh, laneFailures: 3 }, failed));
    assert.equal(verdict.nextAttemptAt, NOW + 600_000);
    assert.equal(verdict.returnsWithLane, true);
  });
});

describe("a lane's health", () => {
  const down = (failuresBefore: number, pausedUntil: number): LaneReport => ({
    kind: 'down',
    failuresBefore,
    pausedUntil,
  });

  it('counts failures in a row and forgets them at the first answer', () => {
    const once = healthAfter(WELL, down(0, 10));
    const twice = healthAfter(once, down(1, 20));
    assert.deepEqual(twice, { failures: 2, pausedUntil: 20 });
    assert.deepEqual(healthAfter(twice, { kind: 'up', failuresBefore: 2 }), WELL);
  });

  it('is not changed by what began before its last change', () => {
    const once = healthAfter(WELL, down(0, 10));
    assert.deepEqual(healthAfter(once, down(0, 99)), once);
    assert.deepEqual(healthAfter(once, { kind: 'up', failuresBefore: 0 }), once);
    assert.deepEqual(healthAfter(once, NO_REPORT), once);
  });
});
