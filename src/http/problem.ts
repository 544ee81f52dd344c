import type { WireProblem } from '../../client/wire.ts';
import type { ErrorCode, ExportError } from '../export/errors.ts';

/** The public codes, and one for our own mistakes, which say nothing about the request. */
export type ProblemCode = ErrorCode | 'internal_error';

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** What each code is answered with (interface, section 4). */
export const PROBLEM_KINDS: Readonly<Record<ProblemCode, ProblemKind>> = {
  invalid_json: { status: 400, title: 'The body is not JSON' },
  invalid_request: { status: 400, title: 'The request is not valid' },
  missing_token: { status: 401, title: 'No token was given' },
  malformed_token: { status: 401, title: 'The token cannot be decoded' },
  invalid_token: { status: 401, title: 'The signature of the token does not match' },
  caveat_refused: { status: 401, title: 'A caveat of the token refuses this request' },
  caveat_missing: { status: 401, title: 'The token lacks a caveat that it must have' },
  destination_missing: { status: 401, title: 'The token names no destination' },
  destination_refused: { status: 403, title: 'This destination is not allowed' },
  unknown_export: { status: 404, title: 'No such export' },
  not_found: { status: 404, title: 'No such path' },
  method_not_allowed: { status: 405, title: 'The path does not take this method' },
  already_finished: { status: 409, title: 'The export has ended already' },
  payload_erased: { status: 409, title: 'The data of the export is gone' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  idempotency_mismatch: { status: 422, title: 'The idempotency key was used for another export' },
  rate_limited: { status: 429, title: 'Too many exports in a short time' },
  too_many_pending: { status: 429, title: 'Too many exports wait already' },
  budget_exhausted: { status: 429, title: "The owner's budget is used up" },
  too_many_waiting: { status: 429, title: 'Too many requests wait already' },
  internal_error: { status: 500, title: 'The service made a mistake' },
  no_root_key: { status: 503, title: 'No root key to check tokens with yet' },
  store_unavailable: { status: 503, title: 'The store cannot be used' },
  shutting_down: { status: 503, title: 'The service is stopping' },
  store_full: { status: 507, title: 'The store is full' },
};

/** For 429 and 503 that do not say when trying again makes sense: both always carry `Retry-After`. */
const RETRY_AFTER_SECONDS_DEFAULT = 5;

/** A refusal as it is sent. */
export interface ProblemAnswer {
  readonly code: ProblemCode;
  readonly status: number;
  readonly contentType: string;
  /** The others. */
  readonly headers: Readonly<Record<string, string>>;
  /** Problem details (RFC 9457) as JSON text. */
  readonly body: string;
}

/**
 * The answer that refuses a request.
 *
 * @param retryAfterSeconds when trying again makes sense, if that is known
 * @param status overrides the code's own; only for HTTP that could not be read at all
 */
export function problemAnswer(
  code: ProblemCode,
  detail: string,
  { retryAfterSeconds, status }: { retryAfterSeconds?: number | undefined; status?: number } = {},
): ProblemAnswer {
  const kind = PROBLEM_KINDS[code];
  const problem: WireProblem = {
    type: `/docs#${code}`,
    title: kind.title,
    status: status ?? kind.status,
    detail,
    code,
  };
  return {
    code,
    status: problem.status,
    contentType: PROBLEM_CONTENT_TYPE,
    headers: problemHeaders(problem.status, retryAfterSeconds),
    body: JSON.stringify(problem),
  };
}

export const NO_SUCH_PATH = 'This service has no such path. Apps use POST /export and POST /lp/export.';

/** The answer for a path that we do not have. */
export function notFound(): ProblemAnswer {
  return problemAnswer(
    'not_found',
    'This service has no such path. Apps use POST /export and POST /lp/export.',
  );
}

/** The answer for a refusal of the domain. */
export function refusalAnswer(error: ExportError): ProblemAnswer {
  return problemAnswer(error.code, error.message, { retryAfterSeconds: error.retryAfterSeconds });
}

function problemHeaders(status: number, retryAfterSeconds: number | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="export-service"';
  const isTemporary = status === 429 || status === 503;
  const seconds = retryAfterSeconds ?? (isTemporary ? RETRY_AFTER_SECONDS_DEFAULT : undefined);
  // Whole seconds are all the header can say; rounding down would invite a repeat that comes too early.
  if (seconds !== undefined) headers['retry-after'] = String(Math.ceil(seconds));
  return headers;
}
