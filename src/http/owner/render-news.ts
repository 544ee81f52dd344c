import type { OwnerNews } from '../../export/owner-feed.ts';
import { wireOwnedExport } from '../owner-exports.ts';
import { wireRule } from '../owner-rules.ts';

/** What the owner is told of as it happens, as JSON: one line, and never a payload. */
export function renderOwnerNews(news: OwnerNews): string {
  if (news.kind === 'export') return JSON.stringify(wireOwnedExport(news.export));
  return JSON.stringify({ change: news.change, rule: wireRule(news.rule) });
}
