/**
 * `npm run watch -- [--minutes 10]`
 *
 * A real service under load, watched through a real Prometheus while things go wrong: a destination dies and comes back, the
 * arbiter goes, the store fills, the service is killed. Says what the dashboard shows meanwhile, and which alert fires when.
 * The alerts are ours, with their waits and windows shortened, as are the service's retries: a box has hours, this has minutes. Needs Prometheus.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { TestArbiter } from '../support/arbiter/test-arbiter.ts';
import {
  answerText,
  type DestinationOptions,
  startDestination,
  type TestDestination,
} from '../support/destinations/destination.ts';
import { PACKAGING, Prometheus, whyNoPrometheus } from '../support/prometheus.ts';
import { ServiceProcess } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { scaledAlerts } from './scaled-alerts.ts';

const SECOND = 1_000;
/** Alerts wait a tenth of what they do on a box, when all of it lasts for ten minutes. */
const SHORTER_PER_MINUTE = 1 / 100;
const LOOK_EVERY_MS = SECOND;
const LINE_EVERY_MS = 15 * SECOND;
const EXPORTS_PER_SECOND = 20;
const SMALL_BYTES = 1_000;
const LARGE_BYTES = 250_000;
/** The default of --retry-base. */
const RETRY_BASE_MS = 5 * SECOND;
const STORE_BYTES_MAX = '64 MiB';

/** What the first row of the dashboard says. */
const SHOWN = {
  'accepted/s': 'sum(rate(export_accepted_total[15s]))',
  'delivered/s': 'sum(rate(export_ended_total{outcome="delivered"}[15s]))',
  'refused/s': 'sum(rate(export_refused_total[15s]))',
  'not ended': 'sum(export_unfinished)',
  'oldest s': 'max(export_oldest_unfinished_seconds)',
  down: 'sum(export_lanes_paused)',
  'store MiB': 'sum(export_store_used_bytes) / 1024 / 1024',
  arbiter: 'min(export_arbiter_connected)',
} as const;

const minutes = Number(parseArgs({ options: { minutes: { type: 'string', default: '10' } } }).values.minutes);
let begunAt = performance.now();

function say(text: string): void {
  const seconds = Math.round((performance.now() - begunAt) / SECOND);
  console.log(
    `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}  ${text}`,
  );
}

/** A destination that can die, and come back where it was. */
class Destination implements AsyncDisposable {
  #server: TestDestination | null = null;
  #port = 0;

