/** What is known of the box, and kept up to date by its events. */
import { computed, effect, signal, untracked } from '@preact/signals';
import { failedLanes, laneKey, type Reason, reasonOf } from '../model/attention.ts';
import { DAYS_SHOWN, type Day, daysUntil } from '../model/days.ts';
import { append, type ExportList, renewHead, replace } from '../model/export-list.ts';
import type { Refusals } from '../model/refusals.ts';
import { type BudgetRule, type BudgetUse, budgetSince, budgetUse, isBudget } from '../model/rules.ts';
import type { LaneSum, LedgerItem, LedgerLog, OwnedExport, Page, Rule } from '../wire.ts';
import { ask, query } from './api.ts';
import { now } from './clock.ts';
import { follow, type News } from './live.ts';
import { RefusalReader } from './refusal-reader.ts';
import { Resource } from './resource.ts';
import { type Filter, NO_FILTER, route } from './route.ts';
import { session, sessionEnded } from './session.ts';

const PAGE = 50;
/** Of a list, so many are read again after events were lost; those below are there by "Show more". */
const READ_AGAIN_MAX = 500;
/** Waiting exports that are looked at to say what is wrong; where there are more, these stand for them. */
const LOOKED_AT = 50;
/** How often the record is asked for what was refused: no event tells of that, and it is written once a minute. */
const REFUSALS_EVERY_MS = 15_000;
/** Lanes of which it is looked up why something did not arrive, and of how many of their exports. */
const REASONS_MAX = 8;
const REASON_EXPORTS = 20;
/** How often days that are over are asked for again while some of their exports have not ended. */
const OPEN_DAYS_EVERY_MS = 60_000;
/** Questions about days that are under way together. */
const DAYS_AT_ONCE = 7;

export const rules = new Resource<readonly Rule[]>(async (signal) =>
  (await ask<Page<Rule>>('owner/rules', { signal })).items.toReversed(),
);

/** Exports that were tried and have not ended, and those that were not tried yet. */
export const unfinished = new Resource<Unfinished>(async (signal) => {
  const states = ['Processing', 'Pending'].map((state) =>
    ask<Page<OwnedExport>>(`owner/exports${query({ state, limit: LOOKED_AT })}`, { signal }),
  );
  const pages = await Promise.all(states);
  return {
    unfinished: pages.flatMap(({ items }) => items),
    isMore: pages.some(({ next }) => next !== null),
  };
});

export interface Unfinished {
  readonly unfinished: readonly OwnedExport[];
  /** Whether there are more than were looked at. */
  readonly isMore: boolean;
}

/** Days by their beginning; those that have not been read yet are missing. */
export const days = signal<ReadonlyMap<number, readonly LaneSum[]>>(new Map());
/** Changes at midnight only. */
const firstDay = computed(() => daysUntil(now.value, 1)[0]?.start ?? 0);
export const shownDays = computed<readonly Day[]>(() => daysUntil(firstDay.value));
export const today = new Resource<readonly LaneSum[]>(async (signal) => {
  return readDay(presentDay(), signal);
});
const earlier = new Resource<number>(readEarlierDays);

/** What budgets have used, by rule. */
export const budgets = new Resource<ReadonlyMap<string, BudgetUse>>(async (signal) => {
  const at = Date.now();
  const uses = (rules.value ?? []).filter(isBudget).map((rule) => readUse(rule, at, signal));
  return new Map((await Promise.all(uses)).map((use) => [use.rule.id, use]));
});

export const logs = new Resource<readonly LedgerLog[]>(readLogs);
const refusalReader = new RefusalReader({ logs: readLogs, entries: readEntries });
/** What was refused today. */
export const refusals = new Resource<Refusals>((signal) => refusalReader.read(presentDay().start, signal));

