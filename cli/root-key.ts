import type { WireRootKeyRefresh } from '../client/index.ts';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { flagRow, HELP_ROW, renderRows, renderSettings, renderText } from '../src/config/help.ts';
import {
  asksForHelp,
  type Env,
  type Flags,
  loadConfig,
  quote,
  readArguments,
  settingFlags,
  UsageError,
} from '../src/config.ts';
import { OWNER_FLAGS, OWNER_SETTINGS, OWNER_TOKEN_HELP, ownerClient } from './owner/owner-call.ts';
import { systemParts, type TokenParts } from './token/parts.ts';

const FLAGS = {
  dropOld: {
    names: ['--drop-old'],
    placeholder: null,
    meaning:
      'Keep the new key only: every token in the field ends, and apps must get new ones from the arbiter',
  },
  ...OWNER_FLAGS,
  json: { names: ['--json'], placeholder: null, meaning: "Print the service's answer as JSON" },
} as const satisfies Flags;

const SCOPE = { method: 'POST', path: '/owner/root-key/refresh' } as const;

/** `export-service root-key refresh`. */
export async function run(
  args: readonly string[],
  env: Env,
  io: CommandIo,
  parts: TokenParts = systemParts,
): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (asksForHelp(args)) {
    io.stdout.write(HELP);
    return EXIT.done;
  }
  if (name !== 'refresh') throw new UsageError(`${missingAction(name)}; root-key --help tells about it`);
  const given = readArguments(rest, { ...FLAGS, ...settingFlags(OWNER_SETTINGS) });
  const { config } = loadConfig(given, env);
  const owner = ownerClient(SCOPE, { given, env, config, parts });
  const answer = await owner.refreshRootKey({ dropOld: given.isOn('dropOld') });
  io.stdout.write(given.isOn('json') ? `${JSON.stringify(answer, null, 2)}\n` : inWords(answer));
  return EXIT.done;
}

function missingAction(name: string | undefined): string {
  const choice = 'root-key goes with refresh';
  return name === undefined ? choice : `${choice}, not ${quote(name)}`;
}

function inWords({ keys, dropped }: WireRootKeyRefresh): string {
  const good = keys === 1 ? '1 root key is good now' : `${keys} root keys are good now`;
  if (dropped === 0) return `The arbiter gave a new root key: ${good}.\n`;
  const old = dropped === 1 ? '1 old one was dropped' : `${dropped} old ones were dropped`;
  const ended = keys === 1 ? ' Every token in the field has ended: apps get new ones from the arbiter.' : '';
  return `The arbiter gave a new root key: ${good}, ${old}.${ended}\n`;
}

const HELP = [
  'Usage: export-service root-key refresh [FLAGS]\n',
  renderText(
    'Has the running service ask its arbiter for a new root key: the arbiter signs tokens with it from then on. ' +
      'Earlier tokens stay good, unless --drop-old ends them. A service does this by itself at every start and when a ' +
      'lost connection to the arbiter is back; it is needed by hand when the box has registered the service anew ' +
      'while both were running, or to end tokens that got into the wrong hands.',
  ),
  `Flags:\n${renderRows([...Object.values(FLAGS).map(flagRow), HELP_ROW])}`,
  renderText(OWNER_TOKEN_HELP),
  renderSettings(OWNER_SETTINGS),
  `Examples:\n${[
    'root-key refresh',
    'root-key refresh --drop-old --url http://127.0.0.1:8080 --data-dir /data',
  ]
    .map((line) => `  export-service ${line}\n`)
    .join('')}`,
].join('\n');
