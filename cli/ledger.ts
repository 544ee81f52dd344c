/** `export-service ledger`: what left the box, and whether the record of it holds. */
import { existsSync } from 'node:fs';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from '../src/config/help.ts';
import {
  type Arguments,
  asksForHelp,
  type Config,
  type Env,
  type Flags,
  loadConfig,
  quote,
  readArguments,
  type SettingKey,
  settingFlags,
  UsageError,
} from '../src/config.ts';
import { DisclosureAccount } from '../src/ledger/disclosures.ts';
import { parseEntry } from '../src/ledger/entry.ts';
import { accountJson, accountText } from './ledger/account.ts';
import { breakJson, breakLine } from './ledger/breaks.ts';
import { entryLine } from './ledger/entry-text.ts';
import { readTrusted } from './ledger/outside.ts';
import { Proofs } from './ledger/proofs.ts';
import { readSelection, SELECTION_FLAGS, type Selection } from './ledger/selection.ts';
import { openServiceSource } from './ledger/service-source.ts';
import type { LedgerSource, SourceLog } from './ledger/source.ts';
import { openStoreSource } from './ledger/store-source.ts';
import { type LedgerReport, type LogReport, verifyLedger } from './ledger/verification.ts';
import { OWNER_FLAGS, OWNER_SETTINGS, OWNER_TOKEN_HELP } from './owner/owner-call.ts';
import { formatCount } from './terminal.ts';
import { systemParts, type TokenParts } from './token/parts.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1_000_000;
const SETTINGS: readonly SettingKey[] = [...OWNER_SETTINGS, 'checkpointTo'];

const SOURCE_FLAGS = {
  ...OWNER_FLAGS,
  url: {
    ...OWNER_FLAGS.url,
    meaning:
      'Ask the service there [EXPORT_URL]. Default: read the store, or ask http://127.0.0.1:8080 where there is none',
  },
} as const satisfies Flags;

const TRUST_FLAGS = {
  checkpoint: {
    names: ['--checkpoint'],
    placeholder: 'FILE',
    meaning:
      'Hold the ledger against this checkpoint or receipt, which was kept where nobody of the box can write; repeatable',
    isRepeatable: true,
  },
  key: {
    names: ['--key'],
    placeholder: 'KEY',
    meaning: 'The verifier key that was kept there, NAME+ID+KEY; without it the ledger is taken at its word',
  },
} as const satisfies Flags;

const JSON_FLAG = {
  json: { names: ['--json'], placeholder: null, meaning: 'Print JSON' },
} as const satisfies Flags;

/** What an action is called with. */
interface Call {
  readonly given: Arguments;
  readonly config: Config;
  readonly source: LedgerSource;
  readonly write: (text: string) => void;
}

interface Action {
  readonly name: string;
  readonly summary: string;
  readonly about: readonly string[];
  readonly flags: Flags;
  readonly examples: readonly string[];
  run(call: Call): Promise<ExitCode>;
}

const LIST: Action = {
  name: 'list',
  summary: 'What left, what did not, and who decided so: entry by entry',
  about: [
    'Prints the newest entries, the oldest of them first. With --json as the service gives them, each with the log that it is in.',
  ],
  flags: {
    ...SELECTION_FLAGS,
    limit: {
      names: ['-L', '--limit'],
      placeholder: 'N',
      meaning: `How many at most; default ${LIMIT_DEFAULT}`,
    },
    logs: { names: ['--logs'], placeholder: null, meaning: 'List the logs and their keys instead' },
  },
  examples: [
    'ledger list',
    'ledger list --app sleep-app --since 2026-11-01 --limit 500',
    'ledger list --logs --json',
  ],
  run: list,
};

