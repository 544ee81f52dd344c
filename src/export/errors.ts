/**
 * Every way a request can be refused. The codes are public (interface, section 4): apps branch on them,
 * so a code never changes its meaning and none is invented outside this list.
 */
export type ErrorCode =
  | 'invalid_json'
  | 'invalid_request'
  | 'missing_token'
  | 'malformed_token'
  | 'invalid_token'
  | 'caveat_refused'
  | 'caveat_missing'
  | 'destination_missing'
  | 'destination_refused'
  | 'unknown_export'
  | 'already_finished'
  | 'payload_erased'
  | 'not_found'
  | 'method_not_allowed'
  | 'payload_too_large'
  | 'idempotency_mismatch'
  | 'rate_limited'
  | 'too_many_pending'
  | 'too_many_waiting'
  | 'budget_exhausted'
  | 'no_root_key'
  | 'store_unavailable'
  | 'shutting_down'
  | 'store_full';

export interface ExportErrorOptions {
  readonly retryAfterSeconds?: number | undefined;
  readonly element?: number | undefined;
  readonly cause?: unknown;
}

/**
 * A refusal: a stable `code` to branch on and a `message` for people that says what to do.
 * The message never holds a secret, a token or a payload: it is sent to the app and may be logged.
 */
export class ExportError extends Error {
  override readonly name = 'ExportError';
  readonly code: ErrorCode;
  /** After how many seconds trying again makes sense; undefined when it never does. */
  readonly retryAfterSeconds: number | undefined;

  /** Which of several exports asked for together is refused, from 0; undefined when it is about none in particular. */
  readonly element: number | undefined;

  constructor(code: ErrorCode, message: string, options: ExportErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.element = options.element;
  }
}
