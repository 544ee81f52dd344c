/** Headers as node's `headersDistinct` gives them: lower-case names, every value that was sent, in order. */
export type Headers = Readonly<Record<string, readonly string[] | undefined>>;

/**
 * The token a request presents, or undefined. `X-Api-Key` wins even when the token in it is no good, so
 * that the answer never depends on which of two tokens is; of several values the last counts, as in the
 * original. Then the user name of `Authorization: Basic`, which ends at the first colon and so cannot
 * carry v2 JSON, then `Authorization: Bearer`. An empty token is none.
 */
export function presentedToken(headers: Headers): string | undefined {
  return lastOf(headers, 'x-api-key') || authorizationToken(lastOf(headers, 'authorization')) || undefined;
}

function authorizationToken(authorization: string | undefined): string | undefined {
  const [, scheme, credentials] = /^(\S+) +(.+)$/s.exec(authorization ?? '') ?? [];
  switch (scheme?.toLowerCase()) {
    case 'basic':
      return userName(credentials ?? '');
    case 'bearer':
      return credentials;
    default:
      return undefined;
  }
}

/** What stands before the password. A token in v2 JSON has colons itself: there the last brace ends it. */
function userName(credentials: string): string | undefined {
  const decoded = Buffer.from(credentials, 'base64').toString('utf8');
  const colon = decoded.indexOf(':', decoded.startsWith('{') ? decoded.lastIndexOf('}') : 0);
  return colon < 0 ? undefined : decoded.slice(0, colon);
}

function lastOf(headers: Headers, name: string): string | undefined {
  const value = headers[name]?.at(-1);
  return value === undefined ? undefined : asUtf8(value);
}

/**
 * Node reads the bytes of a header as Latin-1, and v2 JSON is UTF-8. What is not UTF-8 becomes U+FFFD
 * here, and its signature fails.
 */
function asUtf8(value: string): string {
  return /^\p{ASCII}*$/u.test(value) ? value : Buffer.from(value, 'latin1').toString('utf8');
}