const VERIFY: Action = {
  name: 'verify',
  summary: 'Recompute the whole ledger, and name the first entry that does not hold',
  about: [
    'Recomputes every hash of every log and holds it against every checkpoint that is at hand. The exit code is 1 when ' +
      'something does not hold: an entry that was changed, removed, moved or put in, an end that was cut off, a text that was ' +
      'erased and nothing says so.',
    'Where a log goes on from another one, as after a restore, a line says what was lost there. Entries that were signed and ' +
      'are gone make the exit code 1 as well; the words say whether the log that went on admits it, as after a restore ' +
      'beside the last head, or not, as when somebody has cut off the end.',
    'Whoever can write to the store and has its keys could write another history and sign it. Only a checkpoint that was ' +
      'kept elsewhere can tell: --checkpoint. The files of --checkpoint-to are read too, where they are set.',
  ],
  flags: TRUST_FLAGS,
  examples: ['ledger verify', 'ledger verify --checkpoint /mnt/usb/ledger.head --key "$(cat ledger.key)"'],
  run: verify,
};

const EXPORT: Action = {
  name: 'export',
  summary: 'An account of what left, for others: with proofs, or as a report',
  about: [
    'Prints entries as NDJSON, each with the hashes that lead from it to the checkpoint of its log, which is printed after ' +
      'them: so each can be checked by itself. With --report it prints who sent what where, when, how much and how often.',
    'The ledger is verified first. When something does not hold, nothing is printed and the exit code is 1. What was lost ' +
      'by a restore, and is admitted by the log that went on, is told at the end, and no reason to print nothing.',
  ],
  flags: {
    ...SELECTION_FLAGS,
    ...TRUST_FLAGS,
    report: {
      names: ['--report'],
      placeholder: null,
      meaning: 'Add it up for people; with --json for programs',
    },
  },
  examples: [
    'ledger export --since 2026-01-01 --until 2027-01-01 > account.ndjson',
    'ledger export --report --destination https://study.example',
  ],
  run: exportEntries,
};

const ALL = [LIST, VERIFY, EXPORT];
const ACTIONS: ReadonlyMap<string, Action> = new Map(ALL.map((action) => [action.name, action]));

/** `export-service ledger list|verify|export`. */
export async function run(
  args: readonly string[],
  env: Env,
  io: CommandIo,
  parts: TokenParts = systemParts,
): Promise<ExitCode> {
  const [name = '', ...rest] = args;
  const action = ACTIONS.get(name);
  if (action === undefined) {
    if (!asksForHelp(args)) throw new UsageError(`${missingAction(name)}; ledger --help tells about them`);
    io.stdout.write(HELP);
    return EXIT.done;
  }
  if (asksForHelp(rest)) {
    io.stdout.write(helpOf(action));
    return EXIT.done;
  }
  const given = readArguments(rest, { ...flagsOf(action), ...settingFlags(SETTINGS) });
  const { config } = loadConfig(given, env);
  await using source = await openSource({ given, env, config, parts });
  // Awaited here: the source is closed when this returns.
  return await action.run({ given, config, source, write: (text) => io.stdout.write(text) });
}

/** Where an address is given, the service there; else the store, or the service at the usual address. */
async function openSource(call: {
  given: Arguments;
  env: Env;
  config: Config;
  parts: TokenParts;
}): Promise<LedgerSource> {
  const { given, env, config } = call;
  const isNamed = given.text('url') !== null || Boolean(env.EXPORT_URL);
  return !isNamed && existsSync(config.store.path) ? openStoreSource(config) : openServiceSource(call);
}

function missingAction(name: string): string {
  const choice = 'ledger goes with list, verify or export';
  return name === '' ? choice : `${choice}, not ${quote(name)}`;
}

// -- list ---------------------------------------------------------------------------------------------------------------

async function list({ given, source, write }: Call): Promise<ExitCode> {
  const logs = await logsOf(source, given);
  if (given.isOn('logs')) {
    const items = logs.map(({ origin, verifierKey, size }) => ({ origin, verifier_key: verifierKey, size }));
    write(
      given.isOn('json')
        ? `${JSON.stringify({ items, next: null }, null, 2)}\n`
        : logs.map(({ origin, verifierKey, size }) => `${origin}\t${size}\t${verifierKey}\n`).join(''),
    );
    return EXIT.done;
  }
  const newest = await newestOf(source, logs, readSelection(given), readLimit(given));
  if (given.isOn('json')) {
    const items = newest.map(({ log, index, text, leafHash }) => ({
      log,
      index,
      entry: text,
      leaf_hash: Buffer.from(leafHash).toString('base64'),
    }));
    write(`${JSON.stringify({ items, next: null }, null, 2)}\n`);
  } else for (const { text } of newest) write(`${entryLine(parseEntry(text))}\n`);
  return EXIT.done;
}

