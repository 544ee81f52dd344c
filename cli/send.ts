/** `export-service send`: exports JSON files, or NDJSON line by line. */
import { createHash } from 'node:crypto';
import { ExportClient, ExportClientError, ExportConnectionError } from '../client/index.ts';
import { sleepDefault } from '../client/repeat.ts';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderText } from '../src/config/help.ts';
import {
  type Arguments,
  asksForHelp,
  type Env,
  type Flags,
  quote,
  readArguments,
  UsageError,
} from '../src/config.ts';
import { decode } from '../src/macaroon/codec.ts';
import { Interruption } from './interruption.ts';
import { type Format, type Input, type Item, itemsOf, openInput } from './send/items.ts';
import { Journal, journalPath } from './send/journal.ts';
import { ProgressLine } from './send/progress.ts';
import { Report } from './send/report.ts';
import { type Errand, type Outcome, Sender } from './send/sender.ts';
import { ACCESS_FLAGS, fetchForServices, readGivenToken, readUrl } from './service-access.ts';

const CONCURRENCY_DEFAULT = 16;
const CONCURRENCY_MAX = 1_000;
/** While a service restarts, a few minutes are worth waiting for; after that, running again is. */
const TRIES_MAX = 25;
const RETRY_AFTER_MS_MAX = 15 * 60_000;
const DRAW_EVERY_MS = 250;

const FLAGS = {
  to: {
    names: ['--to'],
    placeholder: 'URL',
    meaning: 'The destination, exactly as the token names it',
  },
  ...ACCESS_FLAGS,
  noWait: {
    names: ['--no-wait'],
    placeholder: null,
    meaning:
      'Print the ids of the exports, in order, as soon as the service has them on disk, and wait for no results',
  },
  concurrency: {
    names: ['--concurrency'],
    placeholder: 'N',
    meaning: `Exports under way at once, default ${CONCURRENCY_DEFAULT}; 1 keeps their order`,
  },
  attemptsMax: {
    names: ['--attempts-max'],
    placeholder: 'N',
    meaning: 'Attempts at each delivery; left out, as many as the service makes',
  },
  format: {
    names: ['--format'],
    placeholder: 'KIND',
    meaning:
      'json: each input is one export. ndjson: each line is one. auto, the default: a file called .ndjson or .jsonl is ' +
      'taken line by line, and so is any input whose first line is JSON by itself',
  },
  journal: {
    names: ['--journal'],
    placeholder: 'FILE',
    meaning: 'Where to note what is done, for one input; default: a file beside it, and none for stdin',
  },
  noJournal: {
    names: ['--no-journal'],
    placeholder: null,
    meaning: 'Note nothing: after an interruption everything would be sent again',
  },
  fresh: {
    names: ['--fresh'],
    placeholder: null,
    meaning: 'Forget an interrupted run, and send everything',
  },
  json: { names: ['--json'], placeholder: null, meaning: 'Print one line of JSON for each export' },
} as const satisfies Flags;

/** What a run needs from outside; tests pass their own. */
export interface SendParts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that never go back. */
  readonly steady: () => number;
  /** Resolves after so many milliseconds; rejects when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

const SYSTEM_PARTS: SendParts = {
  now: Date.now,
  steady: () => performance.now(),
  sleep: sleepDefault,
};

/** @returns 0 when every export was delivered (accepted, with --no-wait), otherwise 1 */
export async function run(
  args: readonly string[],
  env: Env,
  io: CommandIo,
  parts: SendParts = SYSTEM_PARTS,
): Promise<ExitCode> {
  if (asksForHelp(args)) {
    io.stdout.write(help());
    return EXIT.done;
  }
  const plan = readPlan(readArguments(args, FLAGS, Number.POSITIVE_INFINITY), env, io);
  const inputs = await openInputs(plan, io);
  using interruption = new Interruption(new Stopped());
  using journals = openJournals(plan, inputs, parts);
  using line = new ProgressLine(io.stderr, env, parts.steady);
  const report = new Report({ io, env, line, ...plan, inputs, steady: parts.steady });
  using _drawing = drawing(line, io);
  try {
    await new Sender({
      client: clientOf(plan, env, parts, report),
      destination: plan.to,
      attemptsMax: plan.attemptsMax,
      waits: plan.waits,
      concurrency: plan.concurrency,
      signal: interruption.signal,
      onOutcome: (item: Item, outcome: Outcome) => report.tell(item, outcome),
    }).send(errandsOf(inputs, journals.all));
  } catch (error) {
    for (const input of inputs) input.close();
    line[Symbol.dispose]();
    throw new Error(whyItEnded(error, plan, report), { cause: error });
  }
  if (report.isGood) for (const journal of journals.all) journal.remove();
  line[Symbol.dispose]();
  report.end(journals.all.map(({ path }) => path).filter((path) => path !== ''));
  return report.isGood ? EXIT.done : EXIT.failed;
}

