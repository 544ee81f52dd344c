import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { Attempt, AttemptError, ExportJob } from '../export/job.ts';
import type { ClaimedJob, EndedJob } from '../export/job-store.ts';
import { PROBLEM_KINDS } from '../http/problem.ts';
import { NO_READINGS, type Readings } from './gauges.ts';
import { Metrics } from './metrics.ts';

const READINGS: Readings = {
  version: '9.8.7',
  store: {
    queued: 3,
    sending: 2,
    waiting: 1,
    busyLanes: 4,
    pausedLanes: 1,
    rules: { block: 0, hold: 1, budget: 2 },
    oldestAcceptedAt: 1_000,
    usedBytes: 4_096,
    bytesMax: null,
    diskFreeBytes: 5_000,
    ledgerEntries: 7,
    commitUnderWayMs: 250,
  },
  now: 61_000,
  http: {
    connections: { now: 5, max: 15_000 },
    connectionsQueued: 0,
    webSockets: 1,
    uploadsBytes: { now: 10, max: 100 },
    unreadBytes: { now: 20, max: 200 },
  },
  longPolls: { now: 2, max: 10_000 },
  rootKeys: 1,
  isArbiterConnected: null,
  checkpoints: { besideMs: 0, elsewhereMs: 90_000 },
};

class Fixture implements Disposable {
  readonly clock = new ManualClock();
  /** The fine clock, when it is to say something else than the other. */
  aheadMs = 0;
  readonly metrics = new Metrics({
    clock: this.clock,
    refusalCodes: Object.keys(PROBLEM_KINDS),
    elapsedMs: () => this.clock.steady() + this.aheadMs,
  });
  reads = 0;

  constructor(readings: Readings | Error = READINGS) {
    this.metrics.start(async () => {
      this.reads += 1;
      if (readings instanceof Error) throw readings;
      return readings;
    });
  }

  /** A sample of the page, as text; undefined when it has none of that name. */
  async sample(name: string): Promise<string | undefined> {
    const { text } = await this.metrics.page();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return line?.slice(name.length + 1);
  }

  async expect(samples: Readonly<Record<string, number | undefined>>): Promise<void> {
    for (const [name, value] of Object.entries(samples)) {
      const shown = await this.sample(name);
      assert.equal(shown === undefined ? undefined : Number(shown), value, name);
    }
  }

  [Symbol.dispose](): void {
    this.metrics[Symbol.dispose]();
    assert.equal(this.clock.scheduled, 0);
  }
}

function accepted(fields: Partial<ExportJob> = {}): ExportJob {
  return {
    id: randomUUID(),
    lane: { client: 'app', destination: 'https://a.example/in' },
    state: 'queued',
    dataBytes: 100,
    attemptsMax: 9,
    attempts: 0,
    attemptsSpent: 0,
    acceptedAt: 0,
    nextAttemptAt: null,
    lastError: null,
    finishedAt: null,
    result: null,
    ...fields,
  };
}

function claimed({ id, lane } = accepted()): ClaimedJob {
  const counts = { attemptsMax: 9, attempts: 0, attemptsSpent: 0, laneFailures: 0 };
  return { id, lane, lease: 1, data: new Uint8Array(0), ...counts };
}

function attempt(status: number | null, code: AttemptError['code'] | null = null): Attempt {
  const error = code === null ? null : { code, detail: '' };
  const far = { address: null, tlsFingerprint: null, bytes: 0 };
  return { number: 1, startedAt: 0, endedAt: 5, ...far, status, error };
}

function ended(fields: Partial<EndedJob> = {}): EndedJob {
  const { id, lane, dataBytes } = accepted();
  const job = { id, lane, dataBytes, attempts: 1, acceptedAt: 1_000, finishedAt: 3_000 };
  return { ...job, state: 'delivered', status: 200, failure: null, ...fields };
}

