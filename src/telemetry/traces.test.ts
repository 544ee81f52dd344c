import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { UsageError } from '../config.ts';
import type { Attempt, ExportJob } from '../export/job.ts';
import type { ClaimedJob } from '../export/job-store.ts';
import { TRACED_MAX, Traces } from './traces.ts';
import { wantsTraces } from './traces-wanted.ts';

const NOW = Date.UTC(2026, 0, 1);
const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
const TRACE_PARENT = `00-${TRACE_ID}-${SPAN_ID}-01`;
const LANE = { client: 's3cret-app', destination: 'https://user:s3cret@a.example/s3cret?s3cret' };

class Fixture {
  readonly clock = new ManualClock(NOW);
  readonly spans: ReadableSpan[] = [];
  readonly errors: unknown[] = [];
  failure: Error | null = null;
  readonly traces: Traces;

  constructor() {
    const exporter: SpanExporter = {
      export: (spans, onResult) => {
        this.spans.push(...spans);
        onResult(this.failure === null ? { code: 0 } : { code: 1, error: this.failure });
      },
      shutdown: async () => {},
    };
    const onError = (error: unknown): number => this.errors.push(error);
    this.traces = new Traces({ clock: this.clock, version: '1.2.3', onError, exporter });
  }

  accept(id: string, traceParent: string | null = TRACE_PARENT): void {
    const job = { id, lane: LANE, dataBytes: 6 } as ExportJob;
    this.traces.accepted([job], { askedAt: this.clock.now() - 4, traceParent });
  }

  attempt(id: string, fields: Partial<Attempt> = {}): void {
    const startedAt = this.clock.now();
    const far = { address: '192.0.2.1', tlsFingerprint: null, bytes: 6, status: 200, error: null };
    const attempt = { number: 1, startedAt, endedAt: startedAt + 50, ...far, ...fields };
    const settlement = attempt.error === null ? 'finished' : 'waiting';
    const timing = { totalMs: 50, phases: { connect: 10, wait: 35, body: 5 } };
    this.traces.attempted({ id, lane: LANE } as ClaimedJob, attempt, settlement, timing);
  }

  async sent(): Promise<readonly ReadableSpan[]> {
    await this.traces[Symbol.asyncDispose]();
    assert.equal(this.clock.scheduled, 0);
    return this.spans;
  }
}

const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1_000 + nanos / 1e6 - NOW;

it('an export is a part of the trace of its app: acceptance, waits and attempts', async () => {
  const fixture = new Fixture();
  fixture.accept('one');
  fixture.clock.advance(100);
  fixture.attempt('one', { status: 503, error: { code: 'http_status', detail: 's3cret' } });
  fixture.clock.advance(5_050);
  fixture.attempt('one', { number: 2 });
  fixture.traces.ended({ id: 'one' } as never);
  const spans = await fixture.sent();
  const accept = spans[0];
  assert.deepEqual(
    spans.map((span) => [span.name, ms(span.startTime), ms(span.endTime), span.parentSpanContext?.spanId]),
    [
      ['export accept', -4, 0, SPAN_ID],
      ['export queue', 0, 100, accept?.spanContext().spanId],
      ['export attempt', 100, 150, accept?.spanContext().spanId],
      ['export queue', 150, 5_150, accept?.spanContext().spanId],
      ['export attempt', 5_150, 5_200, accept?.spanContext().spanId],
    ],
  );
  for (const span of spans) {
    assert.equal(span.spanContext().traceId, TRACE_ID);
    assert.equal(span.attributes['export.id'], 'one');
    assert.equal(span.attributes['export.destination.origin'], 'https://a.example');
  }
  const [failed, delivered] = [spans[2], spans[4]];
  assert.deepEqual(
    [failed?.status.code, failed?.attributes['error.type'], failed?.attributes['export.settlement']],
    [2, 'http_status', 'waiting'],
  );
  assert.deepEqual([delivered?.status.code, delivered?.attributes['http.response.status_code']], [0, 200]);
  assert.deepEqual(
    delivered?.events.map(({ name, time }) => [name, ms(time)]),
    [
      ['connect', 5_150],
      ['wait', 5_160],
      ['body', 5_195],
    ],
  );
});

