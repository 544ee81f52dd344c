import { GROUPS, type Group, SETTING_KEYS, type SettingKey, settingOf } from './settings.ts';

/** The text of docs/settings.md. `npm run docs` writes it, a test compares. */
export function settingsPage(): string {
  return `${INTRODUCTION}\n${GROUPS.map(section).join('\n')}`;
}

const INTRODUCTION = `# Settings

<!-- Written by \`npm run docs\` from src/config/settings.ts: change it there. -->

The settings of \`export-service serve\`. A flag outdoes the environment, and that outdoes the default. An empty variable
counts as not set. An unknown flag, a flag given twice or a value of the wrong kind ends the start with one line that
names it, and exit code 2. \`serve --print-config\` shows what would be used and where each value comes from, secrets
masked.

- Flags: \`--flag value\` or \`--flag=value\`; those that are true or false: \`--flag\`, \`--flag=true\`, \`--flag=false\`.
- Durations: \`500ms\`, \`5s\`, \`2m\`, \`1h\`, \`7d\`. Sizes: \`64KiB\`, \`1MiB\`, \`10GiB\`, plain bytes.
- \`<data-dir>\` stands for the value of \`--data-dir\`.
- Traces are sent when \`OTEL_EXPORTER_OTLP_ENDPOINT\` is set; OpenTelemetry's other variables count as its specification says
  ([Monitor it](operating.md#traces)).
`;

const HEADINGS = ['flag', 'environment', 'default', 'value', 'meaning'];

function section(group: Group): string {
  const rows = SETTING_KEYS.filter((key) => settingOf(key).group === group).map(cells);
  return `## ${group}\n\n${table([HEADINGS, ...rows])}`;
}

function cells(key: SettingKey): string[] {
  const { flags, counted, env, default: text, kind, meaning } = settingOf(key);
  const names = [...flags, ...(counted === undefined ? [] : [counted.flag])].map((name) => `\`${name}\``);
  return [
    names.join(', '),
    `\`${env}\``,
    text === null ? 'none' : `\`${text}\``,
    kind.expected,
    `${meaning}.`,
  ];
}

/** Aligned, as the formatter would leave it: the page has to pass the same check as everything else. */
export function table([headings = [], ...rows]: readonly string[][]): string {
  const widths = headings.map((_, column) =>
    Math.max(...[headings, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  const rule = widths.map((width) => '-'.repeat(width));
  const padded = [headings, rule, ...rows].map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)),
  );
  return padded.map((row) => `| ${row.join(' | ')} |\n`).join('');
}
