import type { OwnerClient, WireNewRule, WireRule } from '../../client/index.ts';
import { parseSizeBytes } from '../../src/config/quantities.ts';
import { type Arguments, type Flags, quote, UsageError } from '../../src/config.ts';
import { formatAgo, formatBytes, formatCount, printable } from '../terminal.ts';
import type { OwnerAction } from './owner-command.ts';
import { type Column, renderTable } from './table.ts';

const KINDS = ['block', 'hold', 'budget'] as const;
type Kind = (typeof KINDS)[number];

const TARGET_FLAGS = {
  app: {
    names: ['--app'],
    placeholder: 'NAME',
    meaning:
      "The app, by the identifier of its token; left out, every app. '' is the apps whose tokens name none",
  },
  destination: {
    names: ['--destination'],
    placeholder: 'URL',
    meaning: 'An exact URL, or an origin such as https://example.org; left out, every destination',
  },
} as const satisfies Flags;

const NOTE_FLAG = {
  note: { names: ['--note'], placeholder: 'TEXT', meaning: 'Your own words, to remember why' },
} as const satisfies Flags;

const BUDGET_FLAGS = {
  limit: {
    names: ['--limit'],
    placeholder: 'N',
    meaning: 'Of a budget: how much; of bytes also a size such as 10MiB',
  },
  unit: { names: ['--unit'], placeholder: 'UNIT', meaning: 'Of a budget: exports or bytes' },
  per: { names: ['--per'], placeholder: 'TIME', meaning: 'Of a budget: hour or day, by UTC' },
} as const satisfies Flags;

export const LIST_RULES: OwnerAction = {
  words: 'rules list',
  operand: null,
  summary: 'The rules that are in force',
  about: [
    'Lists the rules, the oldest first. Elsewhere than on a terminal, a line for each with tabs between.',
  ],
  flags: {},
  examples: ['rules list', 'rules list --json'],
  scope: { method: 'GET', path: '/owner/rules' },
  run: async ({ client, io, env, now }) => {
    const items = await client.rules();
    const json = { items, next: null };
    if (items.length === 0 && io.stdout.isTTY === true)
      return { json, text: 'There are no rules: everything that a token allows leaves.\n' };
    return { json, text: renderTable(ruleRows(now), items, io.stdout, env) };
  },
};

export const ADD_RULE: OwnerAction = {
  words: 'rules add',
  operand: { name: KINDS.join('|') },
  summary: 'Make a rule: block, hold or budget',
  about: [
    'block refuses new exports and ends those that wait. hold takes exports in and sends none until it is removed. budget ' +
      'refuses new exports once so many exports or bytes were taken in within the hour or the day.',
    'A rule is in force when the command ends. A request that is open to a destination already ends as it does.',
  ],
  flags: { ...TARGET_FLAGS, ...BUDGET_FLAGS, ...NOTE_FLAG },
  examples: [
    'rules add block --destination https://example.org',
    'rules add hold --app steps --note "until I have asked"',
    'rules add budget --limit 100 --unit exports --per day',
    'rules add budget --app photos --limit 50MiB --unit bytes --per hour',
  ],
  scope: { method: 'POST', path: '/owner/rules' },
  run: async ({ given, client }) => {
    const rule = await client.addRule(newRule(kindOf(given), given));
    return { json: rule, text: `${sentenceOf(rule)} Rule ${rule.id}.\n` };
  },
};

export const REMOVE_RULE: OwnerAction = {
  words: 'rules remove',
  operand: { name: 'ID' },
  summary: 'Take a rule away',
  about: ['Takes a rule away. What a hold kept leaves then; what a block ended stays ended.'],
  flags: {},
  examples: ['rules remove 01939c6e-5b1f-7e2a-9d3c-4f5a6b7c8d9e'],
  scope: { method: 'DELETE', path: '/owner/rules/*' },
  run: async ({ given, client }) => {
    const [id = ''] = given.positionals;
    await client.removeRule(id);
    return { json: { removed: [id] }, text: `Rule ${printable(id)} is gone.\n` };
  },
};

