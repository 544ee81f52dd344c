import { settingName } from './help.ts';
import type { Shown } from './kinds.ts';
import type { LoadedConfig } from './parse.ts';
import { SETTING_KEYS, type SettingKey, settingOf } from './settings.ts';

const MASK = '********';

/** A setting as `--print-config` shows it. */
interface ShownSetting {
  readonly value: Shown;
  readonly from: string;
}

/** `serve --print-config`: a line per setting with its value and where that comes from; secrets are masked. */
export function printConfig(loaded: LoadedConfig): string {
  const rows = shownSettings(loaded).map(([name, { value, from }]) => [name, inWords(value), from] as const);
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  return rows
    .map(([name, value, from]) => `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${from}\n`)
    .join('');
}

/** `serve --print-config --json`: the same as one JSON object, `{"port": {"value": 8080, "from": "default"}, …}`. */
export function printConfigJson(loaded: LoadedConfig): string {
  return `${JSON.stringify(Object.fromEntries(shownSettings(loaded)), null, 2)}\n`;
}

function shownSettings({ config, sources }: LoadedConfig): [string, ShownSetting][] {
  return SETTING_KEYS.map((key) => [
    settingName(key),
    { value: shownValue(key, config[key]), from: sources[key] },
  ]);
}

function shownValue(key: SettingKey, value: unknown): Shown {
  const { kind, isSecret } = settingOf(key);
  if (value === null) return null;
  return isSecret ? MASK : kind.show(value);
}

function inWords(value: Shown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join(', ');
  return value === null ? 'none' : String(value);
}
