import type { Flag } from './arguments.ts';
import { flagName, GROUPS, SETTING_KEYS, type Setting, type SettingKey, settingOf } from './settings.ts';

const COLUMNS = 100;
/** Where the right column begins; a longer left one has a line of its own. */
const TEXT_COLUMN = 34;

/** A line of `--help`: a term and what it means. */
export type Row = readonly [term: string, text: string];

/** Every command has it. */
export const HELP_ROW: Row = ['-h, --help', 'This text'];

/** Two aligned columns, wrapped at 100 characters. */
export function renderRows(rows: readonly Row[]): string {
  return rows.map(([term, text]) => renderRow(term, text)).join('');
}

/** Paragraphs, wrapped at 100 characters. */
export function renderText(text: string): string {
  return `${wrapText(text, COLUMNS).join('\n')}\n`;
}

/** What `--help` says of a command's own flag. */
export function flagRow(flag: Flag): Row {
  return [flagTerm(flag.names, flag.placeholder), flag.meaning];
}

/** All settings, or some, under the headings of their groups. */
export function renderSettings(keys: readonly SettingKey[] = SETTING_KEYS): string {
  const sections = GROUPS.map(
    (group) => [group, keys.filter((key) => settingOf(key).group === group)] as const,
  );
  return sections
    .filter(([, inGroup]) => inGroup.length > 0)
    .map(([group, inGroup]) => `${group}:\n${renderRows(inGroup.map(settingRow))}`)
    .join('\n');
}

function settingRow(key: SettingKey): Row {
  const setting = settingOf(key);
  const origin = setting.default === null ? setting.env : `${setting.env}, default ${setting.default}`;
  return [settingTerm(setting), `${setting.meaning} [${unbroken(origin)}]`];
}

function settingTerm({ kind, flags, counted, default: text }: Setting<unknown>): string {
  if (kind.isBoolean) return flagTerm(flags, null) + (text === 'true' ? '=false' : '');
  const term = flagTerm(flags, kind.placeholder);
  return counted === undefined ? term : `${term}, ${counted.flag}`;
}

/** `-p, --port PORT`; those without a short form leave its place empty. */
function flagTerm(names: readonly string[], placeholder: string | null): string {
  const term = names.join(', ');
  const indented = names.length === 1 && term.startsWith('--') ? `    ${term}` : term;
  return placeholder === null ? indented : `${indented} ${placeholder}`;
}

const NO_BREAK = '\u00a0';

/** A line is not broken inside `text`. */
function unbroken(text: string): string {
  return text.replaceAll(' ', NO_BREAK);
}

function renderRow(term: string, text: string): string {
  const lines = wrapText(text, COLUMNS - TEXT_COLUMN);
  const left = `  ${term}`;
  const indent = ' '.repeat(TEXT_COLUMN);
  if (left.length > TEXT_COLUMN - 2) return `${left}\n${lines.map((line) => `${indent}${line}\n`).join('')}`;
  return lines.map((line, index) => `${index === 0 ? left.padEnd(TEXT_COLUMN) : indent}${line}\n`).join('');
}

/** Lines of at most `width` characters, broken at blanks; a longer word has a line of its own. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((whole) => whole.replaceAll(NO_BREAK, ' '));
}

/** `--port` without its dashes: a setting's name in lists. */
export function settingName(key: SettingKey): string {
  return flagName(settingOf(key)).replace(/^-+/, '');
}
