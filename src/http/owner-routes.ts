import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import type { OwnerFeed } from '../export/owner-feed.ts';
import type { OwnerService } from '../export/owner-service.ts';
import type { PublicSigningKey } from '../export/signer.ts';
import { awaitBody, JSON_CONTENT_TYPE } from './awaited-body.ts';
import type { HttpSettings } from './http-settings.ts';
import { readMembers } from './json-body.ts';
import type { EventStreams } from './owner/event-streams.ts';
import { judgeOwner, type SessionKeeper } from './owner/owner-judge.ts';
import { readExportQuery, readPeriod, wireOwnedExport, wireSummary } from './owner-exports.ts';
import { type LedgerActions, ledgerCheckpoint, ledgerLogs, ledgerPage } from './owner-ledger.ts';
import { readRule, wireRule } from './owner-rules.ts';
import { sendJson, sendNothing, sendText } from './reply.ts';
import type { RequestAuthorizer } from './request-authorizer.ts';
import { judgeBy } from './schema/judge.ts';
import { NOTHING_SCHEMA, REFRESH_SCHEMA } from './schema/owner-schemas.ts';
import { signingKeySet } from './signing-keys.ts';

/** What the owner may do; `by` is whom the token named, for the ledger. */
export interface OwnerActions
  extends Pick<OwnerService, 'rules' | 'addRule' | 'removeRule' | 'cancel' | 'list' | 'find' | 'summary'> {
  /**
   * Gets a new root key from the arbiter.
   *
   * @param dropOld ends every token in the field
   * @throws ExportError `no_root_key` when the arbiter gives none, `not_found` when there is no arbiter
   */
  refreshRootKey(dropOld: boolean, by: string | null): Promise<RootKeyReport>;
  /**
   * Makes a new key to sign deliveries with; the old one signs on for a day.
   *
   * @returns all that sign now, the new one first
   * @throws ExportError when the store cannot be read or written
   */
  rotateSigningKey(by: string | null): Promise<readonly PublicSigningKey[]>;
  /** Delivers an export once more; see `ExportService.redeliver`. */
  redeliver(id: string, by: string | null): Promise<{ readonly id: string }>;
  /** Of the owner's page. */
  readonly sessions: SessionKeeper;
  readonly feed: OwnerFeed;
}

export interface RootKeyReport {
  /** Root keys that are good now. */
  readonly keys: number;
  /** Those that were good before and are no more. */
  readonly dropped: number;
}

export interface OwnerRoutesParts {
  readonly owner: OwnerActions;
  readonly ledger: LedgerActions;
  readonly authorizer: RequestAuthorizer;
  readonly clock: Clock;
  readonly settings: HttpSettings;
  readonly streams: EventStreams;
}

const judgeRefresh = judgeBy(REFRESH_SCHEMA);
const judgeNothing = judgeBy(NOTHING_SCHEMA);

/** Answers a request that has been judged; what it resolves to goes out as JSON, text as it is, and nothing as 204. */
type OwnerHandler = (
  request: FastifyRequest,
  reply: FastifyReply,
  /** Whom the token named; null when that is nobody. */
  by: string | null,
) => Promise<object | string | undefined>;

/** The routes for the owner of the box (interface, section 5). */
export function addOwnerRoutes(app: FastifyInstance, parts: OwnerRoutesParts): void {
  const { owner } = parts;
  addOwnerRoute(app, parts, 'POST', '/owner/root-key/refresh', async ({ body }, _reply, by) => {
    const members = readMembers(body);
    judgeRefresh(members);
    return owner.refreshRootKey((members as { drop_old?: boolean }).drop_old ?? false, by);
  });
  addOwnerRoute(app, parts, 'POST', '/owner/signing-key/rotate', async ({ body }, _reply, by) => {
    judgeNothing(readMembers(body));
    return signingKeySet(await owner.rotateSigningKey(by));
  });
  addOwnerRoute(app, parts, 'POST', '/owner/links', async ({ body }) => {
    judgeNothing(readMembers(body));
    const { secret, expiresAt } = await owner.sessions.createLink();
    return { code: secret, expires_at: new Date(expiresAt).toISOString() };
  });
  addRuleRoutes(app, parts);
  addExportRoutes(app, parts);
  addLedgerRoutes(app, parts);
  addEventRoute(app, parts);
}

