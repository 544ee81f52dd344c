import type { WireAttempt, WireOwnedExport, WireState, WireSummary } from '../../client/wire.ts';
import { parseTimeOrDay } from '../auth/rfc3339.ts';
import { ExportError } from '../export/errors.ts';
import { type Attempt, isFinal } from '../export/job.ts';
import type { ExportQuery, LaneSummary, OwnedExport, Phase } from '../export/owner-store.ts';
import { judgeBy } from './schema/judge.ts';
import { EXPORT_QUERY_SCHEMA, PAGE_EXPORTS, SUMMARY_QUERY_SCHEMA } from './schema/owner-schemas.ts';
import { wireState } from './wire-answer.ts';

const PHASES: Readonly<Record<WireState, Phase>> = {
  Pending: 'pending',
  Processing: 'processing',
  Finished: 'finished',
};
/** JavaScript's last day. */
const END_OF_TIME = 8.64e15;

type Query = Readonly<Record<string, unknown>>;

/** An export as its owner sees it (interface, section 5): never a payload, nor what the destination answered. */
export function wireOwnedExport({ job, peer, attempts, heldBy, redeliveryOf }: OwnedExport): WireOwnedExport {
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

function wireAttempt(attempt: Attempt): WireAttempt {
  const { number, startedAt, endedAt, address, tlsFingerprint, status, error } = attempt;
  return {
    number,
    started_at: time(startedAt),
    ended_at: time(endedAt),
    address,
    tls_fingerprint: tlsFingerprint,
    status,
    error,
  };
}

export function wireSummary(lane: LaneSummary): WireSummary {
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

const judgeExportQuery = judgeBy(EXPORT_QUERY_SCHEMA, { member: 'parameter' });
const judgeSummaryQuery = judgeBy(SUMMARY_QUERY_SCHEMA, { member: 'parameter' });

/** What a list is asked for, once its schema has been found to fit. */
interface ExportParameters {
  readonly app?: string;
  readonly destination?: string;
  readonly state?: WireState;
  readonly before?: string;
  readonly limit?: number;
}

/**
 * Reads what a list is asked for.
 *
 * @throws ExportError `invalid_request`, naming the parameter
 */
export function readExportQuery(query: Query): ExportQuery {
  refuseTwice(query);
  const parameters = { ...query, ...('limit' in query ? { limit: numberOf(query.limit) } : {}) };
  judgeExportQuery(parameters);
  const {
    app = null,
    destination = null,
    state,
    before = null,
    limit = PAGE_EXPORTS,
  } = parameters as ExportParameters;
  return { app, destination, phase: state === undefined ? null : PHASES[state], before, limit };
}

/**
 * From when until when a summary is asked for; what is left out has no bound.
 *
 * @throws ExportError `invalid_request`, naming the parameter
 */
export function readPeriod(query: Query): { readonly since: number; readonly until: number } {
  refuseTwice(query);
  judgeSummaryQuery(query);
  return { since: instant(query, 'since') ?? 0, until: instant(query, 'until') ?? END_OF_TIME };
}

/** In an address everything is text; what is no number is left for the schema to refuse. */
export function numberOf(text: unknown): unknown {
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : text;
}

/** Null when it is left out. */
function instant(query: Query, name: 'since' | 'until'): number | null {
  const given = query[name];
  if (given === undefined) return null;
  const at = parseTimeOrDay(given as string);
  if (at === undefined) throw refused(`"${name}" is no ${SUMMARY_QUERY_SCHEMA.properties[name].title}.`);
  return at;
}

/** @throws ExportError `invalid_request` */
export function refuseTwice(query: Query): void {
  const twice = Object.keys(query).find((name) => Array.isArray(query[name]));
  if (twice !== undefined) throw refused(`${JSON.stringify(twice.slice(0, 80))} is given twice.`);
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