  static async start(): Promise<Destination> {
    const destination = new Destination();
    await destination.revive();
    return destination;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/in`;
  }

  async revive(): Promise<void> {
    const onRequest: DestinationOptions['onRequest'] = (socket) =>
      void socket.write(answerText('200 OK', 'thanks'));
    this.#server = await startDestination({ onRequest, port: this.#port });
    this.#port = this.#server.port;
  }

  async die(): Promise<void> {
    await this.#server?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.die();
  }
}

/** An app that exports on and on, whatever it is told. */
async function exportOn(
  service: ServiceProcess,
  arbiter: TestArbiter,
  destination: Destination,
  what: { bytes: number; perSecond: number },
  end: AbortSignal,
): Promise<void> {
  let token: string | null = null;
  const data = JSON.stringify('x'.repeat(what.bytes));
  while (!end.aborted) {
    // As an app does that caches its token.
    token ??= arbiter.tokenFor(destination.url);
    const headers = { 'x-api-key': token ?? 'none' };
    const body = JSON.stringify({ uri: destination.url, data });
    await fetch(`${service.url}/lp/export`, { method: 'POST', headers, body }).then(
      (answer) => answer.text(),
      () => 'the service is away',
    );
    await delay(SECOND / what.perSecond);
  }
}

/** Says which alerts began and ended since it looked last. */
class AlertWatch {
  readonly #prometheus: Prometheus;
  #firing = new Set<string>();
  readonly fired = new Set<string>();

  constructor(prometheus: Prometheus) {
    this.#prometheus = prometheus;
  }

  async look(): Promise<void> {
    const alerts = await this.#prometheus.alerts();
    const firing = new Set(
      alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname ?? ''),
    );
    for (const name of firing.difference(this.#firing)) say(`    ALERT    ${name}`);
    for (const name of this.#firing.difference(firing)) say(`    is over  ${name}`);
    for (const name of firing) this.fired.add(name);
    this.#firing = firing;
  }
}

async function shown(prometheus: Prometheus): Promise<string> {
  const texts = Object.entries(SHOWN).map(async ([name, query]) => {
    const value = await prometheus.value(query);
    return `${name} ${value === undefined ? '-' : Math.round(value * 10) / 10}`;
  });
  return (await Promise.all(texts)).join(' | ');
}

/** What goes wrong, by the share of the time that has gone by. */
function scenario(parts: {
  service: ServiceProcess;
  arbiter: TestArbiter;
  mortal: Destination;
  fill: AbortController;
  startFilling: () => void;
}): [share: number, what: string, act: () => Promise<unknown>][] {
  const { service, arbiter, mortal, fill, startFilling } = parts;
  return [
    [0.1, 'a destination dies', () => mortal.die()],
    [0.35, 'the destination is back', () => mortal.revive()],
    [0.4, 'the arbiter is gone', () => arbiter.stop()],
    [0.5, 'the arbiter is back, with nothing in its memory', () => arbiter.restart()],
    [
      0.55,
      'a destination dies, and an app exports 250 KB at a time to it',
      async () => {
        await mortal.die();
        startFilling();
      },
    ],
    [
      0.8,
      'that destination is back, and the app has stopped',
      async () => {
        fill.abort();
        await mortal.revive();
      },
    ],
    [0.9, 'the service is killed', () => service.end('SIGKILL')],
    [0.94, 'the service is started', () => service.start()],
  ];
}

async function watch(): Promise<number> {
  const why = whyNoPrometheus();
  if (why !== null) throw new Error(why);
  const totalMs = minutes * 60 * SECOND;
  const factor = minutes * SHORTER_PER_MINUTE;
  using directory = new TemporaryDirectory();
  const rules = directory.file('alerts.yml');
  writeFileSync(rules, scaledAlerts(readFileSync(`${PACKAGING}/prometheus/alerts.yml`, 'utf8'), factor));
  console.log(`${minutes} minutes; waits and windows of the alerts take ${factor} of their time`);

  await using arbiter = await TestArbiter.start();
  await using well = await Destination.start();
  await using mortal = await Destination.start();
  await using service = await ServiceProcess.startKeyless([
    ...arbiter.flags,
    '--log-level',
    'error',
    '--store-bytes-max',
    STORE_BYTES_MAX,
    // Lanes pause for as much less as the alerts wait for less.
    '--retry-base',
    `${Math.round(RETRY_BASE_MS * factor)}ms`,
  ]);
  await arbiter.asked(1);
  await using prometheus = await Prometheus.start(new URL(service.url).host, {
    interval: '1s',
    alerts: rules,
  });

  const [end, fill] = [new AbortController(), new AbortController()];
  const small = { bytes: SMALL_BYTES, perSecond: EXPORTS_PER_SECOND };
  const apps = [well, mortal].map((to) => exportOn(service, arbiter, to, small, end.signal));
  const startFilling = (): void => {
    apps.push(exportOn(service, arbiter, mortal, { bytes: LARGE_BYTES, perSecond: 5 }, fill.signal));
  };
  const steps = scenario({ service, arbiter, mortal, fill, startFilling });
  const alerts = new AlertWatch(prometheus);
  let lineAt = 0;
  // The start takes its time on a busy machine.
  begunAt = performance.now();
  for (let now = 0; now < totalMs; now = performance.now() - begunAt) {
    while (steps[0] !== undefined && now >= steps[0][0] * totalMs) {
      const [, what, act] = steps.shift() as (typeof steps)[number];
      say(`== ${what}`);
      await act();
    }
    await alerts.look();
    if (now >= lineAt) {
      lineAt = now + LINE_EVERY_MS;
      say(await shown(prometheus));
    }
    await delay(LOOK_EVERY_MS);
  }
  end.abort();
  fill.abort();
  await Promise.all(apps);
  console.log(`fired: ${[...alerts.fired].sort().join(', ')}`);
  return EXPECTED.every((name) => alerts.fired.has(name)) ? 0 : 1;
}

/** What an operator must have heard of. */
const EXPECTED = [
  'ExportServiceDown',
  'ExportDestinationDown',
  'ExportArbiterGone',
  'ExportStoreNearlyFull',
  'ExportStoreFull',
];

process.exitCode = await watch();
