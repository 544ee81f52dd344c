import type { WireAttempt, WireOwnedExport } from '../../client/index.ts';
import type { Output } from '../../src/command.ts';
import type { Env } from '../../src/config.ts';
import { type Format, formatAgo, formatBytes, formatDuration, Paint, printable } from '../terminal.ts';
import { alignedTable, type Column } from './table.ts';

const FORMATS: Readonly<Record<string, Format>> = {
  delivered: 'green',
  undeliverable: 'red',
  blocked: 'yellow',
  cancelled: 'yellow',
  held: 'yellow',
  processing: 'cyan',
};

/** The columns of the list of exports. */
export function exportRows(now: number): readonly Column<WireOwnedExport>[] {
  return [
    { title: 'ID', text: ({ id }) => id },
    { title: 'APP', text: submitterOf, raw: ({ app }) => app ?? '', yields: 1 },
    { title: 'SUBMITTER', text: ({ peer }) => notProven(peer) ?? '', isForPrograms: true },
    { title: 'DESTINATION', text: ({ destination }) => destination, yields: 2 },
    { title: 'STATE', text: conditionOf, format: (item) => FORMATS[conditionOf(item)] ?? null },
    {
      title: 'SIZE',
      text: ({ bytes }) => formatBytes(bytes),
      raw: ({ bytes }) => String(bytes),
      isNumber: true,
    },
    {
      title: 'ACCEPTED',
      text: (item) => ago(item.accepted_at, now),
      raw: (item) => item.accepted_at,
      format: dim,
    },
  ];
}

/** Everything about one export, a line for each thing. */
export function detailsOf(item: WireOwnedExport, output: Output, env: Env, now: number): string {
  const paint = new Paint(output, env);
  const state = conditionOf(item);
  const format = FORMATS[state];
  const rows: [name: string, value: string | null][] = [
    ['App', item.app === null ? 'not named by its token' : printable(item.app)],
    ['Submitter', notProven(item.peer)],
    ['Destination', printable(item.destination)],
    ['State', format === undefined ? state : paint.paint(format, state)],
    ['Held by', item.held_by],
    ['Redelivery of', item.redelivery_of],
    ['Size', formatBytes(item.bytes)],
    ['Accepted', `${item.accepted_at} (${ago(item.accepted_at, now)})`],
    ['Finished', item.finished_at === null ? null : `${item.finished_at} (${ago(item.finished_at, now)})`],
  ];
  const lines = rows.flatMap(([name, value]) =>
    value === null ? [] : [`${paint.paint('dim', name.padEnd(15))}${value}\n`],
  );
  const attempts =
    item.attempts.length === 0
      ? 'No attempt was made yet.\n'
      : alignedTable(ATTEMPT_ROWS, item.attempts, output, env);
  return `${paint.paint('bold', item.id)}\n\n${lines.join('')}\n${attempts}`;
}

const ATTEMPT_ROWS: readonly Column<WireAttempt>[] = [
  { title: 'ATTEMPT', text: ({ number }) => String(number), isNumber: true },
  { title: 'STARTED', text: ({ started_at: time }) => time },
  {
    title: 'TOOK',
    text: ({ started_at: start, ended_at: end }) => formatDuration(Date.parse(end) - Date.parse(start)),
    isNumber: true,
  },
  { title: 'ADDRESS', text: ({ address }) => address ?? '-', yields: 1 },
  { title: 'STATUS', text: ({ status }) => (status === null ? '-' : String(status)) },
  {
    title: 'ERROR',
    text: ({ error }) => (error === null ? '-' : `${error.code}: ${error.detail}`),
    yields: 2,
  },
];

/** The app, or where there is none whoever handed it in. */
function submitterOf({ app, peer }: WireOwnedExport): string {
  return app ?? notProven(peer) ?? '-';
}

function notProven(peer: string | null): string | null {
  return peer === null ? null : `${peer}, not proven`;
}

/** How it ended, or where it is. */
function conditionOf({ outcome, held_by: heldBy, state }: WireOwnedExport): string {
  if (outcome !== null) return outcome;
  return heldBy === null ? state.toLowerCase() : 'held';
}

function ago(time: string, now: number): string {
  return formatAgo(now - Date.parse(time));
}

function dim(): Format {
  return 'dim';
}