interface Selected {
  readonly log: string;
  readonly index: number;
  readonly text: string;
  readonly leafHash: Uint8Array;
}

/** The entries that are meant, in their order; those whose text is erased say nothing any more. */
async function* selected(
  source: LedgerSource,
  logs: readonly SourceLog[],
  isMeant: Selection,
): AsyncGenerator<Selected> {
  for (const { origin } of logs) {
    for await (const { index, text, leafHash } of source.entries(origin, 0)) {
      if (text !== null && isMeant(parseEntry(text))) yield { log: origin, index, text, leafHash };
    }
  }
}

async function newestOf(
  source: LedgerSource,
  logs: readonly SourceLog[],
  isMeant: Selection,
  limit: number,
): Promise<Selected[]> {
  const newest: Selected[] = [];
  for await (const entry of selected(source, logs, isMeant)) {
    newest.push(entry);
    if (newest.length >= 2 * limit) newest.splice(0, newest.length - limit);
  }
  return newest.slice(-limit);
}

function readLimit(given: Arguments): number {
  const text = given.text('limit') ?? String(LIMIT_DEFAULT);
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX)
    throw new UsageError(`--limit must be a whole number from 1 to ${LIMIT_MAX}, not ${quote(text)}`);
  return limit;
}

/** All logs, or the one that is named. */
async function logsOf(source: LedgerSource, given: Arguments): Promise<readonly SourceLog[]> {
  const logs = await source.logs();
  const name = given.text('log');
  if (name === null) return logs;
  const found = logs.filter(({ origin }) => origin === name);
  if (found.length === 0) throw new Error(`There is no log ${quote(name)} in ${source.name}.`);
  return found;
}

// -- verify -------------------------------------------------------------------------------------------------------------

async function verify({ given, config, source, write }: Call): Promise<ExitCode> {
  const report = await verifyLedger(source, await readTrusted(given, config));
  write(given.isOn('json') ? `${JSON.stringify(reportJson(report), null, 2)}\n` : reportText(report, given));
  return report.isWhole ? EXIT.done : EXIT.failed;
}

function reportJson({ logs, problems, breaks, isSound, isWhole }: LedgerReport): object {
  return {
    sound: isSound,
    whole: isWhole,
    logs: logs.map(({ origin, verifierKey, verification, heads, problems: ofLog }) => ({
      origin,
      verifier_key: verifierKey,
      entries: verification.head.size,
      covered: verification.covered,
      erased: verification.erased,
      flaw: verification.flaw,
      unexplained_erasure: verification.unexplainedErasure,
      checkpoints: heads.map(({ where, size }) => ({ where, size })),
      problems: ofLog,
    })),
    breaks: breaks.map(breakJson),
    problems,
  };
}

function reportText({ logs, problems, breaks, isSound }: LedgerReport, given: Arguments): string {
  const lines = [...logs.flatMap(logLines), ...breaks.map(breakLine), ...problems];
  if (isSound && given.all('checkpoint').length === 0)
    lines.push(
      'No checkpoint from elsewhere was given: whoever has this box and its keys could have written all of it anew.',
    );
  return `${lines.join('\n')}\n`;
}

function logLines({ origin, verification, problems }: LogReport): string[] {
  const { flaw, head, covered, erased, unexplainedErasure } = verification;
  const wrongs = [
    ...(flaw === null ? [] : [`entry ${flaw.first} does not hold: ${flaw.detail}`]),
    ...(unexplainedErasure === null
      ? []
      : [`the text of entry ${unexplainedErasure} is missing, and no erasure is on record`]),
    ...problems,
  ];
  if (wrongs.length > 0) return wrongs.map((wrong) => `${origin}: ${wrong}`);
  const texts = erased === 0 ? '' : `; of ${formatCount(erased)} only the hash is left, as is on record`;
  return [
    `${origin}: ${formatCount(head.size)} entries hold, ${formatCount(covered)} of them under a signed checkpoint${texts}.`,
  ];
}

