import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from '../src/config/help.ts';
import { formatSizeBytes } from '../src/config/quantities.ts';
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
import { findStoreKeys } from '../src/keys/store-keys.ts';
import { rekey } from '../src/rekey.ts';
import { checkStore, type StoreReport } from '../src/store/sqlite/check.ts';
import { backupStore, migrateStore } from '../src/store/sqlite/maintenance.ts';
import { isCovered } from './ledger/coverage.ts';

/** `export-service store check|migrate|backup|rekey`. */
export async function run(args: readonly string[], env: Env, io: CommandIo): Promise<ExitCode> {
  const [name, ...rest] = args;
  const action = ACTIONS.get(name ?? '');
  if (action === undefined) {
    if (!asksForHelp(args)) throw new UsageError(`${missingAction(name)}; store --help tells about them`);
    io.stdout.write(HELP);
    return EXIT.done;
  }
  if (asksForHelp(rest)) {
    io.stdout.write(helpOf(action));
    return EXIT.done;
  }
  const given = readArguments(
    rest,
    { ...FLAGS, ...settingFlags(action.settings) },
    action.word === null ? 0 : 1,
  );
  const { config } = loadConfig(given, env);
  const { text, json, code } = await action.run(config, given);
  io.stdout.write(given.isOn('json') ? `${JSON.stringify(json, null, 2)}\n` : text);
  return code;
}

interface Outcome {
  readonly text: string;
  readonly json: unknown;
  readonly code: ExitCode;
}

interface Action {
  readonly name: string;
  /** What stands behind the name; null for nothing. */
  readonly word: string | null;
  readonly summary: string;
  readonly about: string;
  readonly examples: readonly string[];
  readonly settings: readonly SettingKey[];
  run(config: Config, given: Arguments): Promise<Outcome> | Outcome;
}

const FLAGS = {
  json: { names: ['--json'], placeholder: null, meaning: 'Print JSON' },
} as const satisfies Flags;

const STORE_SETTINGS: readonly SettingKey[] = ['dataDir', 'store'];
const KEY_SETTINGS: readonly SettingKey[] = ['dataDir', 'keyFile', 'store'];

const CHECK: Action = {
  name: 'check',
  word: null,
  summary: 'Say whether the store is whole and makes sense',
  about:
    'Reads the whole store, also while a service uses it, and changes nothing. Prints what is wrong with it, in words; ' +
    'the exit code is 1 then. Where the key file is, it opens all that is encrypted too. While it reads, a busy service ' +
    'writes a longer log than usual.',
  examples: ['store check', 'store check --data-dir /data --json'],
  settings: KEY_SETTINGS,
  run({ store, keyFile }) {
    const report = checkStore(store.path, (secret) => findStoreKeys(secret, keyFile));
    const isSound = report.problems.length === 0;
    const { problems, isOpened } = report;
    return {
      text: isSound ? soundText(store.path, report) : problemsText(store.path, report),
      json: { store: store.path, sound: isSound, ...reportJson(report), opened: isOpened, problems },
      code: isSound ? EXIT.done : EXIT.failed,
    };
  },
};

const MIGRATE: Action = {
  name: 'migrate',
  word: null,
  summary: "Bring the store to this release's schema",
  about:
    'A start of the service does the same; this does it beforehand. It is one transaction: the store has the new schema ' +
    'or is as it was. The service must not run. There is no way back to an older release but a backup.',
  examples: ['store migrate', 'store migrate --store sqlite:/data/exports.db'],
  settings: STORE_SETTINGS,
  run({ store }) {
    const { from, to } = migrateStore(store.path);
    const text =
      from === to
        ? `The store ${store.path} has schema version ${to} already.\n`
        : `The store ${store.path} went from schema version ${from} to ${to}.\n`;
    return { text, json: { store: store.path, from, to }, code: EXIT.done };
  },
};

const BACKUP: Action = {
  name: 'backup',
  word: 'FILE',
  summary: 'Copy the store as it is at one moment, also while a service uses it',
  about:
    'Makes FILE, which must not be there yet and only its owner can read, and checks it. Keep the key file too: without ' +
    'it the copy does not start. To restore, stop the service, put FILE in the place of the store, delete the files ' +
    'beside it whose names end in -wal and -shm, leave ledger.head as it is, and start. What had left since the copy was ' +
    'made leaves again then, and the ledger goes on as a new log that names the old one.',
  examples: [
    'store backup /backup/exports-2026-01-31.db',
    'store backup --data-dir /data exports.copy --json',
  ],
  settings: KEY_SETTINGS,
  async run({ store, keyFile, dataDir }, given) {
    const [file] = given.positionals;
    if (file === undefined) throw new UsageError('store backup needs FILE: where the copy goes');
    const report = await backupStore(store.path, file);
    const covered = await isCovered(file, dataDir);
    const text =
      `${file} is a copy of ${store.path}: ${exportsText(report)}.\n` +
      `Keep the key file ${keyFile} too: without it the copy does not start.\n${covered ? '' : UNCOVERED}`;
    const json = { store: store.path, file, key_file: keyFile, covered, ...reportJson(report) };
    return { text, json, code: EXIT.done };
  },
};

