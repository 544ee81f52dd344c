/** Entries of the ledger in words. */
import { appName, counted, format, placeText, t, targetText } from '../texts/texts.ts';
import type { Outcome } from '../wire.ts';

export interface EntryText {
  readonly text: string;
  /** When it was written; null when that is erased. */
  readonly time: string | null;
}

/** What entries of the kinds below have, as docs/ledger.md says. */
interface Fields {
  readonly kind: string;
  readonly time: string;
  readonly app?: string | null;
  readonly destination?: string | null;
  readonly bytes?: number;
  readonly state?: Outcome;
  readonly change?: string;
  readonly count?: number;
  readonly others?: boolean;
}

/** @param entry null: its text is erased */
export function entryText(entry: string | null): EntryText {
  if (entry === null) return { text: t.ledger.erasedEntry, time: null };
  const fields = JSON.parse(entry) as Fields;
  return { text: wordsOf(fields), time: fields.time };
}

function wordsOf(fields: Fields): string {
  const { kinds } = t.ledger;
  const { app = null, destination, bytes = 0 } = fields;
  const place = destination == null ? t.anywhere : placeText(destination);
  const size = format.size(bytes);
  switch (fields.kind) {
    case 'log':
    case 'start':
    case 'key':
    case 'erasure':
      return kinds[fields.kind];
    case 'accepted':
      return kinds.accepted(appName(app), place, size);
    case 'attempt':
    case 'cancel':
    case 'redelivery':
      return kinds[fields.kind](place);
    case 'outcome':
      return kinds.outcome[fields.state ?? 'delivered'](place, size);
    case 'rule':
      return ruleWords(fields);
    case 'refused':
      return kinds.refused(fields.others ? t.others : appName(app), counted(fields.count ?? 0));
    default:
      return kinds.other;
  }
}

function ruleWords({ app, destination, change }: Fields): string {
  const { kinds } = t.ledger;
  const what = targetText({ ...(app != null && { app }), ...(destination != null && { destination }) });
  return change === 'removed' ? kinds.ruleRemoved(what) : kinds.ruleAdded(what);
}