/** Ctrl-C. */
class Stopped extends Error {
  override readonly name = 'Stopped';

  constructor() {
    super('Stopped.');
  }
}

/** What the command line asks for. */
interface Plan {
  readonly names: readonly string[];
  readonly to: string;
  readonly url: string;
  readonly token: string | (() => string);
  readonly waits: boolean;
  readonly concurrency: number;
  readonly attemptsMax: number | null;
  readonly format: Format;
  /** Null: beside each input. */
  readonly journal: string | null;
  readonly keepsJournal: boolean;
  readonly isFresh: boolean;
  readonly isJson: boolean;
}

function readPlan(given: Arguments, env: Env, io: CommandIo): Plan {
  const to = given.text('to');
  if (to === null) throw new UsageError('--to is missing: the destination, exactly as the token names it');
  const names = inputNames(given, io);
  const journal = given.text('journal');
  if (journal !== null && names.length > 1) throw new UsageError('--journal goes with one input');
  if (journal !== null && given.isOn('noJournal')) {
    throw new UsageError('--journal and --no-journal are both given; keep one of them');
  }
  return {
    names,
    to,
    url: readUrl(given, env),
    token: tokenOf(given, env, to),
    waits: !given.isOn('noWait'),
    concurrency: count(given, 'concurrency', '--concurrency', CONCURRENCY_MAX) ?? CONCURRENCY_DEFAULT,
    attemptsMax: count(given, 'attemptsMax', '--attempts-max', 100),
    format: readFormat(given),
    journal,
    keepsJournal: !given.isOn('noJournal'),
    isFresh: given.isOn('fresh'),
    isJson: given.isOn('json'),
  };
}

function inputNames({ positionals }: Arguments, io: CommandIo): readonly string[] {
  if (positionals.length === 0 && io.stdin.isTTY) {
    throw new UsageError('FILE is missing; - reads stdin');
  }
  const names = positionals.length === 0 ? ['-'] : positionals;
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new UsageError(`${quote(twice)} is given twice`);
  return names;
}

function tokenOf(given: Arguments, env: Env, to: string): string | (() => string) {
  const token = readGivenToken(given, env);
  if (token !== null) return token;
  throw new UsageError(
    `there is no token: give --token-file FILE, or set EXPORT_TOKEN. Whoever runs the service makes one with ` +
      `export-service token mint --destination ${to}`,
  );
}

function readFormat(given: Arguments): Format {
  const format = given.text('format') ?? 'auto';
  if (format === 'auto' || format === 'json' || format === 'ndjson') return format;
  throw new UsageError(`--format must be auto, json or ndjson, not ${quote(format)}`);
}

function count(given: Arguments, key: string, flag: string, max: number): number | null {
  const text = given.text(key);
  if (text === null) return null;
  const number = /^\d+$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= max) return number;
  throw new UsageError(`${flag} must be a whole number from 1 to ${max}, not ${quote(text)}`);
}

async function openInputs({ names, format }: Plan, { stdin }: CommandIo): Promise<Input[]> {
  const inputs: Input[] = [];
  for (const name of names) inputs.push(await openInput(name, format, stdin));
  return inputs;
}

