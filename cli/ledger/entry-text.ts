import type { LedgerEntry } from '../../src/ledger/entry.ts';
import { formatBytes, printable } from '../terminal.ts';

/** An entry as a line for people. */
export function entryLine(entry: LedgerEntry): string {
  return printable(`${entry.time}  ${entry.kind.padEnd(10)}  ${wordsOf(entry)}`);
}

function wordsOf(entry: LedgerEntry): string {
  switch (entry.kind) {
    case 'log':
      return `${entry.origin} (${entry.reason})`;
    case 'start':
      return `export-service ${entry.version}`;
    case 'accepted':
      return `${laneOf(entry)}, ${formatBytes(entry.bytes)}, from ${entry.peer ?? 'an unknown address'}; ${entry.export}`;
    case 'redelivery':
      return `${laneOf(entry)}, ${formatBytes(entry.bytes)}, ${entry.redelivery_of} again; ${entry.export}`;
    case 'attempt':
      return `${laneOf(entry)}, number ${entry.number}, ${exchangeOf(entry)}; ${entry.export}`;
    case 'outcome':
      return `${laneOf(entry)}, ${entry.state}, ${exchangeOf(entry)}; ${entry.export}`;
    case 'cancel':
      return `${laneOf(entry)}, ${entry.result}${byOf(entry)}; ${entry.export}`;
    case 'rule':
      return `${entry.type} ${entry.change}${byOf(entry)}: ${targetOf(entry)}; ${entry.rule}`;
    case 'key':
      return `${entry.purpose} key ${entry.change}${byOf(entry)}`;
    case 'refused':
      return `${entry.count} times, ${entry.code}: ${entry.others ? 'of various apps' : targetOf(entry)}`;
    case 'erasure':
      return `of the texts before entry ${entry.before}${entry.log === null ? '' : ` of ${entry.log}`}`;
  }
}

/** Who to where. */
function laneOf({ app, destination }: { readonly app: string | null; readonly destination: string }): string {
  return `${app ?? '(no name)'} to ${destination}`;
}

function targetOf(target: { readonly app: string | null; readonly destination: string | null }): string {
  return `${target.app ?? 'every app'} to ${target.destination ?? 'everywhere'}`;
}

function exchangeOf(entry: {
  readonly status: number | null;
  readonly error: string | null;
  readonly address: string | null;
}): string {
  const { status, error, address } = entry;
  const answer = [status === null ? null : `status ${status}`, error].filter((part) => part !== null);
  const where = address === null ? '' : ` at ${address}`;
  return `${answer.join(', ')}${where}`;
}

function byOf({ by }: { readonly by: string | null }): string {
  return by === null || by === '' ? '' : ` by ${by}`;
}
