import type { IncomingMessage } from 'node:http';
import { presentedToken } from '../../auth/credentials.ts';
import type { Clock } from '../../export/clock.ts';
import { ExportError } from '../../export/errors.ts';
import { NO_SUCH_PATH } from '../problem.ts';
import type { RequestAuthorizer } from '../request-authorizer.ts';
import { requestPath } from '../request-path.ts';
import { isOwnOrigin, presentedSession } from './session-cookie.ts';

/** The sessions of the owner's page, and the one-time links that open them. */
export interface SessionKeeper {
  /** Makes a code that opens one session, and not for long. */
  createLink(): Promise<GrantedSecret>;
  /** Opens a session with a code; says why if it cannot. */
  redeem(
    code: string,
  ): Promise<
    ({ readonly kind: 'opened' } & GrantedSecret) | { readonly kind: 'used' | 'expired' | 'unknown' }
  >;
  isOpen(secret: string): Promise<boolean>;
  end(secret: string): Promise<void>;
}

export interface GrantedSecret {
  readonly secret: string;
  /** Wall clock. */
  readonly expiresAt: number;
}

export interface OwnerJudgeParts {
  readonly authorizer: RequestAuthorizer;
  readonly clock: Clock;
  readonly sessions: SessionKeeper;
}

/** What a browser may send without anybody's asking: it changes nothing. */
const HARMLESS_METHODS: readonly string[] = ['GET', 'HEAD'];

/**
 * Whether a request is the owner's: by a token, or by the session of the owner's page. A token that is there decides,
 * whatever cookie there is. Nothing of the body is read before.
 *
 * @returns whom the token named, for the ledger; null when that is nobody, as for a session
 * @throws ExportError that says why it is not
 */
export async function judgeOwner(
  request: IncomingMessage,
  { authorizer, clock, sessions }: OwnerJudgeParts,
): Promise<string | null> {
  const path = requestPath(request.url ?? '');
  // The router decodes paths: what is spelt otherwise comes here too, and is not what an owner's token is about.
  if (!path.startsWith('/owner/')) throw new ExportError('not_found', NO_SUCH_PATH);
  const tokenText = presentedToken(request.headersDistinct);
  const secret = presentedSession(request);
  if (tokenText === undefined && secret !== undefined) {
    await judgeSession(request, secret, sessions);
    return null;
  }
  const token = authorizer.authenticate(tokenText);
  authorizer.clearOwner(token, { method: request.method ?? '', path, now: clock.now() });
  return token.client === '' ? null : token.client;
}

/** @throws ExportError when the session is none, or it is not its page that asks for a change */
export async function judgeSession(
  request: IncomingMessage,
  secret: string,
  sessions: SessionKeeper,
): Promise<void> {
  if (!HARMLESS_METHODS.includes(request.method ?? '')) requireOwnOrigin(request);
  if (!(await sessions.isOpen(secret))) {
    throw new ExportError(
      'invalid_token',
      'The session of this page has ended. Sign in again: export-service owner-link prints a new link.',
    );
  }
}

/** @throws ExportError when it was not a page of this service that sent the request */
export function requireOwnOrigin(request: IncomingMessage): void {
  if (isOwnOrigin(request)) return;
  throw new ExportError(
    'caveat_refused',
    "The cookie of the owner's page makes changes for that page alone: the header Origin must be this service's own. " +
      'A program uses a token. (A proxy in front of the service must pass the header Host on.)',
  );
}
