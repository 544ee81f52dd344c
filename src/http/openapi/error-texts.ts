import { PROBLEM_KINDS, type ProblemCode, type ProblemKind } from '../problem.ts';

/** What is told about a code, in Markdown. */
interface ErrorText {
  readonly code: string;
  /** After "when". */
  readonly when: string;
  readonly remedy: string;
}

/**
 * One row for each code that a request can be refused with, in the order of judgement (interface, section 3). The API
 * page and docs/errors.md are made from it.
 */
const ERROR_TEXTS: readonly ErrorText[] = [
  {
    code: 'not_found',
    when: 'there is no such path',
    remedy: 'Apps use `POST /export` and `POST /lp/export`.',
  },
  {
    code: 'method_not_allowed',
    when: 'the path is there, but not for this method',
    remedy: 'The header `Allow` names the methods it has.',
  },
  {
    code: 'no_root_key',
    when: 'the service cannot check tokens yet, or the arbiter gave the owner no new key',
    remedy: 'Try again after `Retry-After`; `/readyz` says why, and `export-service doctor` what to do.',
  },
  {
    code: 'missing_token',
    when: 'no token was sent',
    remedy:
      'Send it as `X-Api-Key: TOKEN`, as the user name of HTTP Basic, or as `Authorization: Bearer TOKEN`.',
  },
  {
    code: 'malformed_token',
    when: 'it is no macaroon, is longer than 8 KiB, or has more than 256 caveats',
    remedy: 'Send the token as the box gave it.',
  },
  {
    code: 'invalid_token',
    when: "its signature matches no root key of this service; or the session of the owner's page has ended, or its one-time link is used or too old",
    remedy:
      'Ask the box for a new one; the client does so by itself when its `token` is a function. `export-service token inspect` tells about a token.',
  },
  {
    code: 'caveat_refused',
    when: "a caveat of the token does not allow this request, is not understood, or is an app's where the owner is asked for; or a change by the cookie of the owner's page comes from elsewhere",
    remedy: '`detail` names the caveat, what the request had, and which token to ask for.',
  },
  {
    code: 'caveat_missing',
    when: 'the token has no `target`, `method` or `path` caveat',
    remedy: 'Ask the box for a token that has all three.',
  },
  {
    code: 'payload_too_large',
    when: 'the body is larger than `--body-bytes-max`',
    remedy: 'Send less at once: fewer exports in a batch, or the data in parts.',
  },
  {
    code: 'invalid_json',
    when: 'the body is not JSON in UTF-8',
    remedy: 'Send a JSON object, or an array of them for a batch, not compressed.',
  },
  {
    code: 'invalid_request',
    when: 'a field is missing, of the wrong kind, or out of bounds',
    remedy: '`detail` names the field.',
  },
  {
    code: 'destination_missing',
    when: 'the token has no `destination` caveat',
    remedy: 'Ask the box for a token that names the destination.',
  },
  {
    code: 'rate_limited',
    when: 'new exports come faster than `--rate-max`; or too many tokens at once that the service does not know (judged before `invalid_token`); or too much is uploaded at once (judged with `payload_too_large`)',
    remedy: 'Try again after `Retry-After`; a batch counts for each of its exports.',
  },
  {
    code: 'destination_refused',
    when: "the scheme, the address or a rule of the owner's does not allow this destination",
    remedy:
      '`detail` says which. Whoever runs the box opens `http:` with `--allow-http` and private networks with `--allow-network`.',
  },
  {
    code: 'idempotency_mismatch',
    when: 'the key was used before with other data or another `attempts_max`',
    remedy: 'A new export needs a new key.',
  },
  {
    code: 'budget_exhausted',
    when: "a budget of the owner's is used up, or the export is larger than all of it",
    remedy:
      'Try again after `Retry-After`, when the hour or the day (UTC) is over, or ask the owner for more.',
  },
  {
    code: 'too_many_waiting',
    when: 'too many requests wait for results already (`--waiting-max`), too many exports are watched over WebSockets, or too many streams of events are open',
    remedy: 'Poll without waiting, or after `Retry-After`; submit by `POST /export`.',
  },
  {
    code: 'too_many_pending',
    when: 'too many exports to this destination wait already (`--pending-max`)',
    remedy: 'Try again after `Retry-After`.',
  },
  {
    code: 'unknown_export',
    when: "no export with this id is known to this token; somebody else's is not either",
    remedy:
      'Poll with the token, or one like it, that the export was submitted with, and within `--keep-results`.',
  },
  {
    code: 'already_finished',
    when: 'the owner cancels an export that has ended',
    remedy: 'Nothing is left to be done.',
  },
  {
    code: 'payload_erased',
    when: 'the owner wants an export delivered once more, and its data is gone',
    remedy: '`--keep-payloads` says how long data is kept after the end.',
  },
  {
    code: 'shutting_down',
    when: 'the service is stopping',
    remedy: 'Try again after `Retry-After`.',
  },
  {
    code: 'store_full',
    when: 'the disk is full, or `--store-bytes-max` is reached',
    remedy:
      'Exports that are queued still leave. Whoever runs the box: `export-service doctor` says how much is left.',
  },
  {
    code: 'store_unavailable',
    when: 'the store failed; the export may or may not be queued',
    remedy: 'Repeat the request with the same `Idempotency-Key`: then it is queued once.',
  },
  {
    code: 'internal_error',
    when: 'the service made a mistake; the export may or may not be queued',
    remedy: 'Repeat the request with the same `Idempotency-Key`. The log of the service says more.',
  },
];

/** An error as it is told. */
export interface ErrorEntry extends ErrorText, ProblemKind {
  readonly code: ProblemCode;
}

/** Every code that this service refuses with, in the order of judgement. */
export const ERROR_ENTRIES: readonly ErrorEntry[] = ERROR_TEXTS.flatMap((text) => {
  const kind = (PROBLEM_KINDS as Readonly<Record<string, ProblemKind>>)[text.code];
  return kind === undefined ? [] : [{ ...text, ...kind, code: text.code as ProblemCode }];
});

/** What is told about the code of a failed delivery. */
export interface FailureText {
  readonly code: string;
  /** The status that stands in for the answer that never came. */
  readonly status: string;
  readonly what: string;
}

/** One row for each `error.code` of an export that ended without an answer. */
export const FAILURE_TEXTS: readonly FailureText[] = [
  {
    code: 'timeout',
    status: '504 Gateway Timeout',
    what: "the destination had not answered in full when the attempt's time was over",
  },
  { code: 'dns_failed', status: '502 Bad Gateway', what: 'its name was not found' },
  { code: 'connection_failed', status: '502 Bad Gateway', what: 'no connection, or one that broke' },
  {
    code: 'tls_failed',
    status: '502 Bad Gateway',
    what: 'its certificate is not trusted, not for this name, or out of date',
  },
  {
    code: 'malformed_response',
    status: '502 Bad Gateway',
    what: 'what it answered is not HTTP, or incomplete (an unasked `100 Continue` counts as such)',
  },
  {
    code: 'expired',
    status: '504 Gateway Timeout',
    what: 'it was not sent before its time (`--age-max`) was over',
  },
  {
    code: 'address_refused',
    status: '403 Forbidden',
    what: 'its name leads to an address that nothing may be sent to',
  },
  { code: 'blocked_by_owner', status: '403 Forbidden', what: 'a rule of the owner stopped it' },
  { code: 'cancelled', status: '403 Forbidden', what: 'the owner cancelled it' },
];