/** Why something did not arrive today, by lane. */
export const reasons = new Resource<ReadonlyMap<string, Reason>>(async (signal) => {
  const lanes = failedLanes(today.value ?? []).slice(0, REASONS_MAX);
  const found = lanes.map(async ({ app, destination }) => {
    const filter = { app, destination, state: 'Finished', limit: REASON_EXPORTS };
    const { items } = await ask<Page<OwnedExport>>(`owner/exports${query(filter)}`, { signal });
    return [laneKey(app, destination), reasonOf(items)] as const;
  });
  return new Map(
    (await Promise.all(found)).flatMap(([key, reason]) => (reason === null ? [] : [[key, reason]])),
  );
});

/** The list that the filter of the address asks for. */
export const exportList = new Resource<ExportList>(async (signal) => {
  const filter = shownFilter();
  const before = losses;
  const isLost = listedLosses !== before;
  const length = isOtherFilter() || !isLost ? 0 : Math.min(listOrEmpty().items.length, READ_AGAIN_MAX);
  const page = await readFirst(filter, length, signal);
  const isAnew = isLost || isOtherFilter();
  listedFilter = filter;
  listedLosses = before;
  return isAnew ? page : renewHead(listOrEmpty(), page);
});
/** Of the list that is there; null before there is one. */
let listedFilter: Filter | null = null;
/** How often events were lost: then what is below the newest page may have changed too, and nobody said so. */
let losses = 0;
/** As of the list that is there. */
let listedLosses = 0;

/** The one that is looked at. */
export const oneExport = new Resource<OwnedExport>((signal) => {
  const { value } = route;
  const id = value.view === 'export' ? value.id : '';
  return ask<OwnedExport>(`owner/exports/${encodeURIComponent(id)}`, { signal });
});

/** Reads the next page of the list. */
export async function readMore(): Promise<void> {
  const list = exportList.value;
  if (list?.next == null) return;
  const filter = listedFilter ?? NO_FILTER;
  const page = await readExports(filter, list.next);
  if (listedFilter === filter) exportList.update((present) => append(present, page));
}

export async function readLogs(signal: AbortSignal): Promise<readonly LedgerLog[]> {
  return (await ask<Page<LedgerLog>>('owner/ledger/logs', { signal })).items;
}

export function readEntries(
  log: string,
  from: number,
  limit: number,
  signal?: AbortSignal,
): Promise<Page<LedgerItem>> {
  return ask<Page<LedgerItem>>(`owner/ledger${query({ log, from, limit })}`, signal ? { signal } : {});
}

/** Everything that is shown, anew. */
export function renewAll(): void {
  for (const resource of [rules, today, unfinished, refusals]) resource.renew();
  earlier.renew();
  renewShown();
}

/** Begins when somebody is signed in, and forgets everything when nobody is. */
export function keepUpToDate(): void {
  let stream: Disposable | null = null;
  effect(() => {
    const isIn = session.value.kind === 'in';
    stream?.[Symbol.dispose]();
    stream = isIn ? follow({ onNews, onSignedOut: sessionEnded }) : null;
    untracked(isIn ? renewAll : forget);
  });
  // Rules tell which budgets there are; their use changes with what is taken in.
  effect(() => {
    if (rules.value !== undefined && today.value !== undefined) untracked(() => budgets.renew());
  });
  effect(() => {
    if (route.value !== null && session.peek().kind === 'in') untracked(() => renewShown(true));
  });
  effect(() => {
    if (firstDay.value > 0 && session.peek().kind === 'in') untracked(renewDay);
  });
  effect(() => {
    if (failedLanes(today.value ?? []).length > 0) untracked(() => reasons.renew());
  });
  renewEvery(earlier, OPEN_DAYS_EVERY_MS);
  renewEvery(refusals, REFUSALS_EVERY_MS);
}

/** For as long as somebody who may see it looks. */
function renewEvery(resource: Pick<Resource<unknown>, 'renew'>, everyMs: number): void {
  setInterval(() => {
    if (session.peek().kind === 'in' && document.visibilityState === 'visible') resource.renew();
  }, everyMs);
}