export const HOLD: OwnerAction = {
  words: 'hold',
  operand: null,
  summary: 'Let nothing leave for now',
  about: [
    'Takes exports in and sends none, until they are released: those of an app, to a destination, or all. It is the rule of ' +
      'that name (rules add hold). A request that is open to a destination already ends as it does.',
  ],
  flags: { ...TARGET_FLAGS, ...NOTE_FLAG },
  examples: [
    'hold',
    'hold --app steps --note "until I have asked"',
    'hold --destination https://example.org',
  ],
  scope: { method: 'POST', path: '/owner/rules' },
  run: async ({ given, client }) => {
    const rule = await client.addRule(newRule('hold', given));
    const flags = (['app', 'destination'] as const)
      .filter((name) => rule[name] !== undefined)
      .map((name) => ` --${name} ${quote(rule[name] ?? '')}`);
    const undo = `To let it leave: export-service release${flags.join('')}`;
    return { json: rule, text: `${sentenceOf(rule)} ${undo}\n` };
  },
};

export const RELEASE: OwnerAction = {
  words: 'release',
  operand: { name: 'ID', isOptional: true },
  summary: 'Let leave what was held',
  about: [
    'Takes holds away; what they kept leaves. Without more it is the hold on everything; with --app or --destination those ' +
      'that were made with the very same; with an ID that one; with --all every hold.',
  ],
  flags: {
    ...TARGET_FLAGS,
    all: { names: ['--all'], placeholder: null, meaning: 'Every hold there is' },
  },
  examples: ['release', 'release --app steps', 'release --all'],
  scope: { method: '*', path: '/owner/rules*' },
  run: async ({ given, client }) => {
    refuseTwoChoices(given);
    const holds = (await client.rules()).filter(({ kind }) => kind === 'hold');
    const wanted = holds.filter((rule) => isWanted(rule, given));
    if (wanted.length === 0) throw new Error(noSuchHold(holds));
    await removeAll(client, wanted);
    const text = wanted.map((rule) => `${released(rule)}\n`).join('');
    return { json: { removed: wanted.map(({ id }) => id) }, text };
  },
};

function kindOf({ positionals }: Arguments): Kind {
  const kind = KINDS.find((each) => each === positionals[0]);
  if (kind === undefined)
    throw new UsageError(`rules add goes with block, hold or budget, not ${quote(positionals[0] ?? '')}`);
  return kind;
}

function newRule(kind: Kind, given: Arguments): WireNewRule {
  const target = {
    ...(given.text('app') === null ? {} : { app: given.text('app') }),
    ...(given.text('destination') === null ? {} : { destination: given.text('destination') }),
    ...(given.text('note') === null ? {} : { note: given.text('note') }),
  };
  if (kind === 'budget') return { ...target, kind, ...budgetOf(given) };
  const odd = Object.keys(BUDGET_FLAGS).find((name) => given.text(name) !== null);
  if (odd !== undefined) throw new UsageError(`--${odd} goes with a budget, and this is a ${kind}`);
  return { ...target, kind };
}

function budgetOf(given: Arguments): { limit: number; unit: 'bytes' | 'exports'; per: 'hour' | 'day' } {
  const unit = oneOf(given, 'unit', ['exports', 'bytes']);
  const per = oneOf(given, 'per', ['hour', 'day']);
  const text = given.text('limit') ?? '';
  const limit = unit === 'bytes' ? parseSizeBytes(text) : /^\d{1,15}$/.test(text) ? Number(text) : null;
  if (limit === null) {
    const wanted = unit === 'bytes' ? 'a size such as 10MiB' : 'a whole number';
    throw new UsageError(text === '' ? 'a budget needs --limit' : `--limit is ${wanted}, not ${quote(text)}`);
  }
  return { limit, unit, per };
}