// -- export -------------------------------------------------------------------------------------------------------------

async function exportEntries(call: Call): Promise<ExitCode> {
  const { given, config, source, write } = call;
  const logs = await logsOf(source, given);
  const isMeant = readSelection(given);
  const report = await verifyLedger(source, await readTrusted(given, config));
  if (!report.isSound) throw new Error(`The ledger does not hold.\n${reportText(report, given)}`.trimEnd());
  const reports = report.logs.filter(({ origin }) => logs.some((log) => log.origin === origin));
  // What is missing next to a log that is named is a part of what is said of it.
  const isNamed = (name: string): boolean => logs.some(({ origin }) => origin === name);
  const breaks = report.breaks.filter(({ origin, previous }) => isNamed(origin) || isNamed(previous));
  if (given.isOn('report')) {
    const account = new DisclosureAccount();
    for await (const { text } of selected(source, logs, isMeant)) account.add(parseEntry(text));
    const disclosures = account.disclosures();
    write(
      given.isOn('json')
        ? `${JSON.stringify(accountJson(disclosures, reports, breaks), null, 2)}\n`
        : accountText(disclosures, reports, breaks),
    );
    return EXIT.done;
  }
  for (const log of logs) await exportLog(call, log, isMeant);
  for (const each of breaks) write(`${JSON.stringify({ break: breakJson(each) })}\n`);
  return EXIT.done;
}

/** Entries that no checkpoint covers have no proof. */
async function exportLog({ source, write }: Call, log: SourceLog, isMeant: Selection): Promise<void> {
  const { origin, verifierKey } = log;
  const { note, size } = await largestCheckpoint(source, origin);
  const proofs = new Proofs();
  for await (const { leafHash } of source.entries(origin, 0)) proofs.add(leafHash);
  for await (const { index, text } of selected(source, [log], isMeant)) {
    const proof =
      index < size ? proofs.of(index, size).map((hash) => Buffer.from(hash).toString('base64')) : null;
    write(`${JSON.stringify({ log: origin, index, entry: text, proof })}\n`);
  }
  write(`${JSON.stringify({ log: origin, verifier_key: verifierKey, checkpoint: note })}\n`);
}

async function largestCheckpoint(
  source: LedgerSource,
  origin: string,
): Promise<{ note: string | null; size: number }> {
  const notes = (await source.checkpoints(origin)).map(({ note }) => ({
    note,
    size: Number(note.split('\n')[1]),
  }));
  return notes.toSorted((one, other) => other.size - one.size)[0] ?? { note: null, size: 0 };
}

// -- help ---------------------------------------------------------------------------------------------------------------

function flagsOf({ flags }: Action): Flags {
  return { ...SOURCE_FLAGS, ...flags, ...JSON_FLAG };
}

const HELP = [
  'Usage: export-service ledger list|verify|export [FLAGS]\n',
  renderText(
    'What left the box, what did not, and who decided so, in a record that nobody can change unseen. docs/ledger.md ' +
      'explains it. Reads the store, also beside a service that uses it, or asks the service.',
  ),
  `Commands:\n${renderRows(ALL.map(({ name, summary }) => [name, summary]))}`,
  `Flags:\n${renderRows([HELP_ROW])}`,
  `Examples:\n${ALL.map(({ examples }) => `  export-service ${examples[0]}\n`).join('')}`,
  renderText('ledger COMMAND --help tells more.'),
].join('\n');

function helpOf(action: Action): string {
  return [
    `Usage: export-service ledger ${action.name} [FLAGS]\n`,
    ...action.about.map(renderText),
    `Flags:\n${renderRows([...Object.values(flagsOf(action)).map(flagRow), HELP_ROW])}`,
    renderText(OWNER_TOKEN_HELP),
    renderSettings(SETTINGS),
    `Examples:\n${action.examples.map((line) => `  export-service ${line}\n`).join('')}`,
  ].join('\n');
}