const UNCOVERED =
  'The end of its ledger is under no checkpoint yet: start the service on the store once more before that copy is used.\n';

const REKEY: Action = {
  name: 'rekey',
  word: null,
  summary: 'Give the store a new master key',
  about:
    'Makes a new key, puts everything that is encrypted in the store under it, and puts it in the place of the old one. ' +
    'The service must not run. When it is cut off, the store has its old key or its new one, and starts with the key ' +
    'file that is there. Copies of the store that were made before open with the old key only: keep it as long as them, ' +
    'or delete both.',
  examples: ['store rekey', 'store rekey --data-dir /data --json'],
  settings: KEY_SETTINGS,
  async run(config) {
    const { store, keyFile } = config;
    const { payloads, answers, secrets, unopened } = await rekey(config);
    const left =
      unopened === 0
        ? ''
        : `${unopened} did not open under the old one either and were left: see store check.\n`;
    const text =
      `The store ${store.path} has a new master key: ${payloads} payloads, ${answers} answers and errors, and ` +
      `${secrets} secrets are under it.\n${left}` +
      `Keep a copy of the key file ${keyFile}; the old key opens nothing in this store any more.\n`;
    const json = { store: store.path, key_file: keyFile, payloads, answers, secrets, unopened };
    return { text, json, code: EXIT.done };
  },
};

const ALL = [CHECK, MIGRATE, BACKUP, REKEY];

const ACTIONS: ReadonlyMap<string, Action> = new Map(ALL.map((action) => [action.name, action]));

function missingAction(name: string | undefined): string {
  const choice = 'store goes with check, migrate, backup or rekey';
  return name === undefined ? choice : `${choice}, not ${quote(name)}`;
}

function reportJson({ schemaVersion, exports, bytes, bytesUsed }: StoreReport): object {
  return { schema_version: schemaVersion, bytes, bytes_used: bytesUsed, exports };
}

function soundText(path: string, report: StoreReport): string {
  const { schemaVersion, bytes, bytesUsed, isOpened } = report;
  const opened = isOpened ? '' : 'What is encrypted in it was not looked at: its key file is not there.\n';
  return (
    `The store ${path} is sound: ${exportsText(report)}; schema version ${schemaVersion}, ` +
    `${formatSizeBytes(bytes)}, of which ${formatSizeBytes(bytesUsed)} are in use.\n${opened}`
  );
}

function problemsText(path: string, { problems }: StoreReport): string {
  const lines = problems.map(({ detail }) => `- ${detail}\n`).join('');
  return `The store ${path} is not sound:\n${lines}docs/operating.md tells what to do.\n`;
}

function exportsText({ exports }: StoreReport): string {
  const counts = Object.entries(exports ?? {}).filter(([, count]) => count > 0);
  return counts.length === 0 ? 'no exports' : counts.map(([state, count]) => `${count} ${state}`).join(', ');
}

const HELP = [
  'Usage: export-service store check|migrate|backup|rekey [FLAGS]\n',
  renderText('Looks after the store of exports.'),
  `Commands:\n${renderRows(ALL.map((action) => [usageOf(action), action.summary]))}`,
  `Flags:\n${renderRows([HELP_ROW])}`,
  `Examples:\n${[CHECK, BACKUP].map(({ examples }) => `  export-service ${examples[0]}\n`).join('')}`,
  renderText('store COMMAND --help tells more.'),
].join('\n');

function usageOf({ name, word }: Action): string {
  return word === null ? name : `${name} ${word}`;
}

function helpOf(action: Action): string {
  return [
    `Usage: export-service store ${usageOf(action)} [FLAGS]\n`,
    renderText(action.about),
    `Flags:\n${renderRows([...Object.values(FLAGS).map(flagRow), HELP_ROW])}`,
    renderSettings(action.settings),
    `Examples:\n${action.examples.map((line) => `  export-service ${line}\n`).join('')}`,
  ].join('\n');
}
