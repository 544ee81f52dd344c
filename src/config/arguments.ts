import { parseArgs } from 'node:util';
import { boolean, IllFormed } from './kinds.ts';
import { quote, UsageError } from './usage-error.ts';

/** A flag of the command line, as it is read and as `--help` shows it. */
export interface Flag {
  /** `-p`, `--port`; the last one is the flag's name in messages. */
  readonly names: readonly string[];
  /** Stands for the value in `--help`; null when there is none but true and false. */
  readonly placeholder: string | null;
  /** Sentences for `--help`, without the last full stop. */
  readonly meaning: string;
  readonly isRepeatable?: boolean;
}

export type Flags = Readonly<Record<string, Flag>>;

/** What a command line says, sorted by the keys of the `Flags` it was read with. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #given: ReadonlyMap<string, readonly string[]>;

  constructor(given: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.#given = given;
    this.positionals = positionals;
  }

  /** Every value of a flag, in order; `true` for a flag without one. */
  all(key: string): readonly string[] {
    return this.#given.get(key) ?? [];
  }

  /** The value of a flag that is not repeatable; null when it was not given. */
  text(key: string): string | null {
    return this.all(key)[0] ?? null;
  }

  /** Whether a flag without a value was given. */
  isOn(key: string): boolean {
    return this.text(key) === 'true';
  }
}

/**
 * Reads `args`: `--flag value`, `--flag=value`, `-f value`, and flags without a value, alone or as `--flag=true|false`.
 *
 * @param positionalsMax how many words that belong to no flag are taken
 * @throws UsageError for the first thing that is wrong, in the order of the command line; a value is shown only where
 *   no secret can be
 */
export function readArguments(args: readonly string[], flags: Flags, positionalsMax = 0): Arguments {
  const byName = flagsByName(flags);
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  let previous: string | null = null;
  for (const token of tokenize(args, flags)) {
    if (token.kind === 'positional') {
      if (positionals.length === positionalsMax) throw unexpected(token.value, previous);
      positionals.push(token.value);
    } else if (token.kind === 'option') {
      const [key, flag] = byName.get(token.rawName) ?? unknown(token.rawName);
      const value = flag.placeholder === null ? switchValue(token) : givenValue(token);
      const values = given.get(key) ?? [];
      if (values.length > 0 && !flag.isRepeatable)
        throw new UsageError(`${flag.names.at(-1)} is given twice`);
      given.set(key, [...values, value]);
      previous = flag.placeholder === null ? token.rawName : null;
    }
  }
  return new Arguments(given, positionals);
}

/** Whether `--help` or `-h` is among `args`, whatever else is wrong with them. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? undefined : end).some((arg) => arg === '--help' || arg === '-h');
}

type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

/** Not strict: parseArgs' own messages show values, which may be secrets, and take several lines. */
function tokenize(args: readonly string[], flags: Flags): Token[] {
  const options = Object.fromEntries(Object.values(flags).map((flag) => optionOf(flag)));
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function optionOf(flag: Flag): [string, { type: 'string' | 'boolean'; multiple: true; short?: string }] {
  const short = flag.names.find((name) => !name.startsWith('--'))?.slice(1);
  const name = flag.names.find((long) => long.startsWith('--'))?.slice(2) ?? short ?? '';
  const type = flag.placeholder === null ? 'boolean' : 'string';
  return [name, { type, multiple: true, ...(short === undefined ? {} : { short }) }];
}

function flagsByName(flags: Flags): Map<string, [string, Flag]> {
  return new Map(
    Object.entries(flags).flatMap(([key, flag]) =>
      flag.names.map((name): [string, [string, Flag]] => [name, [key, flag]]),
    ),
  );
}

function givenValue(token: OptionToken): string {
  // `--secret --port` has forgotten a value; one that begins with a dash can be written `--secret=-x`.
  const looksLikeFlag = !token.inlineValue && token.value !== undefined && /^-./.test(token.value);
  if (token.value === undefined || looksLikeFlag) throw new UsageError(`${token.rawName} needs a value`);
  return token.value;
}

function switchValue(token: OptionToken): 'true' | 'false' {
  if (token.value === undefined) return 'true';
  try {
    return boolean.parse(token.value) ? 'true' : 'false';
  } catch (error) {
    if (!(error instanceof IllFormed)) throw error;
    throw new UsageError(`${token.rawName} ${error.message}, not ${quote(token.value)}`);
  }
}

function unknown(name: string): never {
  throw new UsageError(`unknown flag ${quote(name).slice(1, -1)}`);
}

function unexpected(word: string, previousSwitch: string | null): UsageError {
  const isMeantForSwitch = previousSwitch !== null && (word === 'true' || word === 'false');
  const hint = isMeantForSwitch ? `; write ${previousSwitch}=${word}` : '';
  return new UsageError(`unexpected argument ${quote(word)}${hint}`);
}
