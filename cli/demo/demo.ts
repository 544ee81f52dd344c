/**
 * `export-service demo`: one export goes the whole way on this machine, as in a box. Arbiter, service and destination are
 * processes of their own, talk over real sockets, and know nothing of each other but what a box would tell them; so what
 * is shown is what happens elsewhere too.
 */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ExportClient,
  ExportClientError,
  ExportConnectionError,
  type ExportStatus,
  type FinishedExport,
} from '../../client/index.ts';
import { arbiterToken } from '../../client-arbiter/index.ts';
import { type CommandIo, EXIT, type Output } from '../../src/command.ts';
import { flagRow, renderRows, renderText } from '../../src/config/help.ts';
import { asksForHelp, type Env, type Flags, readArguments } from '../../src/config.ts';
import { Interruption } from '../interruption.ts';
import { fetchTrusting } from '../service-access.ts';
import { Paint, printable } from '../terminal.ts';
import { Box } from './box.ts';
import { DemoError, DemoProcess } from './demo-process.ts';
import type { Delivery } from './destination.ts';
import { settleIn } from './household.ts';

const SAMPLE = path.join('samples', 'day.json');
const SERVICE = 'export-service';
const APP = 'demo-app';
const EXPORT_MS_MAX = 60_000;
const READY_MS_MAX = 20_000;
const READY_POLL_MS = 50;
const SHOWN_LINES_MAX = 8;
const SHOWN_COLUMNS_MAX = 100;
/** Of what the destination received, these are worth a look. */
const SHOWN_HEADERS = [
  'content-type',
  'user-agent',
  'idempotency-key',
  'webhook-id',
  'webhook-timestamp',
  'webhook-signature',
];

const FLAGS: Flags = {
  keep: {
    names: ['--keep'],
    placeholder: null,
    meaning:
      "leave everything running until Ctrl-C, with a few more apps, and print a link to the owner's page and a curl line to export with",
  },
  json: {
    names: ['--json'],
    placeholder: null,
    meaning: 'print the result as JSON; what happens is told on stderr instead',
  },
};