it('no span holds an app, a payload, a password, a path or a query', async () => {
  const fixture = new Fixture();
  fixture.accept('one');
  fixture.attempt('one', { error: { code: 'timeout', detail: 's3cret' } });
  const said = (await fixture.sent()).map(({ name, attributes, events, status }) => ({
    name,
    attributes,
    events,
    status,
  }));
  assert.equal(said.length, 3);
  assert.doesNotMatch(JSON.stringify(said), /s3cret|user/);
});

describe('a traceparent', () => {
  it('that is none, or names nothing, begins a trace of its own', async () => {
    for (const traceParent of [
      null,
      '',
      'nonsense',
      `ff-${TRACE_ID}-${SPAN_ID}-01`,
      `00-${'0'.repeat(32)}-${SPAN_ID}-01`,
      `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
      `00-${TRACE_ID}-${SPAN_ID}-01-more`,
      `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`,
      `${TRACE_PARENT}, ${TRACE_PARENT}`,
    ]) {
      const fixture = new Fixture();
      fixture.accept('one', traceParent);
      const [span] = await fixture.sent();
      assert.equal(span?.parentSpanContext, undefined, `${traceParent}`);
    }
  });

  it('of a later version is read as far as it is known', async () => {
    const fixture = new Fixture();
    fixture.accept('one', `01-${TRACE_ID}-${SPAN_ID}-01-more`);
    assert.equal((await fixture.sent())[0]?.spanContext().traceId, TRACE_ID);
  });

  it('that is not sampled is heeded: nothing of it is sent', async () => {
    const fixture = new Fixture();
    fixture.accept('one', `00-${TRACE_ID}-${SPAN_ID}-00`);
    fixture.attempt('one');
    assert.deepEqual(await fixture.sent(), []);
  });
});

it('of more exports than may be remembered, the oldest is forgotten, and its attempts begin a new trace', async () => {
  const fixture = new Fixture();
  for (let index = 0; index <= TRACED_MAX; index += 1)
    fixture.accept(`${index}`, `${TRACE_PARENT.slice(0, -1)}0`);
  fixture.attempt('0');
  fixture.attempt('1');
  const spans = await fixture.sent();
  // The trace of '1' is known, and not sampled.
  assert.deepEqual(
    spans.map(({ name, attributes }) => [name, attributes['export.id']]),
    [['export attempt', '0']],
  );
  assert.notEqual(spans[0]?.spanContext().traceId, TRACE_ID);
});

it('a collector that takes nothing is told of once in ten minutes', async () => {
  const fixture = new Fixture();
  fixture.failure = new Error('nobody answers');
  fixture.accept('one');
  await fixture.sent();
  assert.deepEqual(fixture.errors, [fixture.failure]);
});

describe('traces are wanted', () => {
  const OTLP = 'http://127.0.0.1:4318';
  it('when an endpoint is set, and nothing turns them off', () => {
    assert.equal(wantsTraces({}), false);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: '' }), false);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: OTLP }), true);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: OTLP }), true);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: OTLP, OTEL_SDK_DISABLED: 'true' }), false);
    assert.equal(wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: OTLP, OTEL_TRACES_EXPORTER: 'none' }), false);
  });

  it('over HTTP only, to a URL', () => {
    const grpc = { OTEL_EXPORTER_OTLP_ENDPOINT: OTLP, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    assert.throws(() => wantsTraces(grpc), UsageError);
    assert.equal(wantsTraces({ ...grpc, OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }), true);
    assert.throws(() => wantsTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' }), UsageError);
  });
});
