import { ExportClientError, type OpenCode } from './errors.ts';
import type { WireError, WireErrorCode, WireExport, WireResponse } from './wire.ts';

/** Why an attempt failed, or why no answer of the destination ended the export. */
export interface ExportFailure {
  code: OpenCode<WireErrorCode>;
  /** For people. */
  detail: string;
}

/** How an export ended. */
export interface ExportAnswer {
  /** Whether the destination itself answered with a 2xx status. */
  ok: boolean;
  /** The HTTP status, such as 200. When `error` is there, it is the service's stand-in for an answer that never came. */
  status: number;
  /** Such as `OK`; empty for a status without a name. */
  statusText: string;
  /** The answer's body as text; bytes that are not UTF-8 have become U+FFFD. */
  body: string;
  /** Whether the body was longer than the service keeps. */
  truncated: boolean;
  /** There only when no answer of the destination ended the export. */
  error?: ExportFailure;
}

/** An export that has not ended. */
export interface UnfinishedExport {
  id: string;
  /** `Pending` while queued or held, `Processing` from the first attempt to the end, also between attempts. */
  state: 'Pending' | 'Processing';
  /** Attempts made so far; this and the next two are there while the export waits for another attempt. */
  attempts?: number;
  nextAttemptAt?: Date;
  lastError?: ExportFailure;
}

/** An export that has ended, for good. */
export interface FinishedExport {
  id: string;
  state: 'Finished';
  answer: ExportAnswer;
}

/** An export as it is now; `state` tells which. */
export type ExportStatus = UnfinishedExport | FinishedExport;

/** Takes a status such as `200 OK`, or the bare `299`, apart; null when it begins with no three-digit number. */
export function parseStatus(text: string): { status: number; statusText: string } | null {
  const parts = /^(\d{3})(?: (.*))?$/s.exec(text);
  return parts === null ? null : { status: Number(parts[1]), statusText: parts[2] ?? '' };
}

/**
 * Reads the service's answer about one export.
 *
 * @throws ExportClientError `unexpected_answer` when it is none
 */
export function readStatus(answer: unknown): ExportStatus {
  if (!isWireExport(answer)) throw unexpectedAnswer('it is no export with an id and a known state');
  if (answer.state === 'Finished') {
    return { id: answer.id, state: answer.state, answer: readAnswer(answer.ext_response) };
  }
  return {
    id: answer.id,
    state: answer.state,
    ...(answer.attempts === undefined ? {} : { attempts: answer.attempts }),
    ...(answer.next_attempt_at === undefined ? {} : { nextAttemptAt: new Date(answer.next_attempt_at) }),
    ...(answer.last_error === undefined ? {} : { lastError: readFailure(answer.last_error) }),
  };
}

/** An answer with status 200 that this client cannot read. It never tells the answer itself: that may be personal data. */
export function unexpectedAnswer(why: string): ExportClientError {
  return new ExportClientError(
    'unexpected_answer',
    200,
    `The answer does not come from an export service: ${why}. Check the url.`,
  );
}

function isWireExport(answer: unknown): answer is WireExport {
  if (typeof answer !== 'object' || answer === null) return false;
  const { id, state } = answer as Partial<Record<keyof WireExport, unknown>>;
  return typeof id === 'string' && (state === 'Pending' || state === 'Processing' || state === 'Finished');
}

function readAnswer(response: WireResponse | Record<string, never>): ExportAnswer {
  const parsed = typeof response?.status === 'string' ? parseStatus(response.status) : null;
  if (parsed === null) throw unexpectedAnswer('a finished export has no status of its answer');
  const ok = response.error === undefined && parsed.status >= 200 && parsed.status < 300;
  return {
    ok,
    ...parsed,
    body: response.body ?? '',
    truncated: response.truncated === true,
    ...(response.error === undefined ? {} : { error: readFailure(response.error) }),
  };
}

function readFailure(error: WireError): ExportFailure {
  return { code: error.code, detail: error.detail };
}
