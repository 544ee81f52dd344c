import {
  type Attributes,
  type Context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { Clock } from '../export/clock.ts';
import { ATTEMPT_PHASES, type AttemptTiming } from '../export/deliverer.ts';
import type { Attempt, ExportJob } from '../export/job.ts';
import type { ClaimedJob, EndedJob, Settlement } from '../export/job-store.ts';
import type { ExportObserver, Intake } from '../export/observer.ts';
import { originOf } from './log.ts';

/** Exports whose trace is remembered until their end; of more, the oldest are forgotten, and their attempts begin new traces. */
export const TRACED_MAX = 10_000;
/** How long a stop waits for the last spans to be sent. */
const STOP_MS_MAX = 5_000;
/** How often an operator hears that the collector takes nothing. */
const TOLD_EVERY_MS = 600_000;

const SERVICE_NAME = 'databox-export-service';
/** Version 00 of W3C's Trace Context; a later one may say more after it. */
const TRACE_PARENT = /^(?!ff)([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const NO_MORE = '00';

export interface TracesParts {
  readonly clock: Clock;
  readonly version: string;
  /** Hears that spans could not be sent. */
  readonly onError: (error: unknown) => void;
  /** Left out, to the endpoint of the environment. */
  readonly exporter?: SpanExporter;
}

interface Traced {
  readonly accepted: SpanContext;
  /** Since when it waits to be sent, by the wall clock. */
  waitsSince: number;
}

/**
 * Traces of OpenTelemetry: for each export its acceptance, its waits and its attempts, as parts of the trace of the app that
 * asked for it. Which trace that is, is remembered in memory until the export's end: after a restart of the service an
 * attempt begins a trace of its own. No span says a payload, a token, or more of a destination than its origin.
 */
export class Traces implements ExportObserver, AsyncDisposable {
  readonly #clock: Clock;
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;
  readonly #traced = new Map<string, Traced>();

  constructor({ clock, version, onError, exporter }: TracesParts) {
    this.#clock = clock;
    const own = resourceFromAttributes({ 'service.name': SERVICE_NAME, 'service.version': version });
    const sent = new ToldExporter(exporter ?? new OTLPTraceExporter(), clock, onError);
    this.#provider = new BasicTracerProvider({
      // The environment's attributes and name win.
      resource: own.merge(detectResources({ detectors: [envDetector] })),
      spanProcessors: [new BatchSpanProcessor(sent)],
    });
    this.#tracer = this.#provider.getTracer(SERVICE_NAME, version);
  }

  accepted(jobs: readonly ExportJob[], { askedAt, traceParent }: Intake): void {
    const parent = contextOf(traceParent);
    const now = this.#clock.now();
    for (const { id, lane, dataBytes } of jobs) {
      const attributes = { ...exportAttributes(id, lane.destination), 'export.bytes': dataBytes };
      const span = this.#span('export accept', parent, askedAt, attributes, SpanKind.SERVER);
      span.end(now);
      this.#remember(id, { accepted: span.spanContext(), waitsSince: now });
    }
  }

  attempted(
    { id, lane }: ClaimedJob,
    attempt: Attempt,
    settlement: Settlement['kind'],
    timing: AttemptTiming | null,
  ): void {
    const traced = this.#traced.get(id);
    const parent = traced === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, traced.accepted);
    const attributes = exportAttributes(id, lane.destination);
    if (traced !== undefined) {
      const { waitsSince } = traced;
      this.#span('export queue', parent, waitsSince, attributes).end(Math.max(attempt.startedAt, waitsSince));
      traced.waitsSince = attempt.endedAt;
    }
    this.#attempt(parent, attempt, settlement, timing, attributes);
  }

  ended({ id }: EndedJob): void {
    this.#traced.delete(id);
  }

  /** Sends what there is, for a few seconds at most. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.schedule(STOP_MS_MAX, resolve);
    // What could not be sent was told already.
    await Promise.race([this.#provider.shutdown().catch(() => {}), late]);
    cancel();
  }

  #attempt(
    parent: Context,
    { number, startedAt, endedAt, status, error, bytes }: Attempt,
    settlement: Settlement['kind'],
    timing: AttemptTiming | null,
    attributes: Attributes,
  ): void {
    const span = this.#span('export attempt', parent, startedAt, attributes, SpanKind.CLIENT);
    span.setAttributes({ 'export.attempt': number, 'export.settlement': settlement });
    if (bytes !== null) span.setAttribute('http.request.body.size', bytes);
    if (status !== null) span.setAttribute('http.response.status_code', status);
    if (error !== null) {
      span.setAttribute('error.type', error.code);
      span.setStatus({ code: SpanStatusCode.ERROR });
    }
    let begunAt = startedAt;
    for (const phase of ATTEMPT_PHASES) {
      const ms = timing?.phases[phase];
      if (ms === undefined) continue;
      span.addEvent(phase, { 'export.phase.ms': ms }, begunAt);
      begunAt += ms;
    }
    span.end(endedAt);
  }

  #span(name: string, parent: Context, startTime: number, attributes: Attributes, kind = SpanKind.INTERNAL) {
    return this.#tracer.startSpan(name, { kind, startTime, attributes }, parent);
  }

  #remember(id: string, traced: Traced): void {
    this.#traced.set(id, traced);
    if (this.#traced.size <= TRACED_MAX) return;
    const [oldest] = this.#traced.keys();
    if (oldest !== undefined) this.#traced.delete(oldest);
  }
}

/** What every span says of its export. */
function exportAttributes(id: string, destination: string): Attributes {
  return { 'export.id': id, 'export.destination.origin': originOf(destination) };
}

/** The context that a `traceparent` names; one that cannot be read is ignored, as the specification says. */
function contextOf(traceParent: string | null): Context {
  const [, version, traceId, spanId, flags, more] = TRACE_PARENT.exec(traceParent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || (version === NO_MORE && more !== undefined))
    return ROOT_CONTEXT;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags ?? '0', 16) & 1, isRemote: true };
  return isSpanContextValid(context) ? trace.setSpanContext(ROOT_CONTEXT, context) : ROOT_CONTEXT;
}

/** Tells now and then that spans could not be sent; OpenTelemetry drops them without a word. */
class ToldExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(exporter: SpanExporter, clock: Clock, onError: (error: unknown) => void) {
    this.#exporter = exporter;
    this.#clock = clock;
    this.#onError = onError;
  }

  export(...[spans, onResult]: Parameters<SpanExporter['export']>): void {
    this.#exporter.export(spans, (result) => {
      if (result.code !== 0) this.#tell(result.error);
      onResult(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  #tell(error: unknown): void {
    const now = this.#clock.steady();
    if (now - this.#toldAt < TOLD_EVERY_MS) return;
    this.#toldAt = now;
    this.#onError(error);
  }
}
