/**
 * Method: a real Prometheus scrapes a real service under load, and answers every query of the dashboard and of the alerts.
 * Where there is none, the tests that need it say so.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { systemClock } from '../../src/export/clock.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { JOB, PACKAGING, Prometheus, whyNoPrometheus } from '../support/prometheus.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { until } from '../support/until.ts';

const why = whyNoPrometheus();
const skip = why ?? false;

/** What Prometheus itself knows of a target. */
const NOT_OURS = new Set(['up']);
/** Only where there is an arbiter. */
const ONLY_IN_A_BOX = /export_arbiter_connected/;

interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(`${PACKAGING}/grafana/dashboard.json`, 'utf8')) as {
  readonly panels: readonly Panel[];
};

/** Each query with what Grafana puts into it. */
function dashboardQueries(): { title: string; expression: string }[] {
  return dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      expression: expr
        .replaceAll('$job', JOB)
        .replaceAll('$instance', '.*')
        .replaceAll('$__rate_interval', '1m'),
    })),
  );
}

function alertsText(): string {
  return readFileSync(`${PACKAGING}/prometheus/alerts.yml`, 'utf8');
}

/** Names of metrics in queries; without what Prometheus makes of a histogram. */
function metricsIn(text: string): Set<string> {
  const names = [...text.matchAll(/\b(?:export|process)_[a-z_]+|\bup\b(?=\{)/g)].map(([name]) => name);
  return new Set(names.map((name) => name.replace(/_(?:bucket|sum|count)$/, '')));
}

async function metricNames(): Promise<Set<string>> {
  using metrics = new Metrics({ clock: systemClock, refusalCodes: ['store_full'] });
  return new Set(metrics.registry.getMetricsAsArray().map(({ name }) => name));
}

/** Exports to a destination that answers, one that is busy and one that is not there, and requests that are refused. */
class Load implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(service: string, destinations: readonly string[]) {
    this.#done = this.#run(service, destinations);
  }

  async #run(service: string, destinations: readonly string[]): Promise<void> {
    for (let index = 0; !this.#stop.signal.aborted; index += 1) {
      const uri = destinations[index % destinations.length] ?? '';
      const token = index % 7 === 0 ? 'wrong' : tokenFor({ destination: uri });
      const answer = await fetch(`${service}/export`, {
        method: 'POST',
        headers: { 'x-api-key': token },
        body: JSON.stringify({ uri, data: `{"number":${index}}` }),
      });
      await answer.text();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

describe('dashboard and alerts', () => {
  it('ask for metrics that there are, and every metric is on the dashboard', async () => {
    const known = await metricNames();
    const shown = metricsIn(JSON.stringify(dashboardQueries()));
    const alerted = metricsIn(alertsText());
    assert.ok(shown.size > 20 && alerted.size > 10);
    for (const name of [...shown, ...alerted]) assert.ok(known.has(name) || NOT_OURS.has(name), name);
    const without = [...known].filter((name) => !shown.has(name));
    assert.deepEqual(without, ['export_accepted_bytes_total', 'process_start_time_seconds']);
  });

  it('are explained to operators: each alert has its row in the docs', () => {
    const alerts = [...alertsText().matchAll(/alert: (\w+)/g)].map(([, name]) => name);
    const page = readFileSync(`${PACKAGING}/../docs/operating.md`, 'utf8');
    const rows = [...page.matchAll(/^\| `(Export\w+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(rows.sort(), alerts.sort());
  });

  it('say what each panel is for', () => {
    for (const { title, description, targets } of dashboard.panels)
      if (targets !== undefined) assert.ok(description, title);
  });
});

describe('alert rules', { skip }, () => {
  it('are rules, and promtool finds what they are to find and nothing else', () => {
    for (const args of [
      ['check', 'rules', `${PACKAGING}/prometheus/alerts.yml`],
      ['test', 'rules', `${PACKAGING}/prometheus/alerts.test.yml`],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
      assert.equal(status, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    }
  });

  it('are each tested', () => {
    const names = [...alertsText().matchAll(/alert: (\w+)/g)].map(([, name]) => name);
    const tested = readFileSync(`${PACKAGING}/prometheus/alerts.test.yml`, 'utf8');
    assert.ok(names.length > 10);
    assert.deepEqual(
      names.filter((name) => !tested.includes(`alertname: ${name}`)),
      [],
    );
  });
});

it('a Prometheus that scrapes a service under load answers every query', { skip }, async () => {
  await using answers = await nasty.answers();
  await using busy = await nasty.says('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
  await using service = await ServiceProcess.start(['--retry-base', '50ms']);
  // A name, so that there is a look-up.
  const named = answers.url.replace('127.0.0.1', 'localhost');
  await using _load = new Load(service.url, [named, busy.url, await nasty.closedPort()]);
  await using prometheus = await Prometheus.start(new URL(service.url).host);

  await until(
    async () => ((await prometheus.value('min(count_over_time(export_accepted_total[1m]))')) ?? 0) > 3,
  );
  for (const happened of [
    'export_lanes_paused',
    'rate(export_accepted_total[1m])',
    'rate(export_refused_total{code="malformed_token"}[1m])',
    'rate(export_attempts_total{result="connection_failed"}[1m])',
    'rate(export_attempts_retried_total[1m])',
    'rate(export_ended_total{outcome="delivered"}[1m])',
  ])
    await until(async () => ((await prometheus.value(happened)) ?? 0) > 0);
  for (const { title, expression } of dashboardQueries()) {
    const samples = await prometheus.query(expression);
    if (ONLY_IN_A_BOX.test(expression)) continue;
    assert.ok(samples.length > 0, `${title}: ${expression} has no data`);
    for (const { value } of samples) assert.ok(Number.isFinite(Number(value[1])), `${title}: ${value[1]}`);
  }
  const rules = await prometheus.rules();
  assert.ok(rules.length > 10);
  await until(async () => (await prometheus.rules()).every(({ health }) => health !== 'unknown'));
  for (const { name, health, lastError } of await prometheus.rules())
    assert.equal(health, 'ok', `${name}: ${lastError}`);
  await until(async () =>
    (await prometheus.alerts()).some(
      ({ labels, state }) => labels.alertname === 'ExportDestinationDown' && state === 'pending',
    ),
  );

  const page = await (await fetch(`${service.url}/metrics`)).text();
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: page, encoding: 'utf8' });
  assert.equal(lint.status, 0, lint.stderr);
});