/** One for each input, in order. */
function openJournals(
  plan: Plan,
  inputs: readonly Input[],
  { now }: SendParts,
): Disposable & { readonly all: readonly Journal[] } {
  const { to, url, attemptsMax, token } = plan;
  const errand = { to, url, attemptsMax, client: clientIn(typeof token === 'string' ? token : token()) };
  const opened: Journal[] = [];
  const closeAll = (): void => {
    for (const journal of opened) journal[Symbol.dispose]();
  };
  try {
    for (const { name } of inputs) {
      const path = plan.journal ?? (name === '-' ? null : journalPath(name, plan.to));
      if (path === null || !plan.keepsJournal) {
        opened.push(Journal.none(errand, now));
        continue;
      }
      if (plan.isFresh) Journal.forget(path);
      opened.push(Journal.open(path, errand, now));
    }
  } catch (error) {
    closeAll();
    throw error;
  }
  return { all: opened, [Symbol.dispose]: closeAll };
}

/** Whose token it is, hashed; null for what is no token. */
function clientIn(token: string): string | null {
  try {
    return createHash('sha256').update(decode(token).identifier).digest('base64url');
  } catch {
    return null;
  }
}

async function* errandsOf(inputs: readonly Input[], journals: readonly Journal[]): AsyncGenerator<Errand> {
  for (const [at, input] of inputs.entries()) {
    const journal = journals[at];
    if (journal === undefined) throw new TypeError('Every input has a journal.');
    for await (const item of itemsOf(input)) yield { item, journal };
  }
}

function clientOf(plan: Plan, env: Env, parts: SendParts, report: Report): ExportClient {
  return new ExportClient({
    url: plan.url,
    token: plan.token,
    fetch: fetchForServices(env),
    repeat: {
      triesMax: TRIES_MAX,
      retryAfterMsMax: RETRY_AFTER_MS_MAX,
      sleep: async (ms, signal) => {
        using _told = report.waiting();
        await parts.sleep(ms, signal);
      },
    },
  });
}

/** The line moves also while nothing happens. */
function drawing(line: ProgressLine, io: CommandIo): Disposable {
  const timer = io.stderr.isTTY ? setInterval(() => line.draw(), DRAW_EVERY_MS) : undefined;
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** With what to do next. */
function whyItEnded(error: unknown, plan: Plan, report: Report): string {
  const isResumable = plan.keepsJournal && (plan.journal !== null || !plan.names.includes('-'));
  const next = isResumable
    ? 'Run the same command again within a day to go on; nothing is sent twice.'
    : 'Nothing was noted of it: running it again sends everything again.';
  return `${inWords(error, plan)} ${report.soFar()}. ${next}`;
}

function inWords(error: unknown, { to, url }: Plan): string {
  if (error instanceof ExportClientError)
    return `The service refuses (${error.code}): ${error.detail}${advice(error, to)}`;
  if (error instanceof ExportConnectionError) {
    return `${error.message} Is the service running, and is ${url} its address? export-service doctor --url ${url} tells more.`;
  }
  return error instanceof Error ? error.message : String(error);
}

function advice({ status, code }: ExportClientError, to: string): string {
  if (status === 401) return ` export-service token inspect tells what the token says; it must be for ${to}.`;
  if (code === 'unexpected_answer') return ' Is --url the address of an export service?';
  return '';
}

function help(): string {
  return [
    'Usage: export-service send --to URL [FLAGS] [FILE…|-]\n',
    renderText(
      'Exports JSON files, or NDJSON line by line, and waits for the results. Every line of JSON leaves byte for byte. ' +
        'Without FILE, or with -, it reads stdin. On a terminal it shows how far it is.',
    ),
    renderText(
      'What is done is noted beside each file. Stopped by Ctrl-C, a crash or a refusal, run the same command again within ' +
        'a day: it goes on, and nothing is sent twice. When all was delivered the note is removed; when some were not, ' +
        'running it again sends those.',
    ),
    `Flags:\n${renderRows([...Object.values(FLAGS).map(flagRow), HELP_ROW])}`,
    `Examples:\n${[
      'send --to https://lab.example/in --token-file token.txt day.json',
      'send --to https://lab.example/in readings.ndjson --concurrency 64',
      'jq -c .[] readings.json | export-service send --to https://lab.example/in --no-wait',
      'send --to https://lab.example/in --json *.json > results.ndjson',
    ]
      .map((line) => (line.startsWith('jq') ? `  ${line}\n` : `  export-service ${line}\n`))
      .join('')}`,
    renderText(
      'Exit codes: 0 every export was delivered (with --no-wait: accepted), 1 some were not, or it was stopped, 2 wrong usage.',
    ),
  ].join('\n');
}
