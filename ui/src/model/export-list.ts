/** A list that is read from the newest on, page by page, and whose beginning is read again when something changed. */
import type { OwnedExport, Page } from '../wire.ts';

export interface ExportList {
  readonly items: readonly OwnedExport[];
  /** Where it goes on; null at its end. */
  readonly next: string | null;
}

export const EMPTY_LIST: ExportList = { items: [], next: null };

/** Puts a page of older ones behind those that are there. One that has moved onto both is not shown twice. */
export function append(list: ExportList, page: Page<OwnedExport>): ExportList {
  const known = new Set(list.items.map(({ id }) => id));
  return { items: [...list.items, ...page.items.filter(({ id }) => !known.has(id))], next: page.next };
}

/**
 * Puts the newest page in front. Where it reaches what is there, those below stay as they are; where more came in the
 * meantime than fit a page, it takes the place of all, since nobody knows what lies between. What the page should have and
 * has not, does not belong to the list any more.
 */
export function renewHead(list: ExportList, page: Page<OwnedExport>): ExportList {
  const last = page.items.at(-1);
  const end = last === undefined ? -1 : list.items.findIndex(({ id }) => id === last.id);
  if (page.next === null || end === -1) return { items: page.items, next: page.next };
  return { items: [...page.items, ...list.items.slice(end + 1)], next: list.next };
}

/** Takes in the new state of one that is in the list. */
export function replace(list: ExportList, job: OwnedExport): ExportList {
  if (!list.items.some(({ id }) => id === job.id)) return list;
  return { ...list, items: list.items.map((item) => (item.id === job.id ? job : item)) };
}
