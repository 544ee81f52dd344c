import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Cancel, Clock } from '../export/clock.ts';
import { ATTEMPT_PHASES, type AttemptPhase, type AttemptTiming } from '../export/deliverer.ts';
import type { Attempt, ExportJob, FailureCode, FinalState } from '../export/job.ts';
import type { ClaimedJob, CommitObserver, EndedJob, Settlement } from '../export/job-store.ts';
import type { ExportObserver } from '../export/observer.ts';
import { GAUGES, NO_READINGS, type Readings } from './gauges.ts';

export interface MetricsParts {
  readonly clock: Clock;
  /** Every code that a request can be refused with. */
  readonly refusalCodes: readonly string[];
  /** Milliseconds with fractions since any moment; left out, the process's. */
  readonly elapsedMs?: () => number;
}

/** The page that Prometheus reads. */
export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

/** Whoever scrapes more often gets the same page again. */
const PAGE_LIFE_MS = 1_000;
/** How often it is looked whether the event loop is late. */
const DELAY_SAMPLED_EVERY_MS = 100;

const OUTCOMES: readonly FinalState[] = ['delivered', 'undeliverable', 'blocked', 'cancelled'];
const FAILURES: readonly FailureCode[] = [
  'timeout',
  'dns_failed',
  'connection_failed',
  'tls_failed',
  'malformed_response',
  'address_refused',
];
/** What an attempt can come to: a class of status, a failure, or a stop of ours. */
const ATTEMPT_RESULTS = ['2xx', '3xx', '4xx', '5xx', ...FAILURES, 'stopped', 'other'] as const;

/** A commit is a flush of the disk: a fraction of a millisecond, or seconds on a card that is worn out. */
const COMMIT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const COMMIT_OPERATIONS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
/** Up to the default of --attempt-timeout, and beyond. */
const ATTEMPT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** From the next room to --age-max; retries follow after 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 5 h and 10 h. */
const DURATION_SECONDS = [
  0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600, 10_800, 43_200, 86_400, 259_200,
];
const DELAY_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * What Prometheus scrapes. What happens is counted as it happens, which costs 0.1 to 0.2 µs a number; what is, is read when
 * somebody scrapes. No label says an app, a destination or an id, and each has few values, all known beforehand.
 */
export class Metrics implements ExportObserver, CommitObserver, Disposable {
  readonly #registry = new Registry();
  readonly #clock: Clock;
  readonly #elapsedMs: () => number;
  readonly #counters: ReturnType<typeof makeCounters>;
  readonly #histograms: ReturnType<typeof makeHistograms>;
  readonly #gauges: ReadonlyMap<(typeof GAUGES)[number], Gauge>;
  #read: () => Promise<Readings> = async () => NO_READINGS;
  #page: { readonly text: Promise<string>; readonly until: number } | null = null;
  #cancelSample: Cancel = () => {};

  constructor({ clock, refusalCodes, elapsedMs = () => performance.now() }: MetricsParts) {
    this.#clock = clock;
    this.#elapsedMs = elapsedMs;
    const registers = [this.#registry];
    this.#counters = makeCounters(registers, refusalCodes);
    this.#histograms = makeHistograms(registers);
    this.#gauges = new Map(
      GAUGES.map((gauge) => {
        const { name, help, label } = gauge;
        return [gauge, new Gauge({ name, help, labelNames: label === undefined ? [] : [label], registers })];
      }),
    );
  }

  /** Begins to look at the event loop, and to read what is when somebody scrapes. */
  start(read: () => Promise<Readings>): void {
    this.#read = read;
    this.#sampleDelay();
  }

  /** Everything there is, by name. */
  get registry(): Registry {
    return this.#registry;
  }

  /** The page, at most a second old. */
  async page(): Promise<MetricsPage> {
    const now = this.#clock.steady();
    if (this.#page === null || now >= this.#page.until)
      this.#page = { text: this.#render(), until: now + PAGE_LIFE_MS };
    return { contentType: this.#registry.contentType, text: await this.#page.text };
  }

  accepted(jobs: readonly ExportJob[]): void {
    this.#counters.accepted.inc(jobs.length);
    for (const { dataBytes } of jobs) this.#counters.acceptedBytes.inc(dataBytes);
  }

  /** A request was answered with this code. */
  refused(code: string): void {
    this.#counters.refused.get(code)?.inc();
  }

  attempted(
    _job: ClaimedJob,
    attempt: Attempt,
    settlement: Settlement['kind'],
    timing: AttemptTiming | null,
  ): void {
    const result = settlement === 'released' ? 'stopped' : resultOf(attempt);
    (this.#counters.attempts.get(result) ?? this.#counters.attempts.get('other'))?.inc();
    if (settlement === 'waiting') this.#counters.retried.inc();
    if (timing === null) return;
    this.#histograms.attempt.observe(timing.totalMs / 1_000);
    for (const phase of ATTEMPT_PHASES) {
      const ms = timing.phases[phase];
      if (ms !== undefined) this.#histograms.phases[phase].observe(ms / 1_000);
    }
  }

  ended({ state, acceptedAt, finishedAt }: EndedJob): void {
    this.#counters.ended.get(state)?.inc();
    // The wall clock may have been set back meanwhile.
    this.#histograms.duration.observe(Math.max(finishedAt - acceptedAt, 0) / 1_000);
  }

  committed(operations: number, ms: number): void {
    this.#histograms.commit.observe(ms / 1_000);
    this.#histograms.commitOperations.observe(operations);
  }

  commitFailed(): void {
    this.#counters.commitFailures.inc();
  }

  [Symbol.dispose](): void {
    this.#cancelSample();
  }

  #sampleDelay(): void {
    const begunAt = this.#elapsedMs();
    this.#cancelSample = this.#clock.schedule(DELAY_SAMPLED_EVERY_MS, () => {
      const lateMs = this.#elapsedMs() - begunAt - DELAY_SAMPLED_EVERY_MS;
      this.#histograms.delay.observe(Math.max(lateMs, 0) / 1_000);
      this.#sampleDelay();
    });
  }

