import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ExportError } from '../../export/errors.ts';
import { awaitBody, JSON_CONTENT_TYPE } from '../awaited-body.ts';
import { readMembers } from '../json-body.ts';
import { NO_SUCH_PATH } from '../problem.ts';
import { sendJson, sendNothing } from '../reply.ts';
import { requestPath } from '../request-path.ts';
import { judgeBy } from '../schema/judge.ts';
import { SESSION_SCHEMA } from '../schema/owner-schemas.ts';
import { type GrantedSecret, requireOwnOrigin, type SessionKeeper } from './owner-judge.ts';
import { endedCookie, presentedSession, sessionCookie } from './session-cookie.ts';

const PATH = '/ui/session';
/** A code and its braces are 60. Anybody may send a body here, so it must not cost what an app's does. */
const BODY_BYTES_MAX = 1_024;

export interface SessionRoutesParts {
  readonly sessions: SessionKeeper;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const judgeCode = judgeBy(SESSION_SCHEMA);

const NOT_OPENED = {
  used: 'This link was used already: each one opens the page once.',
  expired: 'This link has run out: each one is good for 10 minutes.',
  unknown: 'This is no link of this service, or one that was made long ago.',
} as const;

/** Signing the owner's page in and out. Nothing here needs a token: a one-time code stands for one. */
export function addSessionRoutes(app: FastifyInstance, parts: SessionRoutesParts): void {
  const { sessions, now } = parts;
  app.post(
    PATH,
    {
      bodyLimit: BODY_BYTES_MAX,
      onRequest: async (request, reply) => {
        refuseOtherSpelling(request);
        // A browser names the page that asks: another site is not to sign this one in. A program names none.
        if (request.headers.origin !== undefined) requireOwnOrigin(request.raw);
        awaitBody(request.raw, reply, BODY_BYTES_MAX);
      },
    },
    async (request, reply) => {
      const { secret, expiresAt } = await redeemed(sessions, readCode(request.body));
      const lifeSeconds = Math.floor((expiresAt - now()) / 1_000);
      reply.header('set-cookie', sessionCookie(request.raw, secret, lifeSeconds));
      const answer = JSON.stringify({ expires_at: new Date(expiresAt).toISOString() });
      return sendJson(reply.header('cache-control', 'no-store'), 200, JSON_CONTENT_TYPE, answer);
    },
  );
  app.delete(
    PATH,
    {
      bodyLimit: BODY_BYTES_MAX,
      onRequest: async (request, reply) => {
        refuseOtherSpelling(request);
        if (presentedSession(request.raw) !== undefined) requireOwnOrigin(request.raw);
        awaitBody(request.raw, reply, BODY_BYTES_MAX);
      },
    },
    async (request, reply) => {
      const secret = presentedSession(request.raw);
      if (secret !== undefined) await sessions.end(secret);
      return sendNothing(reply.header('set-cookie', endedCookie(request.raw)));
    },
  );
}

function refuseOtherSpelling({ raw }: FastifyRequest): void {
  if (requestPath(raw.url ?? '') !== PATH) throw new ExportError('not_found', NO_SUCH_PATH);
}

function readCode(body: unknown): string {
  const members = readMembers(body);
  judgeCode(members);
  return (members as { code: string }).code;
}

async function redeemed(sessions: SessionKeeper, code: string): Promise<GrantedSecret> {
  const redemption = await sessions.redeem(code);
  if (redemption.kind === 'opened') return redemption;
  throw new ExportError(
    'invalid_token',
    `${NOT_OPENED[redemption.kind]} export-service owner-link prints a new one.`,
  );
}