/** What is exported, and its name for people. */
interface Source {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Everything that runs. */
interface Stage {
  readonly box: Box;
  /** Trusts the box's certificates besides the usual ones. */
  readonly fetch: typeof fetch;
  readonly arbiter: DemoProcess;
  readonly service: DemoProcess;
  readonly destination: DemoProcess;
  readonly destinationUrl: string;
  /** Of the service. */
  readonly dataDir: string;
  readonly token: string;
}

interface Step {
  readonly state: ExportStatus['state'];
  readonly seconds: number;
}

/** How the trip went. */
interface Trip {
  readonly steps: readonly Step[];
  readonly end: FinishedExport;
  /** Every delivery of this export; more than one is possible, as the service delivers at least once. */
  readonly deliveries: readonly Delivery[];
  readonly isSame: boolean;
}

/**
 * Runs the command.
 *
 * @returns 0 only if the destination received the very bytes
 * @throws UsageError, and DemoError for what a person can mend; in every case what was started has ended and the
 *   temporary files are gone
 */
export async function run(args: readonly string[], env: Env, io: CommandIo): Promise<number> {
  if (asksForHelp(args)) {
    io.stdout.write(help());
    return EXIT.done;
  }
  const given = readArguments(args, FLAGS, 1);
  const isJson = given.isOn('json');
  const page = new Page(isJson ? io.stderr : io.stdout, env);
  const source = await readSource(given.positionals[0] ?? null);
  // Stays on while things are put away: a second Ctrl-C must not leave half of them behind.
  using interruption = new Interruption(new DemoError('Stopped, and put everything away.'), {
    staysOn: true,
  });
  const { signal } = interruption;
  try {
    await using stage = await setStage(env, page, signal);
    const trip = await travel(stage, source, page, signal);
    tellEnd(trip, source, page);
    if (isJson) io.stdout.write(`${JSON.stringify(asJson(trip, source), null, 2)}\n`);
    if (given.isOn('keep')) await keepRunning(stage, page, signal);
    return trip.isSame ? EXIT.done : EXIT.failed;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

function help(): string {
  return [
    'Usage: export-service demo [FILE] [FLAGS]\n',
    renderText(
      'Shows one export going the whole way on this machine, with nothing else needed: starts an arbiter as a box ' +
        'has one, the service on a temporary store, and a destination that receives; registers an app, grants it ' +
        'the destination, lets it ask for a token, exports FILE (JSON; without it a made-up day of sensor data) ' +
        'through the SDK, and prints every state, the answer, and what the destination received. Exits with 0 only ' +
        'if the destination received the very bytes.',
    ),
    `Flags:\n${renderRows([...Object.values(FLAGS).map(flagRow), ['-h, --help', 'this text']])}`,
    'Examples:\n  export-service demo\n  export-service demo my-data.json --keep\n',
  ].join('\n');
}

/** The file to export; it must be JSON, or the service would refuse it in words about a field "data". */
async function readSource(given: string | null): Promise<Source> {
  const name = given ?? SAMPLE;
  const bytes = await readFile(given ?? path.join(packageRoot(), SAMPLE)).catch((error) => {
    throw new DemoError(`Cannot read ${name}: ${inWords(error)}.`);
  });
  const text = decode(name, bytes);
  if (text.startsWith('\uFEFF')) {
    throw new DemoError(`${name} is not JSON: it begins with a byte order mark. Save it without.`);
  }
  try {
    JSON.parse(text);
  } catch (error) {
    throw new DemoError(`${name} is not JSON: ${printable((error as Error).message)}.`);
  }
  return { name, bytes };
}

function decode(name: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DemoError(`${name} is not JSON: it is not UTF-8 text.`);
  }
}

function inWords(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a folder';
    case 'EACCES':
      return 'you are not allowed to';
    default:
      return error.message;
  }
}

/** Where bin/ and samples/ are: above cli/ in a checkout, above dist/cli/ in the package. */
function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(path.join(folder, 'bin', 'export-service.js'))) {
    const parent = path.dirname(folder);
    if (parent === folder) throw new Error('The package is incomplete: bin/export-service.js is missing.');
    folder = parent;
  }
  return folder;
}

/** Does what a box does before an app can export; ends all of it, last things first, when it is disposed. */
async function setStage(env: Env, page: Page, signal: AbortSignal): Promise<Stage & AsyncDisposable> {
  await using cleanUp = new AsyncDisposableStack();
  const { folder } = cleanUp.adopt(await makeTemporaryFolder(), ({ remove }) => remove());
  const box = await Box.create(folder, APP);
  // An app in a box gets the same from NODE_EXTRA_CA_CERTS.
  const trustingFetch = fetchTrusting(await readFile(box.rootCaFile, 'utf8'));
  page.title('One export, the whole way');

  const destination = cleanUp.use(await DemoProcess.start(destinationScript(env, box), signal));
  const destinationUrl = `${destination.url}/in`;
  page.done('destination', destinationUrl);

  const arbiter = cleanUp.use(await DemoProcess.start(arbiterScript(env, box), signal));
  await box.register(arbiter.url, SERVICE, 'store', signal);
  page.done('arbiter', arbiter.url, `Zest over ZeroMQ with CURVE; knows ${SERVICE}`);

  const dataDir = path.join(folder, 'data');
  const service = cleanUp.use(await DemoProcess.start(serviceScript(env, box, dataDir, arbiter.url), signal));
  await untilReady(service, trustingFetch, signal);
  page.done('service', service.url, `store in ${dataDir}; has its root key from the arbiter`);

  await box.register(arbiter.url, APP, 'app', signal);
  await box.grant(arbiter.url, APP, destinationUrl, signal);
  page.done('grant', `${APP} may export to this destination and no other`);

  const token = await arbiterToken({
    destination: destinationUrl,
    endpoint: arbiter.url,
    identity: APP,
    secretsDir: box.secretsOf(APP),
    signal,
  })();
  page.done('token', 'from the arbiter, asked for by the app');

  const owned = cleanUp.move();
  return {
    box,
    fetch: trustingFetch,
    arbiter,
    service,
    destination,
    destinationUrl,
    dataDir,
    token,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A folder that is gone when `remove` has run, or when this process ends without it. */
async function makeTemporaryFolder(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'export-demo-'));
  const removeNow = (): void => rmSync(folder, { recursive: true, force: true });
  process.on('exit', removeNow);
  const remove = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    process.off('exit', removeNow);
  };
  return { folder, remove };
}

