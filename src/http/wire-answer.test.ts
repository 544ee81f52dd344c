import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { ExportJob, Failure, JobResult } from '../export/job.ts';
import { BATCH_ANSWER_LENGTH_MAX, BatchAnswer, exportAnswer, wireState } from './wire-answer.ts';

const JOB: ExportJob = {
  id: '018f0000-0000-7000-8000-000000000001',
  lane: { client: 'app', destination: 'https://receiver.example/in' },
  state: 'queued',
  dataBytes: 2,
  attemptsMax: 9,
  attempts: 0,
  attemptsSpent: 0,
  acceptedAt: 0,
  nextAttemptAt: null,
  lastError: null,
  finishedAt: null,
  result: null,
};

const CLOCK = new ManualClock(Date.parse('2026-03-01T12:00:00Z'));

function finished(result: JobResult): string {
  return exportAnswer({ ...JOB, state: 'undeliverable', attempts: 9, finishedAt: 1, result }, CLOCK);
}

describe('the state an app sees', () => {
  const cases: [state: ExportJob['state'], attempts: number, seen: string][] = [
    ['queued', 0, 'Pending'],
    ['queued', 1, 'Processing'],
    ['sending', 1, 'Processing'],
    ['waiting', 1, 'Processing'],
    ['delivered', 1, 'Finished'],
    ['undeliverable', 0, 'Finished'],
  ];
  for (const [state, attempts, seen] of cases) {
    it(`is ${seen} for a job that is ${state} after ${attempts} attempts`, () => {
      assert.equal(wireState({ ...JOB, state, attempts }), seen);
    });
  }
});

describe('the answer', () => {
  it('has its members in the order of the original, and nothing more', () => {
    assert.equal(exportAnswer(JOB, CLOCK), `{"id":"${JOB.id}","state":"Pending","ext_response":{}}`);
    assert.equal(
      finished({ kind: 'answer', answer: { status: 418, body: '"\n', truncated: false } }),
      `{"id":"${JOB.id}","state":"Finished","ext_response":{"status":"418 I'm a teapot (RFC 2324)","body":"\\"\\n"}}`,
    );
  });

  it('says when the body was cut', () => {
    const text = finished({ kind: 'answer', answer: { status: 299, body: 'x', truncated: true } });
    assert.ok(text.endsWith('"ext_response":{"status":"299","body":"x","truncated":true}}'), text);
  });

  const failures: [code: Failure['code'], status: string][] = [
    ['timeout', '504 Gateway Timeout'],
    ['dns_failed', '502 Bad Gateway'],
    ['connection_failed', '502 Bad Gateway'],
    ['tls_failed', '502 Bad Gateway'],
    ['malformed_response', '502 Bad Gateway'],
    ['address_refused', '403 Forbidden'],
  ];
  for (const [code, status] of failures) {
    it(`says ${status} for ${code}, with the error that only we can have written`, () => {
      const { ext_response } = JSON.parse(finished({ kind: 'failure', failure: { code, detail: 'Why.' } }));
      assert.deepEqual(ext_response, { status, body: '', error: { code, detail: 'Why.' } });
    });
  }

  it('tells how the tries went while another one is due, and at no other time', () => {
    const tried: ExportJob = {
      ...JOB,
      attempts: 2,
      nextAttemptAt: Date.parse('2026-03-01T12:00:30Z'),
      lastError: { code: 'http_status', detail: 'The destination answered 503.' },
    };
    const waiting = JSON.parse(exportAnswer({ ...tried, state: 'waiting' }, CLOCK));
    assert.deepEqual(waiting, {
      id: JOB.id,
      state: 'Processing',
      ext_response: {},
      attempts: 2,
      next_attempt_at: '2026-03-01T12:00:30.000Z',
      last_error: { code: 'http_status', detail: 'The destination answered 503.' },
    });
    for (const state of ['sending', 'queued'] as const) {
      assert.deepEqual(Object.keys(JSON.parse(exportAnswer({ ...tried, state }, CLOCK))), [
        'id',
        'state',
        'ext_response',
      ]);
    }
  });

  it('tells the time of the next try by the clock on the wall, also after that was set', () => {
    const clock = new ManualClock(1_000);
    clock.jump(Date.parse('2026-03-01T12:00:00Z') - 1_000);
    const lastError = { code: 'timeout', detail: 'slow' } as const;
    const job: ExportJob = { ...JOB, state: 'waiting', attempts: 1, nextAttemptAt: 31_000, lastError };
    assert.equal(JSON.parse(exportAnswer(job, clock)).next_attempt_at, '2026-03-01T12:00:30.000Z');
  });

  it('to a batch is an array', () => {
    const batch = new BatchAnswer(CLOCK);
    assert.equal(batch.text, '[]');
    batch.add([JOB]);
    batch.add([JOB]);
    assert.equal(batch.text, `[${exportAnswer(JOB, CLOCK)},${exportAnswer(JOB, CLOCK)}]`);
  });

  it('to a batch is only so long, however its results look when written as JSON', () => {
    const answer = { status: 200, body: '\u0001'.repeat(65_536), truncated: true };
    const job: ExportJob = { ...JOB, state: 'delivered', finishedAt: 1, result: { kind: 'answer', answer } };
    const fit = Math.floor(BATCH_ANSWER_LENGTH_MAX / exportAnswer(job, CLOCK).length);
    new BatchAnswer(CLOCK).add(Array.from({ length: fit }, () => job));
    assert.throws(() => new BatchAnswer(CLOCK).add(Array.from({ length: 1_000 }, () => job)), {
      code: 'invalid_request',
      element: fit,
    });
  });
});