describe('what happens', () => {
  it('is counted: taken in, refused, attempted, tried again, ended', async () => {
    using fixture = new Fixture();
    const { metrics } = fixture;
    metrics.accepted([accepted(), accepted({ dataBytes: 11 })]);
    for (const code of ['rate_limited', 'rate_limited', 'store_full']) metrics.refused(code);
    metrics.attempted(claimed(), attempt(204), 'finished', null);
    metrics.attempted(claimed(), attempt(503, 'http_status'), 'waiting', null);
    metrics.attempted(claimed(), attempt(null, 'timeout'), 'waiting', null);
    metrics.attempted(claimed(), attempt(null, 'answer_unknown'), 'released', null);
    metrics.ended(ended());
    metrics.ended(ended({ state: 'blocked' }));
    metrics.commitFailed();
    await fixture.expect({
      export_accepted_total: 2,
      export_accepted_bytes_total: 111,
      'export_refused_total{code="rate_limited"}': 2,
      'export_refused_total{code="store_full"}': 1,
      'export_refused_total{code="missing_token"}': 0,
      'export_attempts_total{result="2xx"}': 1,
      'export_attempts_total{result="5xx"}': 1,
      'export_attempts_total{result="timeout"}': 1,
      'export_attempts_total{result="stopped"}': 1,
      export_attempts_retried_total: 2,
      'export_ended_total{outcome="delivered"}': 1,
      'export_ended_total{outcome="blocked"}': 1,
      'export_ended_total{outcome="cancelled"}': 0,
      export_duration_seconds_sum: 4,
      export_commit_failures_total: 1,
    });
  });

  it('has its time measured, an attempt by its phases', async () => {
    using fixture = new Fixture();
    const phases = { connect: 20, tls: 30, wait: 900 };
    fixture.metrics.attempted(claimed(), attempt(200), 'finished', { totalMs: 1_000, phases });
    fixture.metrics.committed(3, 7);
    await fixture.expect({
      export_attempt_seconds_sum: 1,
      'export_attempt_seconds_bucket{le="0.5"}': 0,
      'export_attempt_seconds_bucket{le="1"}': 1,
      'export_attempt_phase_seconds_sum{phase="tls"}': 0.03,
      'export_attempt_phase_seconds_sum{phase="wait"}': 0.9,
      'export_attempt_phase_seconds_count{phase="dns"}': 0,
      'export_commit_seconds_bucket{le="0.005"}': 0,
      'export_commit_seconds_bucket{le="0.01"}': 1,
      'export_commit_operations_bucket{le="2"}': 0,
      'export_commit_operations_bucket{le="4"}': 1,
    });
  });

  it('takes no less than no time when the wall clock was set back', async () => {
    using fixture = new Fixture();
    fixture.metrics.ended(ended({ acceptedAt: 5_000, finishedAt: 1_000 }));
    await fixture.expect({ export_duration_seconds_sum: 0, export_duration_seconds_count: 1 });
  });

  it('shows a late event loop by how late it was', async () => {
    using fixture = new Fixture();
    fixture.clock.advance(100);
    fixture.aheadMs = 300;
    fixture.clock.advance(100);
    await fixture.expect({
      export_event_loop_delay_seconds_count: 2,
      export_event_loop_delay_seconds_sum: 0.3,
      'export_event_loop_delay_seconds_bucket{le="0.001"}': 1,
      'export_event_loop_delay_seconds_bucket{le="0.25"}': 1,
      'export_event_loop_delay_seconds_bucket{le="0.5"}': 2,
    });
  });
});

describe('what is', () => {
  it('is read when somebody scrapes', async () => {
    using fixture = new Fixture();
    assert.equal(fixture.reads, 0);
    await fixture.expect({
      'export_unfinished{state="queued"}': 3,
      'export_unfinished{state="waiting"}': 1,
      export_oldest_unfinished_seconds: 60,
      export_lanes_paused: 1,
      'export_rules{kind="hold"}': 1,
      export_store_used_bytes: 4_096,
      export_store_limit_bytes: undefined,
      export_commit_under_way_seconds: 0.25,
      'export_checkpoint_behind_seconds{place="elsewhere"}': 90,
      export_arbiter_connected: undefined,
      export_root_keys: 1,
      export_connections_open: 5,
      export_connections_limit: 15_000,
      export_long_polls_limit: 10_000,
      export_uploads_limit_bytes: 100,
      'export_build_info{version="9.8.7"}': 1,
    });
  });

  it('is read once a second at most, however many scrape', async () => {
    using fixture = new Fixture();
    await Promise.all(Array.from({ length: 100 }, () => fixture.metrics.page()));
    fixture.clock.advance(999);
    await fixture.metrics.page();
    assert.equal(fixture.reads, 1);
    fixture.clock.advance(1);
    await fixture.metrics.page();
    assert.equal(fixture.reads, 2);
  });

  it('is left out while it cannot be read, and what was counted is there', async () => {
    const broken: Readings[] = [{ ...READINGS, store: null }, NO_READINGS];
    for (const readings of [...broken, new Error('no')]) {
      using fixture = new Fixture(readings);
      await fixture.expect({
        'export_unfinished{state="queued"}': undefined,
        export_oldest_unfinished_seconds: undefined,
        'export_rules{kind="hold"}': undefined,
        export_accepted_total: 0,
      });
    }
  });

  it('of a queue that is empty the oldest is 0 seconds old', async () => {
    const store = { ...(READINGS.store as NonNullable<Readings['store']>), oldestAcceptedAt: null };
    using fixture = new Fixture({ ...READINGS, store });
    await fixture.expect({ export_oldest_unfinished_seconds: 0 });
  });
});

it('no label grows: whatever apps, destinations, ids and codes come, the page has the lines that it had', async () => {
  using fixture = new Fixture();
  const { metrics } = fixture;
  const before = namesOf((await metrics.page()).text);
  for (let index = 0; index < 1_000; index += 1) {
    const job = accepted({
      lane: { client: `app-${index}`, destination: `https://${index}.example/s3cret` },
    });
    metrics.accepted([job]);
    metrics.refused(`invented_${index}`);
    metrics.attempted(claimed(job), attempt(index), 'finished', null);
    metrics.ended(ended({ id: job.id, lane: job.lane, status: index }));
  }
  fixture.clock.advance(1_000);
  const { text } = await metrics.page();
  assert.deepEqual(namesOf(text), before);
  assert.doesNotMatch(text, /example|app-|invented|s3cret/);
  await fixture.expect({
    // 0 to 199, and from 600.
    'export_attempts_total{result="other"}': 600,
    'export_ended_total{outcome="delivered"}': 1_000,
  });
});

function namesOf(page: string): string[] {
  return page.split('\n').map((line) => (line.startsWith('#') ? line : (line.split(' ')[0] ?? '')));
}