  /** What cannot be read now is left out of the page, and never the page. */
  async #render(): Promise<string> {
    const readings = await this.#read().catch(() => NO_READINGS);
    for (const [{ label, read }, gauge] of this.#gauges) {
      const value = read(readings);
      if (value === null) leaveOut(gauge, label);
      else if (typeof value === 'number') gauge.set(value);
      else for (const [key, each] of Object.entries(value)) gauge.set({ [label as string]: key }, each);
    }
    return await this.#registry.metrics();
  }
}

/** Reset, a gauge without a label would say 0. */
function leaveOut(gauge: Gauge, label: string | undefined): void {
  if (label === undefined) gauge.remove();
  else gauge.reset();
}

function resultOf({ status, error }: Attempt): string {
  return status === null ? (error?.code ?? 'other') : `${Math.floor(status / 100)}xx`;
}

function makeCounters(registers: Registry[], refusalCodes: readonly string[]) {
  const plain = (name: string, help: string): Counter => new Counter({ name, help, registers });
  /** Each value of the label is there from the start, at 0: what appears with its first event has no rate yet. */
  const labelled = (name: string, help: string, label: string, values: readonly string[]) => {
    const counter = new Counter({ name, help, labelNames: [label], registers });
    return new Map(
      values.map((value) => {
        counter.inc({ [label]: value }, 0);
        return [value, counter.labels({ [label]: value })];
      }),
    );
  };
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time that the process has used, its threads included',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  return {
    accepted: plain('export_accepted_total', 'Exports taken in: they are on disk'),
    acceptedBytes: plain('export_accepted_bytes_total', 'Payload bytes of exports taken in'),
    refused: labelled(
      'export_refused_total',
      'Requests, and frames of WebSockets, that were refused, by the code of the answer',
      'code',
      refusalCodes,
    ),
    ended: labelled(
      'export_ended_total',
      'Exports that ended, by how; delivered: the destination gave an answer that ends it, whatever its status',
      'outcome',
      OUTCOMES,
    ),
    attempts: labelled(
      'export_attempts_total',
      'Attempts, by what came of them: the class of the status, the failure, or stopped by us',
      'result',
      ATTEMPT_RESULTS,
    ),
    retried: plain('export_attempts_retried_total', 'Attempts that failed and that another one is to follow'),
    commitFailures: plain(
      'export_commit_failures_total',
      'Commits that the store could not make: its disk is full, or broken',
    ),
  };
}

function makeHistograms(registers: Registry[]) {
  const plain = (name: string, help: string, buckets: number[]): Histogram =>
    new Histogram({ name, help, buckets, registers });
  const phases = new Histogram({
    name: 'export_attempt_phase_seconds',
    help: 'The parts of attempts: finding the address, connecting, TLS, waiting for the answer, reading it. Over a connection that was kept there are the last two',
    labelNames: ['phase'],
    buckets: ATTEMPT_SECONDS,
    registers,
  });
  const children = ATTEMPT_PHASES.map((phase) => {
    phases.zero({ phase });
    return [phase, phases.labels({ phase })] as const;
  });
  return {
    duration: plain(
      'export_duration_seconds',
      'From taking an export in to its end, waits and retries included',
      DURATION_SECONDS,
    ),
    attempt: plain(
      'export_attempt_seconds',
      'How long an attempt took, to the end of the answer',
      ATTEMPT_SECONDS,
    ),
    phases: Object.fromEntries(children) as Record<AttemptPhase, Histogram.Internal<'phase'>>,
    commit: plain(
      'export_commit_seconds',
      'How long a commit of the store took, with its flush of the disk',
      COMMIT_SECONDS,
    ),
    commitOperations: plain(
      'export_commit_operations',
      'How many operations shared a commit',
      COMMIT_OPERATIONS,
    ),
    delay: plain(
      'export_event_loop_delay_seconds',
      'How late the event loop was, looked at ten times a second',
      DELAY_SECONDS,
    ),
  };
}