function destinationScript(env: Env, box: Box) {
  return { name: 'destination', args: [neighbour('destination'), box.tlsFile], env: demoEnv(env) };
}

function arbiterScript(env: Env, box: Box) {
  return {
    name: 'arbiter',
    args: [neighbour('arbiter-process'), box.secretsOf('arbiter')],
    env: demoEnv(env),
  };
}

function serviceScript(env: Env, box: Box, dataDir: string, arbiter: string) {
  const flags = [
    ...['--port', '0', '--data-dir', dataDir, '--arbiter', arbiter, '--secrets-dir', box.secretsOf(SERVICE)],
    ...['--destination-ca', box.rootCaFile, '--allow-network', '127.0.0.0/8'],
  ];
  return { name: 'service', args: [command(), 'serve', ...flags], env: demoEnv(env) };
}

/** A script beside this one. The compiler rewrites imports but not paths: the neighbour ends as this file does. */
function neighbour(name: string): string {
  return path.join(import.meta.dirname, `${name}${path.extname(import.meta.filename)}`);
}

/** The service listens at once; it is ready when the arbiter has given it a key. */
async function untilReady(service: DemoProcess, ask: typeof fetch, signal: AbortSignal): Promise<void> {
  const isLate = AbortSignal.timeout(READY_MS_MAX);
  while (!isLate.aborted) {
    const response = await ask(`${service.url}/readyz`, { signal });
    await response.text();
    if (response.ok) return;
    await delay(READY_POLL_MS, undefined, { signal });
  }
  throw new DemoError(`The service did not get ready. Its log:\n${service.logTail}`);
}

function command(): string {
  return path.join(packageRoot(), 'bin', 'export-service.js');
}

/** Settings meant for a real service must not reach the demo's: its store, its arbiter, its root key. */
function demoEnv(env: Env): Env {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(?:EXPORT|DATABOX|OTEL)_/.test(name)));
}

async function travel(stage: Stage, source: Source, page: Page, signal: AbortSignal): Promise<Trip> {
  page.title(`Exporting ${source.name} (${describeBytes(source.bytes)})`);
  const timeout = AbortSignal.timeout(EXPORT_MS_MAX);
  try {
    const { steps, end } = await exportSource(stage, source, page, AbortSignal.any([signal, timeout]));
    const deliveries = await fetchDeliveries(stage, end.id, signal);
    const isSame =
      end.answer.ok &&
      deliveries.length > 0 &&
      deliveries.every(({ body }) => source.bytes.equals(Buffer.from(body, 'base64')));
    return { steps, end, deliveries, isSame };
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, stage, timeout.aborted);
  }
}

async function exportSource(
  { service, destinationUrl, token, fetch }: Stage,
  source: Source,
  page: Page,
  signal: AbortSignal,
): Promise<{ steps: Step[]; end: FinishedExport }> {
  const client = new ExportClient({ url: service.url, token, path: '/lp/export', fetch });
  const startedAt = performance.now();
  const steps: Step[] = [];
  const tell = (status: ExportStatus): void => {
    const step = { state: status.state, seconds: Math.round(performance.now() - startedAt) / 1_000 };
    page.step(step, steps.length === 0 ? `id ${status.id}` : describeStatus(status));
    steps.push(step);
  };
  let status = await client.submit({ destination: destinationUrl, json: source.bytes }, { signal });
  tell(status);
  for await (status of client.watch(status, { signal })) tell(status);
  if (status.state !== 'Finished') throw new Error('watching ends with the end');
  return { steps, end: status };
}

