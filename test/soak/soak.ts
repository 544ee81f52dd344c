/**
 * `npm run test:soak -- [--minutes 30] [--rate auto|N] [--keep-results 2m] [--seed N]`
 *
 * A real service at half of what it can do, for long enough to see whether memory, the store's file and open handles
 * stay flat. Everything is looked at from outside, in /proc. Ends by itself: 0 flat and nothing lost, 1 otherwise.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { firstLineOf } from '../support/first-line.ts';
import { TEST_FLAGS } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import {
  ledgerBytes,
  type ProcessFigures,
  processFigures,
  type StoreFigures,
  storeFigures,
} from './figures.ts';
import { laneDrawer, type SoakLane, soakLanes } from './lanes.ts';
import { Load } from './load.ts';
import { MixedDestination } from './mixed-destination.ts';
import { seededRandom } from './random.ts';
import { judgeSeries, type Series, type SeriesVerdict } from './verdict.ts';

interface Reading extends ProcessFigures, StoreFigures {
  readonly atMs: number;
  /** How long `/healthz` took: a stalled event loop shows here. */
  readonly healthMs: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly pollsOpen: number;
}

const LAUNCHER = fileURLToPath(new URL('../../bin/export-service.js', import.meta.url));
const MIB = 1_024 ** 2;
const SECOND = 1_000;
const READING_EVERY_MS = 10 * SECOND;
const SATURATION_MS = 10 * SECOND;
/** Not measured: the code gets compiled meanwhile. */
const SATURATION_WARM_UP_MS = 5 * SECOND;
const SUBMITTERS = 64;
/** After the last export: time for all to arrive. */
const DRAIN_MS_MAX = 120 * SECOND;
const HEALTH_MS_MAX = 5 * SECOND;
/** Lanes pause for a twenty-fifth of what they do by default, so that half an hour sees many pauses. */
const FLAGS = ['--log-level', 'error', '--retry-base', '200ms', '--attempts-max', '100'];

const options = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: 'auto' },
    'keep-results': { type: 'string', default: '2m' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
}).values;

async function soak(): Promise<boolean> {
  const minutes = Number(options.minutes);
  const random = seededRandom(Number(options.seed));
  console.log(
    `seed ${options.seed}; ${minutes} minutes; node ${process.version}; ${new Date().toISOString()}`,
  );
  using directory = new TemporaryDirectory();
  await using destination = new MixedDestination(random);
  const lanes = soakLanes(await destination.listen());
  await using service = await startService(directory.path);
  await using load = new Load({ url: service.url, random, delivered: () => destination.delivered });

  const rate = options.rate === 'auto' ? await halfLoad(load, lanes, random) : Number(options.rate);
  const readings: Reading[] = [];
  const watch = { service, load, destination, store: join(directory.path, 'exports.db') };
  const end = new AbortController();
  const running = load.run(laneDrawer(lanes, rate, random), rate, end.signal);
  await takeReadings(watch, minutes * 60 * SECOND, readings);
  end.abort();
  await running;
  await load.settled();
  await drained(load, destination);

  const ledgerEntryBytes = ledgerBytes(watch.store) / storeFigures(watch.store).ledgerEntries;
  const verdicts = judge(readings, ledgerEntryBytes);
  printVerdicts(verdicts);
  const isWhole = await checkExports(load, destination);
  const isAlive = readings.every(({ healthMs }) => healthMs < HEALTH_MS_MAX);
  console.log(
    `longest answer of /healthz: ${Math.max(...readings.map(({ healthMs }) => healthMs)).toFixed(0)} ms`,
  );
  const isGood = isWhole && isAlive && verdicts.every(({ isFlat }) => isFlat);
  console.log(isGood ? 'verdict: flat, and nothing lost' : 'verdict: NOT GOOD');
  return isGood;
}

// -- the service ------------------------------------------------------------------------------------------------------

interface RunningService extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

