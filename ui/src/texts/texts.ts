/** The words of the page in the reader's language, as far as there are any. */
import { Format } from '../format.ts';
import type { RuleTarget } from '../wire.ts';
import { type Counted, en, type Texts } from './en.ts';

export const t: Texts = en;
export const format = new Format();

/** A number for a sentence. */
export function counted(n: number): Counted {
  return { n, text: format.count(n) };
}

/** Null: the token named no app. */
export function appName(app: string | null): string {
  return app ?? t.app.unnamed;
}

export interface PlaceName {
  readonly host: string;
  /** What follows the host; empty for its root. */
  readonly path: string;
}

/** What people know a destination by. The host is as the network sees it, so that no look-alike letters deceive. */
export function placeName(destination: string): PlaceName {
  const url = URL.parse(destination);
  if (url === null) return { host: destination, path: '' };
  const path = url.pathname === '/' ? url.search : url.pathname + url.search;
  return { host: url.protocol === 'https:' ? url.host : `${url.protocol}//${url.host}`, path };
}

export function placeText(destination: string): string {
  const { host, path } = placeName(destination);
  return host + path;
}

/** What a rule is about, within a sentence. */
export function targetText({ app, destination }: RuleTarget): string {
  const { target } = t;
  if (app === undefined) return destination === undefined ? target.all : target.place(placeText(destination));
  return destination === undefined ? target.app(app) : target.lane(app, placeText(destination));
}

/** Why an attempt did not succeed. */
export function reasonText(error: string | null, status: number | null): string {
  if (error !== null && error !== 'http_status') return t.errors[error] ?? t.errors.other ?? '';
  if (status !== null) return t.export.answered(statusText(status));
  return t.errors.other ?? '';
}

/** A status of HTTP with a word for people. */
export function statusText(status: number): string {
  return `${status} (${statusWord(status)})`;
}

function statusWord(status: number): string {
  if (status < 300) return t.statusWords.good;
  if (status < 400) return t.statusWords.moved;
  return status < 500 ? t.statusWords.refused : t.statusWords.broken;
}