function describeStatus(status: ExportStatus): string {
  if (status.state === 'Finished') return describeAnswer(status);
  if (status.lastError === undefined) return '';
  return `attempt ${status.attempts} failed: ${status.lastError.detail}`;
}

function describeAnswer({ answer }: FinishedExport): string {
  const why = answer.error === undefined ? '' : `: ${answer.error.detail} (${answer.error.code})`;
  return `${answer.status} ${answer.statusText}${why}`;
}

async function fetchDeliveries(stage: Stage, id: string, signal: AbortSignal): Promise<Delivery[]> {
  const response = await stage.fetch(`${stage.destination.url}/received`, { signal });
  const all = (await response.json()) as Delivery[];
  return all.filter(({ headers }) => headers['webhook-id'] === id);
}

/** What the SDK throws, with what to do about it; with the service's log where that may tell more. */
function explain(error: unknown, { service }: Stage, isLate: boolean): unknown {
  if (isLate) {
    const seconds = EXPORT_MS_MAX / 1_000;
    return new DemoError(
      `The export did not end within ${seconds} seconds. The service's log:\n${service.logTail}`,
    );
  }
  if (error instanceof ExportClientError) {
    const advice =
      error.code === 'payload_too_large'
        ? '\nThe file travels as a JSON string, in which quotes and line breaks take two bytes. Take a smaller one; ' +
          'for files as large as this a service is started with `serve --body-bytes-max SIZE`.'
        : '';
    return new DemoError(`The service refused the export: ${error.message}${advice}`);
  }
  if (error instanceof ExportConnectionError) {
    return new DemoError(`${error.message} The service's log:\n${service.logTail}`);
  }
  return error;
}

function tellEnd(trip: Trip, source: Source, page: Page): void {
  page.title('What the destination answered');
  page.text(describeAnswer(trip.end));
  if (trip.end.answer.body !== '') page.excerpt(trip.end.answer.body);
  for (const delivery of trip.deliveries) tellDelivery(delivery, page);
  page.verdict(trip.isSame, verdict(trip, source));
}

function tellDelivery({ headers, body }: Delivery, page: Page): void {
  const bytes = Buffer.from(body, 'base64');
  page.title(`What the destination received (${describeBytes(bytes)})`);
  page.field('sha256', sha256(bytes));
  for (const name of SHOWN_HEADERS) {
    const value = headers[name];
    if (value !== undefined) page.field(name, value);
  }
  page.line();
  page.excerpt(bytes.toString('utf8'));
}

function verdict({ isSame, end, deliveries }: Trip, { name }: Source): string {
  if (isSame) return `The destination received the very bytes of ${name}.`;
  if (deliveries.length === 0) return `The destination received nothing: ${describeAnswer(end)}.`;
  if (!end.answer.ok) return `The export ended with ${describeAnswer(end)}.`;
  return `The destination received other bytes than those of ${name}.`;
}

function asJson({ steps, end, deliveries, isSame }: Trip, { name, bytes }: Source): object {
  return {
    same_bytes: isSame,
    id: end.id,
    file: name,
    bytes: bytes.length,
    sha256: sha256(bytes),
    states: steps,
    answer: end.answer,
    received: deliveries.map((delivery) => {
      const received = Buffer.from(delivery.body, 'base64');
      return { bytes: received.length, sha256: sha256(received), headers: delivery.headers };
    }),
  };
}