async function startService(dataDir: string): Promise<RunningService> {
  const keep = ['--keep-results', options['keep-results'], '--keep-ledger', options['keep-results']];
  const flags = ['serve', '--port', '0', '--data-dir', dataDir, ...TEST_FLAGS, ...FLAGS, ...keep];
  console.log(`service: ${[...FLAGS, ...keep].join(' ')}`);
  const child = spawn(process.execPath, [LAUNCHER, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  // Whoever stops the soak stops the service.
  process.once('exit', () => child.kill('SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const line = await firstLineOf(child);
  return {
    url: /http:\S+/.exec(line)?.[0] ?? '',
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: () => endOf(child),
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = await exited;
  console.log(`the service ended with ${code}`);
}

// -- load -------------------------------------------------------------------------------------------------------------

/** Half of what arrives at well-behaved destinations when as much is sent as the service takes. */
async function halfLoad(load: Load, lanes: readonly SoakLane[], random: () => number): Promise<number> {
  const steady = lanes.filter(({ kind }) => kind === 'steady');
  const draw = laneDrawer(steady, 1, random);
  await load.saturate(draw, SUBMITTERS, SATURATION_WARM_UP_MS);
  const saturation = await load.saturate(draw, SUBMITTERS, SATURATION_MS);
  await load.settled();
  console.log(`saturation: ${saturation.toFixed(0)} exports/s; the soak runs at half of that`);
  return saturation / 2;
}

async function drained(load: Load, destination: MixedDestination): Promise<void> {
  const end = performance.now() + DRAIN_MS_MAX;
  while (destination.delivered < load.accepted && performance.now() < end) await delay(100);
}

/** Every export that was accepted has arrived, and what is old is gone. */
async function checkExports(load: Load, destination: MixedDestination): Promise<boolean> {
  const lost = load.acceptedNumbers.filter((n) => !destination.hasReceived(n));
  const old = load.first === null ? null : await load.post(load.first.lane, { id: load.first.id });
  console.log(
    `exports: ${load.accepted} accepted, ${destination.delivered} delivered, ${lost.length} lost, ` +
      `${destination.repeated} repeated, ${destination.refused} attempts refused, ${load.leftOut} left out`,
  );
  console.log(`polls: ${load.polls}, of which ${load.pollsFinished} saw the end`);
  console.log(
    `the first export's result is ${old?.status === 404 ? 'deleted' : `still there (${old?.status})`}`,
  );
  for (const [what, count] of load.failures) console.log(`failed ${count} times: ${what}`);
  return lost.length === 0 && load.failures.size === 0 && old?.status === 404;
}

// -- readings ---------------------------------------------------------------------------------------------------------

interface Watched {
  readonly service: RunningService;
  readonly load: Load;
  readonly destination: MixedDestination;
  readonly store: string;
}

async function takeReadings(watched: Watched, ms: number, readings: Reading[]): Promise<void> {
  const startedAt = performance.now();
  printHeading();
  for (let next = READING_EVERY_MS; next <= ms; next += READING_EVERY_MS) {
    await delay(Math.max(startedAt + next - performance.now(), 0));
    const reading = await takeReading(watched, performance.now() - startedAt);
    printReading(reading, readings.at(-1));
    readings.push(reading);
  }
}

async function takeReading({ service, load, destination, store }: Watched, atMs: number): Promise<Reading> {
  const askedAt = performance.now();
  const response = await fetch(`${service.url}/healthz`, { signal: AbortSignal.timeout(HEALTH_MS_MAX) });
  await response.arrayBuffer();
  return {
    ...processFigures(service.pid),
    ...storeFigures(store),
    atMs,
    healthMs: performance.now() - askedAt,
    accepted: load.accepted,
    delivered: destination.delivered,
    pollsOpen: load.pollsOpen,
  };
}

const COLUMNS = [
  's',
  'RSS',
  'anon',
  'file',
  'WAL',
  'fds',
  'thr',
  'cpu%',
  'ms',
  'in/s',
  'out/s',
  'queue',
  'polls',
];

function printHeading(): void {
  console.log('RSS, anonymous memory, store file and write-ahead log in MiB; ms: an answer of /healthz');
  console.log(row(COLUMNS));
}

function printReading(reading: Reading, last: Reading | undefined): void {
  const seconds = (reading.atMs - (last?.atMs ?? 0)) / SECOND;
  const perSecond = (key: 'accepted' | 'delivered'): string =>
    last === undefined ? '' : ((reading[key] - last[key]) / seconds).toFixed(0);
  const cpu = last === undefined ? '' : ((reading.cpuMs - last.cpuMs) / seconds / 10).toFixed(0);
  console.log(
    row([
      (reading.atMs / SECOND).toFixed(0),
      (reading.rssBytes / MIB).toFixed(1),
      (reading.anonBytes / MIB).toFixed(1),
      (reading.fileBytes / MIB).toFixed(1),
      (reading.walBytes / MIB).toFixed(1),
      String(reading.handles),
      String(reading.threads),
      cpu,
      reading.healthMs.toFixed(0),
      perSecond('accepted'),
      perSecond('delivered'),
      String(reading.accepted - reading.delivered),
      String(reading.pollsOpen),
    ]),
  );
}

function row(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(7)).join('');
}

// -- verdict ----------------------------------------------------------------------------------------------------------

/** @param ledgerEntryBytes what an entry of the ledger takes in the end: the hashes of what was erased stay for ever */
function judge(readings: readonly Reading[], ledgerEntryBytes: number): SeriesVerdict[] {
  const inMib = (name: string, bytesOf: (reading: Reading) => number): Series => ({
    name,
    unit: 'MiB',
    values: readings.map((reading) => bytesOf(reading) / MIB),
    toleranceShare: 0.1,
    tolerance: 8,
  });
  const ledgerOf = ({ ledgerEntries }: Reading): number => ledgerEntries * ledgerEntryBytes;
  console.log(
    `the ledger takes ${ledgerEntryBytes.toFixed(0)} bytes an entry, ` +
      `${(ledgerOf(readings.at(-1) as Reading) / MIB).toFixed(1)} MiB in the end`,
  );
  const counted = (name: string, key: 'handles' | 'threads'): Series => ({
    name,
    unit: '',
    values: readings.map((reading) => reading[key]),
    toleranceShare: 0.1,
    tolerance: 16,
  });
  return [
    inMib('RSS', ({ rssBytes }) => rssBytes),
    inMib('anonymous memory', ({ anonBytes }) => anonBytes),
    inMib('store file, less its ledger', (reading) => reading.fileBytes - ledgerOf(reading)),
    inMib('write-ahead log', ({ walBytes }) => walBytes),
    counted('open handles', 'handles'),
    counted('threads', 'threads'),
  ].map(judgeSeries);
}

function printVerdicts(verdicts: readonly SeriesVerdict[]): void {
  console.log('medians of the second and the last third; gain: a line through both, from begin to end');
  for (const { name, unit, middle, last, max, gain, allowed, isFlat } of verdicts) {
    const [second, third, most, rise, limit] = [middle, last, max, gain, allowed].map((value) =>
      value.toFixed(1),
    );
    console.log(
      `${name.padEnd(28)} ${second} → ${third} ${unit}, at most ${most}; gain ${rise} of ${limit} allowed: ` +
        (isFlat ? 'flat' : 'GROWS'),
    );
  }
}

process.exitCode = (await soak()) ? 0 : 1;
