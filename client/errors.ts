/**
 * What the service refuses with (`code` of its problem answers). A newer service may know more of them, so treat a
 * code you do not know like its HTTP status.
 */
export type ServiceErrorCode =
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
  | 'not_found'
  | 'method_not_allowed'
  | 'payload_too_large'
  | 'idempotency_mismatch'
  | 'too_many_pending'
  | 'rate_limited'
  | 'too_many_waiting'
  | 'budget_exhausted'
  | 'payload_erased'
  | 'already_finished'
  | 'no_root_key'
  | 'store_unavailable'
  | 'shutting_down'
  | 'store_full'
  /** Made by this client: the answer is not one an export service gives (a proxy's page, a wrong address). */
  | 'unexpected_answer';

/** Keeps completion for the known codes and lets any other through. */
export type OpenCode<Known extends string> = Known | (string & {});

/** With these statuses the same request may well succeed later, and an idempotency key makes repeating it safe. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** The service answered, and refused. `code` is to branch on, `message` is for people. */
export class ExportClientError extends Error {
  override readonly name = 'ExportClientError';
  readonly code: OpenCode<ServiceErrorCode>;
  /** The HTTP status. */
  readonly status: number;
  /** What is wrong and what to do, in the service's words. */
  readonly detail: string;
  /** How long the service asks to wait before trying again; undefined when it does not say. */
  readonly retryAfterSeconds: number | undefined;
  /** Which export of a batch is refused, from 0; undefined when the refusal is about none in particular. */
  readonly element: number | undefined;

  constructor(
    code: OpenCode<ServiceErrorCode>,
    status: number,
    detail: string,
    options: { retryAfterSeconds?: number | undefined; cause?: unknown } = {},
  ) {
    super(`${detail} (${code}, HTTP ${status})`, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.element = elementOf(detail);
  }

  /** Whether the same request may succeed later. The client repeats such requests by itself before it throws this. */
  get shouldRetry(): boolean {
    return RETRIED_STATUSES.has(this.status);
  }
}

/** The service ends the detail with the element's index. */
function elementOf(detail: string): number | undefined {
  const index = /\(element (\d+)\)\.?$/.exec(detail)?.[1];
  return index === undefined ? undefined : Number(index);
}

/** Trying again does not mend a certificate. */
const CERTIFICATE_PROBLEM = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)/;
const TRUST_THE_BOX =
  " Inside a Databox, start the app with NODE_EXTRA_CA_CERTS=/run/secrets/DATABOX_ROOT_CA, so that it trusts the box's own CA.";

function isCertificateProblem(code: string | undefined): boolean {
  return code !== undefined && CERTIFICATE_PROBLEM.test(code);
}

/**
 * No answer came: the service could not be reached, the connection broke, or the time was up. A submission may or may
 * not have been queued; only repeating it with the same idempotency key is safe.
 */
export class ExportConnectionError extends Error {
  override readonly name = 'ExportConnectionError';
  /** The system's code, such as `ECONNREFUSED`; `TIMEOUT` when no answer came in time; undefined when there is none. */
  readonly code: string | undefined;

  constructor(url: string, reason: string, options: { code?: string | undefined; cause?: unknown } = {}) {
    super(
      `No answer from ${url}: ${reason}.${isCertificateProblem(options.code) ? TRUST_THE_BOX : ''}`,
      options.cause === undefined ? {} : { cause: options.cause },
    );
    this.code = options.code;
  }

  /** Whether the same request may succeed later: not when the service's certificate is not trusted. */
  get shouldRetry(): boolean {
    return !isCertificateProblem(this.code);
  }
}

/** `wait` ran out of time. The export goes on; wait for it again whenever you like. */
export class ExportWaitTimeoutError extends Error {
  override readonly name = 'ExportWaitTimeoutError';
  readonly id: string;

  constructor(id: string, timeoutMs: number, state: string) {
    super(`Export ${id} is still ${state} after ${timeoutMs} ms. It goes on; wait for it again later.`);
    this.id = id;
  }
}