function oneOf<const Choice extends string>(
  given: Arguments,
  name: string,
  choices: readonly [Choice, Choice],
): Choice {
  const text = given.text(name);
  const choice = choices.find((each) => each === text);
  if (choice !== undefined) return choice;
  const words = choices.join(' or ');
  throw new UsageError(
    text === null ? `a budget needs --${name}: ${words}` : `--${name} is ${words}, not ${quote(text)}`,
  );
}

function refuseTwoChoices(given: Arguments): void {
  const choices = [
    given.positionals.length > 0,
    given.isOn('all'),
    given.text('app') !== null || given.text('destination') !== null,
  ];
  if (choices.filter(Boolean).length > 1)
    throw new UsageError('release takes an ID, or --all, or --app and --destination');
}

function isWanted(rule: WireRule, given: Arguments): boolean {
  const [id] = given.positionals;
  if (id !== undefined) return rule.id === id;
  if (given.isOn('all')) return true;
  return (rule.app ?? null) === given.text('app') && (rule.destination ?? null) === given.text('destination');
}

/** One after the other: what went before an error is gone, and is not asked for again. */
async function removeAll(client: OwnerClient, rules: readonly WireRule[]): Promise<void> {
  for (const { id } of rules) await client.removeRule(id);
}

function noSuchHold(holds: readonly WireRule[]): string {
  if (holds.length === 0) return 'Nothing is held.';
  const lines = holds.map((rule) => `  ${rule.id}  ${targetOf(rule)}`);
  return `There is no such hold. There are:\n${lines.join('\n')}\n  export-service release ID takes one away, release --all every one.`;
}

const RULES_OF_KIND: Readonly<Record<Kind, (rule: WireRule) => string>> = {
  block: (rule) => `Nothing leaves: ${targetOf(rule)}.`,
  hold: (rule) => `Nothing leaves for now: ${targetOf(rule)}.`,
  budget: (rule) => `At most ${amountOf(rule)}: ${targetOf(rule)}.`,
};

function sentenceOf(rule: WireRule): string {
  return RULES_OF_KIND[rule.kind](rule);
}

function released(rule: WireRule): string {
  return `Released: ${targetOf(rule)}.`;
}

function targetOf({ app, destination }: WireRule): string {
  const of = app === undefined ? 'every app' : appName(app);
  const to = destination === undefined ? 'every destination' : printable(destination);
  return `${of}, to ${to}`;
}

function appName(app: string): string {
  return app === '' ? 'apps whose tokens name none' : `app ${printable(app)}`;
}

function amountOf({ limit = 0, unit, per = 'day' }: WireRule): string {
  const amount =
    unit === 'bytes' ? formatBytes(limit) : `${formatCount(limit)} export${limit === 1 ? '' : 's'}`;
  return `${amount} per ${per}`;
}

function ruleRows(now: number): readonly Column<WireRule>[] {
  return [
    { title: 'ID', text: ({ id }) => id },
    { title: 'KIND', text: ({ kind }) => kind, format: ({ kind }) => (kind === 'block' ? 'red' : 'yellow') },
    {
      title: 'APP',
      text: ({ app }) => (app === undefined ? 'every app' : app === '' ? '(none named)' : app),
      raw: ({ app }) => app ?? '*',
      yields: 1,
    },
    {
      title: 'DESTINATION',
      text: ({ destination }) => destination ?? 'every destination',
      raw: ({ destination }) => destination ?? '*',
      yields: 2,
    },
    {
      title: 'LIMIT',
      text: (rule) => (rule.kind === 'budget' ? amountOf(rule) : '-'),
      raw: ({ limit, unit, per }) => (limit === undefined ? '' : `${limit} ${unit} per ${per}`),
    },
    { title: 'NOTE', text: ({ note }) => note ?? '-', raw: ({ note }) => note ?? '', yields: 3 },
    {
      title: 'MADE',
      text: ({ created_at: at }) => formatAgo(now - Date.parse(at)),
      raw: ({ created_at: at }) => at,
      format: () => 'dim',
    },
  ];
}
