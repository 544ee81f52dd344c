import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';

/**
 * The cookie that the owner's page lives on. No script can read it, and no browser sends it with a request that another
 * site began. Over TLS its name begins with `__Host-`: then a browser takes it from this very host only, and never
 * without TLS.
 */
export function sessionCookie(request: IncomingMessage, secret: string, lifeSeconds: number): string {
  const secure = isTls(request) ? ['Secure'] : [];
  const attributes = ['Path=/', `Max-Age=${lifeSeconds}`, 'HttpOnly', 'SameSite=Strict', ...secure];
  return [`${cookieName(request)}=${secret}`, ...attributes].join('; ');
}

/** What takes the cookie away. */
export function endedCookie(request: IncomingMessage): string {
  return sessionCookie(request, '', 0);
}

/** The session's secret that a request brings; undefined when it brings none. */
export function presentedSession(request: IncomingMessage): string | undefined {
  const start = `${cookieName(request)}=`;
  const cookie = (request.headers.cookie ?? '').split(/; */).find((each) => each.startsWith(start));
  return cookie?.slice(start.length) || undefined;
}

/** Whether a page of this very service sent the request: a browser says so, and no page can say it for another. */
export function isOwnOrigin(request: IncomingMessage): boolean {
  const { origin } = request.headers;
  return origin !== undefined && ownOrigins(request).includes(origin);
}

/** Without TLS of ours a proxy in front of us may speak it. */
function ownOrigins(request: IncomingMessage): string[] {
  const schemes = isTls(request) ? ['https'] : ['http', 'https'];
  return schemes.flatMap((scheme) => URL.parse(`${scheme}://${request.headers.host}`)?.origin ?? []);
}

/**
 * Browsers keep the cookies of a host together, whatever its ports: with the port in its name, signing in to one service
 * of a machine does not sign out of another.
 */
function cookieName(request: IncomingMessage): string {
  const port = /:(\d+)$/.exec(request.headers.host ?? '')?.[1];
  const name = port === undefined ? 'export-owner' : `export-owner-${port}`;
  return isTls(request) ? `__Host-${name}` : name;
}

function isTls({ socket }: IncomingMessage): boolean {
  return (socket as TLSSocket).encrypted === true;
}
