import { ExportError } from '../export/errors.ts';
import { type Attempt, isFinal } from '../export/job.ts';
import type { ExportQuery, LaneSummary, OwnedExport, Phase } from '../export/owner-store.ts';
import { wireState } from './wire-answer.ts';

/** Exports on a page: the most, and when nothing is said. */
export const PAGE_EXPORTS_MAX = 500;
const PAGE_EXPORTS = 50;

const PHASES: Readonly<Record<string, Phase>> = {
  Pending: 'pending',
  Processing: 'processing',
  Finished: 'finished',
};
const QUERY_FIELDS: readonly string[] = ['app', 'destination', 'state', 'before', 'limit'];
/** JavaScript's last day. */
const END_OF_TIME = 8.64e15;

type Query = Readonly<Record<string, unknown>>;

/** An export as its owner sees it (interface, section 5): never a payload, nor what the destination answered. */
export function wireOwnedExport({ job, peer, attempts, heldBy, redeliveryOf }: OwnedExport): object {
  return {
    id: job.id,
    app: appOf(job.lane.client),
    peer,
    destination: job.lane.destination,
    state: wireState(job),
    outcome: isFinal(job.state) ? job.state : null,
    bytes: job.dataBytes,
    accepted_at: time(job.acceptedAt),
    finished_at: job.finishedAt === null ? null : time(job.finishedAt),
    attempts: attempts.map(wireAttempt),
    held_by: heldBy,
    redelivery_of: redeliveryOf,
  };
}

function wireAttempt({ number, startedAt, endedAt, address, status, error }: Attempt): object {
  return { number, started_at: time(startedAt), ended_at: time(endedAt), address, status, error };
}

export function wireSummary(lane: LaneSummary): object {
  const { app, destination, accepted, delivered, undeliverable, blocked, cancelled, bytes } = lane;
  const ended = delivered + undeliverable + blocked + cancelled;
  return {
    app: appOf(app),
    destination,
    accepted,
    outcomes: { delivered, undeliverable, blocked, cancelled, open: accepted - ended },
    bytes,
    first_at: time(lane.firstAt),
    last_at: time(lane.lastAt),
  };
}

/**
 * Reads what a list is asked for.
 *
 * @throws ExportError `invalid_request`, naming the parameter
 */
export function readExportQuery(query: Query): ExportQuery {
  refuseOthers(query, QUERY_FIELDS);
  const state = text(query, 'state');
  const phase = state === null ? null : PHASES[state];
  if (phase === undefined) throw refused(`"state" is one of ${Object.keys(PHASES).join(', ')}.`);
  const before = text(query, 'before');
  if (before !== null && !/^\d{1,15}$/.test(before)) throw refused('"before" is no "next" of a page.');
  return {
    app: text(query, 'app'),
    destination: text(query, 'destination'),
    phase,
    before,
    limit: limit(query),
  };
}

/**
 * From when until when a summary is asked for; what is left out has no bound.
 *
 * @throws ExportError `invalid_request`, naming the parameter
 */
export function readPeriod(query: Query): { readonly since: number; readonly until: number } {
  refuseOthers(query, ['since', 'until']);
  return { since: instant(query, 'since') ?? 0, until: instant(query, 'until') ?? END_OF_TIME };
}

function limit(query: Query): number {
  const given = text(query, 'limit');
  if (given === null) return PAGE_EXPORTS;
  const count = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (count < 1 || count > PAGE_EXPORTS_MAX)
    throw refused(`"limit" is no whole number from 1 to ${PAGE_EXPORTS_MAX}.`);
  return count;
}

function instant(query: Query, name: string): number | null {
  const given = text(query, name);
  if (given === null) return null;
  const at = /^\d{4}-\d{2}-\d{2}/.test(given) ? Date.parse(given) : Number.NaN;
  if (Number.isNaN(at))
    throw refused(`"${name}" is no time such as 2026-11-24T12:00:00Z, nor a day such as 2026-11-24.`);
  return at;
}

/** Null when it is left out. */
function text(query: Query, name: string): string | null {
  const value = query[name];
  if (value === undefined) return null;
  if (typeof value !== 'string') throw refused(`"${name}" is given twice.`);
  return value;
}

function refuseOthers(query: Query, known: readonly string[]): void {
  const other = Object.keys(query).find((name) => !known.includes(name));
  if (other === undefined) return;
  throw refused(
    `${JSON.stringify(other.slice(0, 80))} is no parameter of this request; it takes ${known.join(', ')}.`,
  );
}

/** Null: the arbiter's tokens name no app. */
function appOf(client: string): string | null {
  return client === '' ? null : client;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

function refused(detail: string): ExportError {
  return new ExportError('invalid_request', detail);
}