function addEventRoute(app: FastifyInstance, parts: OwnerRoutesParts): void {
  addOwnerRoute(app, parts, 'GET', '/owner/events', async ({ raw }, reply) => {
    parts.streams.open(raw, reply.raw);
    reply.hijack();
    return undefined;
  });
}

function addExportRoutes(app: FastifyInstance, parts: OwnerRoutesParts): void {
  const { owner } = parts;
  addOwnerRoute(app, parts, 'GET', '/owner/exports', async ({ query }) => {
    const { items, next } = await owner.list(readExportQuery(query as Record<string, unknown>));
    return { items: items.map(wireOwnedExport), next };
  });
  addOwnerRoute(app, parts, 'GET', '/owner/exports/:id', async (request) =>
    wireOwnedExport(await owner.find(idOf(request))),
  );
  addOwnerRoute(app, parts, 'GET', '/owner/summary', async ({ query }) => {
    const { since, until } = readPeriod(query as Record<string, unknown>);
    return { items: (await owner.summary(since, until)).map(wireSummary), next: null };
  });
  addOwnerRoute(app, parts, 'POST', '/owner/exports/:id/cancel', async (request, _reply, by) => {
    judgeNothing(readMembers(request.body));
    const { id } = await owner.cancel(idOf(request), by);
    return wireOwnedExport(await owner.find(id));
  });
  addOwnerRoute(app, parts, 'POST', '/owner/exports/:id/redeliver', async (request, _reply, by) => {
    judgeNothing(readMembers(request.body));
    const { id } = await owner.redeliver(idOf(request), by);
    return wireOwnedExport(await owner.find(id));
  });
}

function addLedgerRoutes(app: FastifyInstance, parts: OwnerRoutesParts): void {
  const { owner, ledger } = parts;
  addOwnerRoute(app, parts, 'GET', '/owner/ledger/logs', () => ledgerLogs(ledger));
  addOwnerRoute(app, parts, 'GET', '/owner/ledger', ({ query }) =>
    ledgerPage(ledger, query as Record<string, unknown>),
  );
  addOwnerRoute(app, parts, 'GET', '/owner/ledger/checkpoint', ({ query }) =>
    ledgerCheckpoint(ledger, query as Record<string, unknown>),
  );
  addOwnerRoute(app, parts, 'GET', '/owner/exports/:id/receipt', async (request) => {
    // Throws for an export that is not there.
    await owner.find(idOf(request));
    return ledger.receipt(idOf(request));
  });
}

function addRuleRoutes(app: FastifyInstance, parts: OwnerRoutesParts): void {
  const { owner } = parts;
  addOwnerRoute(app, parts, 'GET', '/owner/rules', async () => ({
    items: (await owner.rules()).map(wireRule),
    next: null,
  }));
  addOwnerRoute(app, parts, 'POST', '/owner/rules', async ({ body }, _reply, by) =>
    wireRule(await owner.addRule(readRule(readMembers(body)), by)),
  );
  addOwnerRoute(app, parts, 'DELETE', '/owner/rules/:id', async (request, _reply, by) => {
    judgeNothing(readMembers(request.body));
    if (!(await owner.removeRule(idOf(request), by)))
      throw new ExportError('not_found', 'There is no such rule.');
    return undefined;
  });
}

function idOf({ params }: FastifyRequest): string {
  return (params as { id: string }).id;
}

/** Whom the token of a request named. */
const askedBy = new WeakMap<FastifyRequest, string | null>();

/** Every route of the owner comes through here, so that none is without its judgement. */
function addOwnerRoute(
  app: FastifyInstance,
  parts: OwnerRoutesParts,
  method: 'GET' | 'POST' | 'DELETE',
  url: `/owner/${string}`,
  handler: OwnerHandler,
): void {
  app.route({
    method,
    url,
    // What streams has no end that a HEAD could tell of.
    exposeHeadRoute: url !== '/owner/events',
    onRequest: async (request, reply) => {
      const { raw } = request;
      askedBy.set(request, await judgeOwner(raw, { ...parts, sessions: parts.owner.sessions }));
      awaitBody(raw, reply, parts.settings.bodyBytesMax);
    },
    handler: async (request, reply) => {
      const answer = await handler(request, reply, askedBy.get(request) ?? null);
      if (reply.sent) return reply;
      reply.header('cache-control', 'no-store');
      if (answer === undefined) return sendNothing(reply);
      if (typeof answer === 'string') return sendText(reply, answer);
      return sendJson(reply, 200, JSON_CONTENT_TYPE, JSON.stringify(answer));
    },
  });
}