function onNews(news: News): void {
  if (news.kind === 'reset') {
    losses += 1;
    renewAll();
    return;
  }
  if (news.kind === 'rule') rules.renew();
  else takeIn(news.export);
  unfinished.renew();
  refusals.renew();
  if (route.value.view === 'exports') exportList.renew();
}

function takeIn(job: OwnedExport): void {
  exportList.update((list) => replace(list, job));
  oneExport.update((shown) => (shown.id === job.id ? job : shown));
  today.renew();
}

function renewDay(): void {
  today.renew();
  refusals.renew();
}

function renewShown(isNew = false): void {
  const { view } = route.value;
  if (view === 'exports') {
    if (isNew && isOtherFilter()) exportList.clear();
    exportList.renew();
  }
  if (view === 'export') {
    if (isNew) oneExport.clear();
    oneExport.renew();
  }
}

function forget(): void {
  for (const resource of [rules, today, unfinished, budgets, reasons, logs, refusals, exportList, oneExport])
    resource.clear();
  earlier.clear();
  refusalReader.forget();
  days.value = new Map();
  listedFilter = null;
}

function shownFilter(): Filter {
  const { value } = route;
  return value.view === 'exports' ? value.filter : NO_FILTER;
}

function isOtherFilter(): boolean {
  return JSON.stringify(listedFilter) !== JSON.stringify(shownFilter());
}

function listOrEmpty(): ExportList {
  return exportList.value ?? { items: [], next: null };
}

/** The newest page, and those after it until there are as many as `length`. */
async function readFirst(filter: Filter, length: number, signal: AbortSignal): Promise<ExportList> {
  let list: ExportList = await readExports(filter, null, signal);
  while (list.items.length < length && list.next !== null)
    list = append(list, await readExports(filter, list.next, signal));
  return list;
}

async function readExports(
  filter: Filter,
  before: string | null,
  signal?: AbortSignal,
): Promise<Page<OwnedExport>> {
  const { app, destination, state } = filter;
  const path = `owner/exports${query({ app, destination, state, before, limit: PAGE })}`;
  return ask<Page<OwnedExport>>(path, signal ? { signal } : {});
}

async function readSums(
  since: number,
  until: number | null,
  signal: AbortSignal,
): Promise<readonly LaneSum[]> {
  const period = {
    since: new Date(since).toISOString(),
    until: until === null ? null : new Date(until).toISOString(),
  };
  return (await ask<Page<LaneSum>>(`owner/summary${query(period)}`, { signal })).items;
}

function presentDay(): Day {
  const [day] = daysUntil(Date.now(), 1);
  if (day === undefined) throw new Error('There is always a day.');
  return day;
}

async function readDay(day: Day, signal: AbortSignal): Promise<readonly LaneSum[]> {
  const sums = await readSums(day.start, day.end, signal);
  days.value = new Map(days.value).set(day.start, sums);
  return sums;
}

/** A few at a time, the newest first: the service has one reader for all such questions. Resolves to how many were read. */
async function readEarlierDays(signal: AbortSignal): Promise<number> {
  const [, ...before] = daysUntil(Date.now(), DAYS_SHOWN);
  const wanted = before.filter(({ start }) => days.value.get(start)?.every(hasEnded) !== true);
  for (let at = 0; at < wanted.length; at += DAYS_AT_ONCE) {
    const some = wanted.slice(at, at + DAYS_AT_ONCE);
    const sums = await Promise.all(
      some.map(async ({ start, end }) => [start, await readSums(start, end, signal)] as const),
    );
    days.value = new Map([...days.value, ...sums]);
  }
  return wanted.length;
}

function hasEnded({ outcomes }: LaneSum): boolean {
  return outcomes.open === 0;
}

async function readUse(rule: BudgetRule, at: number, signal: AbortSignal): Promise<BudgetUse> {
  return budgetUse(rule, await readSums(budgetSince(rule, at), null, signal));
}
