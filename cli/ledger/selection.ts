import { parseTimeOrDay } from '../../src/auth/rfc3339.ts';
import { type Arguments, type Flags, quote, UsageError } from '../../src/config.ts';
import { matcherOf } from '../../src/export/rules.ts';
import type { LedgerEntry } from '../../src/ledger/entry.ts';

/** The flags that say which entries are meant. */
export const SELECTION_FLAGS = {
  since: {
    names: ['--since'],
    placeholder: 'TIME',
    meaning: 'Only what was recorded then or later: a day, or a time such as 2026-11-24T12:00:00Z',
  },
  until: { names: ['--until'], placeholder: 'TIME', meaning: 'Only what was recorded before' },
  app: {
    names: ['--app'],
    placeholder: 'NAME',
    meaning: "Only what this app exported: the identifier of its token. '' for those whose tokens name none",
  },
  destination: {
    names: ['--destination'],
    placeholder: 'URL',
    meaning: 'Only what is about this URL, or this origin, such as https://example.org',
  },
  log: { names: ['--log'], placeholder: 'ORIGIN', meaning: 'Only of this log; all of them when left out' },
} as const satisfies Flags;

/** Whether an entry is meant. */
export type Selection = (entry: LedgerEntry) => boolean;

/** @throws UsageError */
export function readSelection(given: Arguments): Selection {
  const since = readTime(given, 'since');
  const until = readTime(given, 'until');
  const app = given.text('app');
  const destination = given.text('destination');
  const target = { id: '', kind: 'hold', app, destination, note: null, createdAt: 0 } as const;
  const { matches } = matcherOf(target);
  const isOfAll = app === null && destination === null;
  return (entry) => {
    if ((since !== null && entry.time < since) || (until !== null && entry.time >= until)) return false;
    if (isOfAll) return true;
    if (!('destination' in entry) || entry.destination === null) return false;
    return matches({ client: entry.app ?? '', destination: entry.destination });
  };
}

/** As entries write times, so that their texts compare. */
function readTime(given: Arguments, flag: 'since' | 'until'): string | null {
  const text = given.text(flag);
  if (text === null) return null;
  const at = parseTimeOrDay(text);
  if (at === undefined)
    throw new UsageError(
      `--${flag} must be a day, or a time such as 2026-11-24T12:00:00Z, not ${quote(text)}`,
    );
  return new Date(at).toISOString();
}
