/** `export-service exports`: what left, what is on its way, and taking it back. */
import type { OwnerClient, WireOwnedExport, WirePage, WireState } from '../client/index.ts';
import { type Flags, quote, UsageError } from '../src/config.ts';
import { detailsOf, exportRows } from './owner/export-text.ts';
import { type OwnerAction, type OwnerAsk, runOwnerGroup } from './owner/owner-command.ts';
import { renderTable } from './owner/table.ts';
import { formatExports } from './terminal.ts';

const LIMIT_DEFAULT = 30;
const LIMIT_MAX = 1_000_000;
/** Of the service. */
const PAGE_MAX = 500;

const STATES: Readonly<Record<string, WireState>> = {
  pending: 'Pending',
  processing: 'Processing',
  finished: 'Finished',
};

const LIST_FLAGS = {
  app: {
    names: ['--app'],
    placeholder: 'NAME',
    meaning: "Only those of this app: the identifier of its token. '' for those whose tokens name none",
  },
  destination: {
    names: ['--destination'],
    placeholder: 'URL',
    meaning: 'Only those to this URL, or to this origin, such as https://example.org',
  },
  state: {
    names: ['--state'],
    placeholder: 'STATE',
    meaning: 'Only those that are pending, processing or finished',
  },
  limit: {
    names: ['-L', '--limit'],
    placeholder: 'N',
    meaning: `How many at most, the newest first; default ${LIMIT_DEFAULT}`,
  },
  before: {
    names: ['--before'],
    placeholder: 'CURSOR',
    meaning: 'Go on from there: "next" of an earlier answer with --json',
  },
} as const satisfies Flags;

const LIST: OwnerAction = {
  words: 'exports list',
  operand: null,
  summary: 'What left, and what is on its way',
  about: [
    'Lists exports, the newest first. On a terminal the columns fit its width; elsewhere there is a line for each export, ' +
      'its values whole and with tabs between: id, app, submitter, destination, state, bytes, time of acceptance.',
    'A token of the box may name no app. Then the submitter is shown by address, which is not proven: whoever is on the ' +
      'box\'s network may have taken it. With --json that is "peer", and no more proven.',
  ],
  flags: LIST_FLAGS,
  examples: [
    'exports list',
    'exports list --app steps --state finished --limit 100',
    'exports list --destination https://example.org --json',
  ],
  scope: { method: 'GET', path: '/owner/exports*' },
  run: async (ask) => {
    const { given, client, io, env, now } = ask;
    const state = given.text('state');
    if (state !== null && STATES[state.toLowerCase()] === undefined)
      throw new UsageError(`--state is pending, processing or finished, not ${quote(state)}`);
    const page = await firstExports(client, limitOf(ask), {
      app: given.text('app') ?? undefined,
      destination: given.text('destination') ?? undefined,
      state: state === null ? undefined : STATES[state.toLowerCase()],
      before: given.text('before') ?? undefined,
    });
    if (io.stdout.isTTY !== true || given.isOn('json'))
      return { json: page, text: renderTable(exportRows(now), page.items, io.stdout, env) };
    if (page.items.length === 0) return { json: page, text: 'There are no exports like that.\n' };
    const more = page.next === null ? '' : '; there are more: --limit takes another number';
    const heading = `\nThe newest ${formatExports(page.items.length)}${more}\n\n`;
    return { json: page, text: heading + renderTable(exportRows(now), page.items, io.stdout, env) };
  },
};

const SHOW: OwnerAction = {
  words: 'exports show',
  operand: { name: 'ID' },
  summary: 'One export, with its attempts',
  about: ['Shows one export and every attempt to deliver it. Never what was exported.'],
  flags: {},
  examples: ['exports show 01939c6e-5b1f-7e2a-9d3c-4f5a6b7c8d9e'],
  scope: { method: 'GET', path: '/owner/exports/*' },
  run: async ({ given, client, io, env, now }) => {
    const found = await client.get(idOf(given.positionals));
    return { json: found, text: detailsOf(found, io.stdout, env, now) };
  },
};

const CANCEL: OwnerAction = {
  words: 'exports cancel',
  operand: { name: 'ID' },
  summary: 'Take an export back',
  about: [
    'Takes an export back. It is not sent, or not sent again; the app sees 403 Forbidden and the code cancelled. A request ' +
      'that is open to the destination already ends as it does: if it delivers, the export is delivered.',
  ],
  flags: {},
  examples: ['exports cancel 01939c6e-5b1f-7e2a-9d3c-4f5a6b7c8d9e'],
  scope: { method: 'POST', path: '/owner/exports/*' },
  run: async ({ given, client }) => {
    const found = await client.cancel(idOf(given.positionals));
    const text = {
      cancelled: `Export ${found.id} is cancelled.\n`,
      open: `Export ${found.id} is being sent just now: it ends with this attempt, and no other follows.\n`,
    };
    return { json: found, text: found.outcome === null ? text.open : text.cancelled };
  },
};

const REDELIVER: OwnerAction = {
  words: 'exports redeliver',
  operand: { name: 'ID' },
  summary: 'Deliver an export once more',
  about: [
    'Delivers the data of an export once more, as a new export of the same app, which rules and budgets hold for. The data ' +
      'must still be kept: --keep-payloads of the service says for how long it is, by default not at all.',
  ],
  flags: {},
  examples: ['exports redeliver 01939c6e-5b1f-7e2a-9d3c-4f5a6b7c8d9e'],
  scope: { method: 'POST', path: '/owner/exports/*' },
  run: async ({ given, client }) => {
    const found = await client.redeliver(idOf(given.positionals));
    const held = found.held_by === null ? '' : `, and a rule holds it (${found.held_by})`;
    return { json: found, text: `Export ${found.id} delivers it once more${held}.\n` };
  },
};

/** `export-service exports list|show|cancel|redeliver`. */
export const run = runOwnerGroup(
  {
    name: 'exports',
    about: "What left the box, what is on its way, and taking it back; over the running service's owner API.",
  },
  [LIST, SHOW, CANCEL, REDELIVER],
);

function limitOf({ given }: OwnerAsk): number {
  const text = given.text('limit') ?? String(LIMIT_DEFAULT);
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX)
    throw new UsageError(`--limit is a whole number from 1 to ${LIMIT_MAX}, not ${quote(text)}`);
  return limit;
}

/** As many as are wanted, over as many pages as that takes. */
async function firstExports(
  client: OwnerClient,
  limit: number,
  query: Parameters<OwnerClient['page']>[0],
): Promise<WirePage<WireOwnedExport>> {
  const items: WireOwnedExport[] = [];
  let next = query?.before ?? null;
  do {
    const count = Math.min(limit - items.length, PAGE_MAX);
    const page = await client.page({ ...query, before: next ?? undefined, limit: count });
    items.push(...page.items);
    next = page.next;
  } while (next !== null && items.length < limit);
  return { items, next };
}

function idOf([id = '']: readonly string[]): string {
  if (id === '') throw new UsageError('the ID of an export is not empty');
  return id;
}
