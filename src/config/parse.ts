import { type Arguments, type Flag, type Flags, readArguments } from './arguments.ts';
import { IllFormed } from './kinds.ts';
import { type Config, flagName, SETTING_KEYS, type Setting, type SettingKey, settingOf } from './settings.ts';
import { quote, UsageError } from './usage-error.ts';

/** The environment, as `process.env` has it. */
export type Env = Readonly<Record<string, string | undefined>>;

/** A configuration and where each of its values comes from: a flag's or a variable's name, or `default`. */
export interface LoadedConfig {
  readonly config: Config;
  readonly sources: Readonly<Record<SettingKey, string>>;
}

/** The flags of these settings, for a command that takes them. */
export function settingFlags(keys: readonly SettingKey[] = SETTING_KEYS): Flags {
  return Object.fromEntries(keys.flatMap((key) => flagsOf(key)));
}

function flagsOf(key: SettingKey): [string, Flag][] {
  const setting = settingOf(key);
  const { kind, meaning, counted } = setting;
  const flag: Flag = {
    names: setting.flags,
    placeholder: kind.isBoolean ? null : kind.placeholder,
    meaning,
    isRepeatable: kind.isList ?? false,
  };
  if (counted === undefined) return [[key, flag]];
  return [
    [key, flag],
    [countKey(key), { names: [counted.flag], placeholder: null, meaning, isRepeatable: true }],
  ];
}

/**
 * The settings of `serve`, from a command line and an environment.
 *
 * @throws UsageError one line that names the flag or the variable
 */
export function parseConfig(args: readonly string[], env: Env): Config {
  return loadConfig(readArguments(args, settingFlags()), env).config;
}

/**
 * Flag over environment over default. Variables are read even where a command takes no flag for them.
 *
 * @throws UsageError one line that names the flag or the variable
 */
export function loadConfig(args: Arguments, env: Env): LoadedConfig {
  const texts = new Map(SETTING_KEYS.map((key) => [key, findText(key, args, env)]));
  const values = new Map<SettingKey, unknown>();
  // `dataDir` first: defaults of others are inside it.
  const dataDir = read('dataDir', texts.get('dataDir')) as string;
  for (const key of SETTING_KEYS) {
    const found = texts.get(key);
    values.set(key, found ? read(key, found) : defaultValue(settingOf(key), dataDir));
  }
  const config = Object.fromEntries(values) as unknown as Config;
  const sources = Object.fromEntries(SETTING_KEYS.map((key) => [key, texts.get(key)?.source ?? 'default']));
  return onlyOneSecret({ config, sources: sources as Record<SettingKey, string> }, args);
}

/** A value as text, and the flag or variable it came from. */
interface FoundText {
  readonly text: string;
  readonly source: string;
}

function findText(key: SettingKey, args: Arguments, env: Env): FoundText | null {
  const setting = settingOf(key);
  return flagText(key, setting, args) ?? envText(setting, env);
}

function flagText(key: SettingKey, setting: Setting<unknown>, args: Arguments): FoundText | null {
  const source = flagName(setting);
  const given = args.all(key);
  const count = args.all(countKey(key)).filter((value) => value === 'true').length;
  if (setting.counted === undefined || count === 0) {
    return given.length === 0 ? null : { text: given.join(','), source };
  }
  const { flag, values } = setting.counted;
  if (given.length > 0) throw new UsageError(`${source} and ${flag} are both given; keep one of them`);
  return { text: values[Math.min(count, values.length) - 1] ?? '', source: flag };
}

/** An empty variable counts as not set: that is how compose files and unit files leave one out. */
function envText(setting: Setting<unknown>, env: Env): FoundText | null {
  const text = env[setting.env];
  return text === undefined || text === '' ? null : { text, source: setting.env };
}

function read(key: SettingKey, found: FoundText | null | undefined): unknown {
  const setting = settingOf(key);
  if (!found) return setting.unset;
  try {
    return setting.kind.parse(found.text);
  } catch (error) {
    if (!(error instanceof IllFormed)) throw error;
    const shown = setting.isSecret || error.shown === null ? '' : `, not ${quote(error.shown)}`;
    throw new UsageError(`${found.source} ${error.message}${shown}`);
  }
}

function defaultValue(setting: Setting<unknown>, dataDir: string): unknown {
  if (!setting.default?.includes('<data-dir>')) return setting.unset;
  // As a function: a `$` in the folder's name is no pattern.
  return setting.kind.parse(setting.default.replace('<data-dir>', () => asFolder(dataDir)));
}

/**
 * The data folder as it stands in a default: `sqlite:` takes two slashes, `:memory:` and `file:` at the beginning of a
 * path for something else than a folder.
 */
function asFolder(dataDir: string): string {
  const path = dataDir.replace(/^\/{2,}/, '/').replace(/\/+$/, '');
  return path === '' || /^[./]/.test(path) ? path : `./${path}`;
}

/**
 * The root key and the file that holds it are two ways to say one thing, so a flag for one also outdoes the variable
 * of the other; two on the same level contradict each other.
 */
function onlyOneSecret(loaded: LoadedConfig, args: Arguments): LoadedConfig {
  const { config, sources } = loaded;
  if (config.secret === null || config.secretFile === null) return loaded;
  const [hasSecretFlag, hasFileFlag] = [args.text('secret') !== null, args.text('secretFile') !== null];
  if (hasSecretFlag === hasFileFlag) {
    throw new UsageError(`${sources.secret} and ${sources.secretFile} are both given; keep one of them`);
  }
  const dropped = hasSecretFlag ? 'secretFile' : 'secret';
  return { config: { ...config, [dropped]: null }, sources: { ...sources, [dropped]: 'default' } };
}

function countKey(key: SettingKey): string {
  return `${key} count`;
}
