import { ExportClientError, ExportConnectionError, type OwnerClient } from '../../client/index.ts';
import { type CommandIo, EXIT, type ExitCode } from '../../src/command.ts';
import {
  flagRow,
  HELP_ROW,
  type Row,
  renderRows,
  renderSettings,
  renderText,
} from '../../src/config/help.ts';
import {
  type Arguments,
  asksForHelp,
  type Env,
  type Flags,
  loadConfig,
  quote,
  readArguments,
  settingFlags,
  UsageError,
} from '../../src/config.ts';
import { systemParts, type TokenParts } from '../token/parts.ts';
import { OWNER_FLAGS, OWNER_SETTINGS, OWNER_TOKEN_HELP, type OwnerScope, ownerClient } from './owner-call.ts';

/** What an action is run with. */
export interface OwnerAsk {
  readonly given: Arguments;
  readonly client: OwnerClient;
  readonly io: CommandIo;
  readonly env: Env;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** One thing that the owner can do from the command line. */
export interface OwnerAction {
  /** The words after `export-service`. */
  readonly words: string;
  /** What goes with them, such as `ID`; null for nothing but flags. */
  readonly operand: { readonly name: string; readonly isOptional?: boolean } | null;
  readonly summary: string;
  /** Paragraphs for `--help`. */
  readonly about: readonly string[];
  readonly flags: Flags;
  /** Without `export-service`. */
  readonly examples: readonly string[];
  readonly scope: OwnerScope;
  /**
   * Does it, checking first what only it knows about its flags.
   *
   * @returns what `--json` prints, and the same for people
   */
  run(ask: OwnerAsk): Promise<{ readonly json: unknown; readonly text: string }>;
}

const JSON_FLAG = {
  json: { names: ['--json'], placeholder: null, meaning: "Print the service's answer as JSON" },
} as const satisfies Flags;

/** Runs `export-service GROUP NAME …`. */
export function runOwnerGroup(
  group: { readonly name: string; readonly about: string },
  actions: readonly OwnerAction[],
): (args: readonly string[], env: Env, io: CommandIo, parts?: TokenParts) => Promise<ExitCode> {
  return async (args, env, io, parts = systemParts) => {
    const [name, ...rest] = args;
    const action = actions.find(({ words }) => words === `${group.name} ${name}`);
    if (action !== undefined) return runOwnerAction(action, rest, env, io, parts);
    if (!asksForHelp(args)) {
      const names = actions.map(({ words }) => words.slice(group.name.length + 1));
      const choice = `${group.name} goes with ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
      const instead = name === undefined ? '' : `, not ${quote(name)}`;
      throw new UsageError(`${choice}${instead}; ${group.name} --help tells about them`);
    }
    io.stdout.write(groupHelp(group, actions));
    return EXIT.done;
  };
}

/** Runs one action. */
export async function runOwnerAction(
  action: OwnerAction,
  args: readonly string[],
  env: Env,
  io: CommandIo,
  parts: TokenParts = systemParts,
): Promise<ExitCode> {
  if (asksForHelp(args)) {
    io.stdout.write(actionHelp(action));
    return EXIT.done;
  }
  const flags = { ...action.flags, ...OWNER_FLAGS, ...JSON_FLAG, ...settingFlags(OWNER_SETTINGS) };
  const given = readArguments(args, flags, action.operand === null ? 0 : 1);
  requireOperand(action, given);
  const { config } = loadConfig(given, env);
  const client = ownerClient(action.scope, { given, env, config, parts });
  try {
    const { json, text } = await action.run({ given, client, io, env, now: parts.now() });
    io.stdout.write(given.isOn('json') ? `${JSON.stringify(json, null, 2)}\n` : text);
  } catch (error) {
    throw withNextStep(error);
  }
  return EXIT.done;
}

function requireOperand({ words, operand, examples }: OwnerAction, given: Arguments): void {
  if (operand === null || operand.isOptional || given.positionals.length > 0) return;
  throw new UsageError(`${words} needs ${operand.name}; for example: export-service ${examples[0]}`);
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  unknown_export: 'export-service exports list shows which there are.',
  not_found: 'export-service rules list shows which there are.',
  already_finished: 'export-service exports show tells how it ended.',
  missing_token: "Give an owner's token with --token-file.",
  invalid_token: 'Is this the service whose data directory (--data-dir) or secret is named here?',
  caveat_refused: "An owner's token: export-service token mint --path '/owner/*' --method '*'.",
  caveat_missing: "An owner's token: export-service token mint --path '/owner/*' --method '*'.",
};

/** The error, and what to do about it. */
function withNextStep(error: unknown): unknown {
  const step =
    error instanceof ExportConnectionError
      ? 'Is the service running there? export-service serve starts one; --url names another address.'
      : error instanceof ExportClientError
        ? NEXT_STEPS[error.code]
        : undefined;
  if (step === undefined || !(error instanceof Error)) return error;
  return new Error(`${error.message}\n  ${step}`, { cause: error });
}

function groupHelp(
  { name, about }: { readonly name: string; readonly about: string },
  actions: readonly OwnerAction[],
): string {
  const names = actions.map(({ words }) => words.slice(name.length + 1));
  const rows = actions.map(({ words, summary }): Row => [words.slice(name.length + 1), summary]);
  return [
    `Usage: export-service ${name} ${names.join('|')} [FLAGS]\n`,
    renderText(about),
    `Commands:\n${renderRows(rows)}`,
    renderText(`${name} COMMAND --help tells more.`),
    examplesText(actions.flatMap(({ examples }) => examples.slice(0, 1))),
  ].join('\n');
}

function actionHelp({ words, operand, about, flags, examples }: OwnerAction): string {
  const word = operand === null ? '' : operand.isOptional ? ` [${operand.name}]` : ` ${operand.name}`;
  const all = [...Object.values({ ...flags, ...OWNER_FLAGS, ...JSON_FLAG }).map(flagRow), HELP_ROW];
  return [
    `Usage: export-service ${words}${word} [FLAGS]\n`,
    ...about.map(renderText),
    `Flags:\n${renderRows(all)}`,
    renderText(OWNER_TOKEN_HELP),
    renderSettings(OWNER_SETTINGS),
    examplesText(examples),
  ].join('\n');
}

function examplesText(lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  export-service ${line}\n`).join('')}`;
}