/** Resolves when the user has had enough; throws when something ends by itself before that. */
async function keepRunning(stage: Stage, page: Page, signal: AbortSignal): Promise<void> {
  const { box, service, destinationUrl, dataDir, fetch } = stage;
  const link = await settleIn({ serviceUrl: service.url, dataDir, destinationUrl, fetch, signal });
  tellHowToExport(stage, page);
  tellOwnerLink(link, box, page);
  const enough = new Promise<null>((resolve) => {
    if (signal.aborted) resolve(null);
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  const running = [stage.service, stage.destination, stage.arbiter].map((child) =>
    child.ended.then(() => child),
  );
  const ended = await Promise.race([enough, ...running]);
  if (ended !== null && !signal.aborted) {
    throw new DemoError(`The ${ended.name} has ended by itself:\n${ended.logTail}`);
  }
}

function tellHowToExport({ box, service, destination, destinationUrl, token }: Stage, page: Page): void {
  const body = JSON.stringify({ uri: destinationUrl, data: { hello: 'world' } });
  page.title('Everything keeps running until Ctrl-C. Export something yourself:');
  page.raw(
    `curl -sS --cacert ${box.rootCaFile} ${service.url}/lp/export -H 'Prefer: wait=10' -H 'X-Api-Key: ${token}' -d '${body}'`,
  );
  page.title('and see what the destination has received:');
  page.raw(`curl -sS --cacert ${box.rootCaFile} ${destination.url}/received`);
  page.title(`With a program, such as those beside /lp/export on ${service.url}/docs:`);
  page.raw(`export EXPORT_URL=${service.url} DESTINATION=${destinationUrl}`);
  page.raw(`export NODE_EXTRA_CA_CERTS=${box.rootCaFile} SSL_CERT_FILE=${box.rootCaFile}`);
  page.raw(`export EXPORT_TOKEN=${token}`);
  page.line();
}

function tellOwnerLink(link: string, { rootCaFile }: Box, page: Page): void {
  page.title('What the owner of the box sees, and may stop (the link is good once, for ten minutes):');
  page.raw(link);
  page.text(`Your browser will warn you: it does not know this demo's certificate (${rootCaFile}).`);
  page.line();
}

/** The terminal, in a few kinds of lines. Colours only where somebody sees them. */
class Page {
  readonly #output: Output;
  readonly #paint: Paint;

  constructor(output: Output, env: Env) {
    this.#output = output;
    this.#paint = new Paint(output, env);
  }

  line(text = ''): void {
    this.#output.write(`${text}\n`);
  }

  title(text: string): void {
    this.line(`\n${this.#paint.paint('bold', text)}\n`);
  }

  done(what: string, text: string, aside = ''): void {
    const end = aside === '' ? '' : `  ${this.#paint.paint('dim', aside)}`;
    this.line(`  ${this.#paint.paint('green', '✓')} ${what.padEnd(12)} ${text}${end}`);
  }

  step({ state, seconds }: Step, text: string): void {
    const time = this.#paint.paint('dim', `${seconds.toFixed(3)} s`.padStart(9));
    this.line(`${time}  ${this.#paint.paint('cyan', state.padEnd(10))}  ${printable(text)}`.trimEnd());
  }

  field(name: string, value: string): void {
    this.line(`  ${this.#paint.paint('dim', name.padEnd(18))} ${printable(value)}`);
  }

  text(text: string): void {
    this.line(`  ${printable(text)}`);
  }

  /** For the clipboard: as it is, and never cut. */
  raw(text: string): void {
    this.line(`  ${text}`);
  }

  /** The first lines of a text that may be long. */
  excerpt(text: string): void {
    const lines = text.trimEnd().split('\n');
    for (const line of lines.slice(0, SHOWN_LINES_MAX)) this.line(`  ${printable(cut(line))}`);
    const more = lines.length - SHOWN_LINES_MAX;
    if (more > 0) this.line(`  ${this.#paint.paint('dim', `… ${more} more lines`)}`);
  }

  verdict(isGood: boolean, text: string): void {
    const mark = isGood ? this.#paint.paint('green', '✓') : this.#paint.paint('red', '✗');
    this.line(`\n${mark} ${this.#paint.paint('bold', printable(text))}`);
  }
}

function cut(line: string): string {
  const characters = [...line];
  return characters.length > SHOWN_COLUMNS_MAX ? `${characters.slice(0, SHOWN_COLUMNS_MAX).join('')}…` : line;
}

function describeBytes(bytes: Buffer): string {
  return `${bytes.length.toLocaleString('en')} bytes`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
