/** `export-service doctor`: looks at what an export needs, and says in words what is wrong and what mends it. */
import { statfs } from 'node:fs/promises';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText, wrapText } from '../src/config/help.ts';
import {
  asksForHelp,
  type Env,
  type Flags,
  loadConfig,
  readArguments,
  type SettingKey,
  settingFlags,
} from '../src/config.ts';
import { checkArbiter } from './doctor/arbiter.ts';
import { checkDisk } from './doctor/disk.ts';
import type { Check, DoctorParts, Finding, Verdict } from './doctor/finding.ts';
import { checkService } from './doctor/service.ts';
import { checkStoreFile } from './doctor/store.ts';
import { checkExport } from './doctor/test-export.ts';
import { ACCESS_FLAGS, fetchTrustingBox, readGivenToken, readUrl } from './service-access.ts';
import { Paint, printable } from './terminal.ts';
import { newestRootKey, ROOT_KEY_SETTINGS, systemParts as systemRootKeys } from './token/parts.ts';

const FLAGS = {
  to: { names: ['--to'], placeholder: 'URL', meaning: 'Where one test export goes; left out, none is made' },
  ...ACCESS_FLAGS,
  json: { names: ['--json'], placeholder: null, meaning: 'Print JSON' },
} as const satisfies Flags;

/** The service's, where it is on this machine. */
const SETTINGS: readonly SettingKey[] = [...ROOT_KEY_SETTINGS, 'secretsDir', 'storeBytesMax'];

/** In the order in which one thing needs the other. */
const CHECKS: readonly Check[] = [checkDisk, checkStoreFile, checkService, checkArbiter, checkExport];

/** @returns 0 when nothing is wrong that keeps exports from leaving, otherwise 1 */
export async function run(
  args: readonly string[],
  env: Env,
  io: CommandIo,
  overrides: Partial<DoctorParts> = {},
): Promise<ExitCode> {
  if (asksForHelp(args)) {
    io.stdout.write(help());
    return EXIT.done;
  }
  const given = readArguments(args, { ...FLAGS, ...settingFlags(SETTINGS) });
  const { config } = loadConfig(given, env);
  const patient = {
    config,
    env,
    url: readUrl(given, env),
    to: given.text('to'),
    token: readGivenToken(given, env),
    parts: { ...systemParts(config.secretsDir), ...overrides },
  };
  const page = new Page(io, env, given.isOn('json'));
  for (const check of CHECKS) for (const finding of await check(patient)) page.tell(finding);
  return page.end();
}

function systemParts(secretsDir: string): DoctorParts {
  return {
    now: Date.now,
    fetch: fetchTrustingBox(secretsDir),
    freeBytes: async (folder) => {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    },
    loadRootKey: (config) => newestRootKey(systemRootKeys, config),
  };
}

const MARKS: Readonly<Record<Verdict, readonly [mark: string, colour: 'green' | 'yellow' | 'red' | 'dim']>> =
  {
    good: ['✓', 'green'],
    warning: ['!', 'yellow'],
    bad: ['✗', 'red'],
    skipped: ['-', 'dim'],
  };
const NAME_WIDTH = 8;
const TEXT_COLUMN = NAME_WIDTH + 4;
const ARROW = '→ ';
const COLUMNS_MAX = 110;

/** Tells each finding as soon as it is there, or all of them as JSON at the end. */
class Page {
  readonly #io: CommandIo;
  readonly #paint: Paint;
  readonly #isJson: boolean;
  readonly #findings: Finding[] = [];

  constructor(io: CommandIo, env: Env, isJson: boolean) {
    this.#io = io;
    this.#paint = new Paint(io.stdout, env);
    this.#isJson = isJson;
  }

  tell(finding: Finding): void {
    this.#findings.push(finding);
    if (this.#isJson) return;
    const [mark, colour] = MARKS[finding.verdict];
    const name = this.#paint.paint('bold', finding.check.padEnd(NAME_WIDTH));
    const [first = '', ...others] = this.#wrap(finding.text);
    this.#line(`${this.#paint.paint(colour, mark)} ${name}  ${first}`);
    const [what = '', ...more] = finding.remedy === undefined ? [] : this.#wrap(finding.remedy, ARROW.length);
    const remedy = what === '' ? [] : [ARROW + what, ...more.map((line) => ' '.repeat(ARROW.length) + line)];
    for (const line of [...others, ...remedy]) this.#line(`${' '.repeat(TEXT_COLUMN)}${line}`);
  }

  #wrap(text: string, indent = 0): string[] {
    const columns = Math.min(this.#io.stdout.columns || COLUMNS_MAX, COLUMNS_MAX);
    return wrapText(printable(text), columns - TEXT_COLUMN - indent);
  }

  end(): ExitCode {
    const bad = this.#findings.filter(({ verdict }) => verdict === 'bad').length;
    if (this.#isJson) {
      this.#line(JSON.stringify({ healthy: bad === 0, findings: this.#findings }, null, 2));
    } else {
      this.#line(`\n${bad === 0 ? 'Nothing here keeps exports from leaving.' : `${bad} to mend.`}`);
    }
    return bad === 0 ? EXIT.done : EXIT.failed;
  }

  #line(text: string): void {
    this.#io.stdout.write(`${text}\n`);
  }
}

function help(): string {
  return [
    'Usage: export-service doctor [--to URL] [FLAGS]\n',
    renderText(
      'Looks at disk, store, service, TLS, clock and arbiter and, with --to, makes one test export. Says in words what is ' +
        'wrong and what mends it. It changes nothing, and never asks the arbiter for a key. Where it can read the data ' +
        'directory, it makes itself a token for the test export that is good for two minutes.',
    ),
    `Flags:\n${renderRows([...Object.values(FLAGS).map(flagRow), HELP_ROW])}`,
    renderSettings(SETTINGS),
    `Examples:\n${[
      'doctor',
      'doctor --to https://lab.example/in',
      'doctor --url https://export-service:8080 --data-dir /data --json',
    ]
      .map((line) => `  export-service ${line}\n`)
      .join('')}`,
    renderText('Exit codes: 0 nothing keeps exports from leaving, 1 something does, 2 wrong usage.'),
  ].join('\n');
}
