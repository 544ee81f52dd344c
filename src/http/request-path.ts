const SCHEME_AND_AUTHORITY = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i;

/** The path of a request's target exactly as it was sent, without the query: what a `path` caveat is about. */
export function requestPath(target: string): string {
  // A client may send the whole URL (RFC 9112, section 3.2.2), and the router takes that for its path.
  const local = target.startsWith('/') ? target : target.replace(SCHEME_AND_AUTHORITY, '');
  const query = local.indexOf('?');
  return query < 0 ? local : local.slice(0, query);
}
