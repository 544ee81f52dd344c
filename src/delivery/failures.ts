import { errors } from 'undici';
import type { Failure, FailureCode } from '../export/job.ts';
import { ConnectError, TlsError } from './connector.ts';
import { NameResolutionError } from './egress-guard.ts';

/** Of texts that the other side has a say in, such as the names in a certificate. */
const DETAIL_CHARS_MAX = 300;

/** undici's codes for an answer that is no HTTP, besides what its parser says. */
const MALFORMED_CODES = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  // An answer that drives its parser into a corner.
  'ERR_ASSERTION',
]);

/** undici's words for answers out of turn: an unasked 100 or 101, or bytes before the request. */
const OUT_OF_TURN = new Set(['bad response', 'bad upgrade']);

/** There were too many interim answers. */
export class InterimFloodError extends Error {
  override readonly name = 'InterimFloodError';

  constructor(max: number) {
    super(`The destination sent more than ${max} interim answers and none that ends the request.`);
  }
}

/**
 * What to call an error of an attempt.
 *
 * `connection_failed`: the network, or the end of the connection before any answer. `malformed_response`: something
 * came, and it is no complete answer. So a server that closes in the middle of its answer is `malformed_response`, and
 * one whose connection is reset there `connection_failed`.
 */
export function failureOf(error: unknown, hasAnswerBegun: boolean): Failure {
  if (error instanceof NameResolutionError) return failure('dns_failed', error.message);
  if (error instanceof TlsError) return failure('tls_failed', tlsDetail(asErrno(error.cause)));
  if (error instanceof ConnectError) return failure('connection_failed', connectDetail(error.cause));
  if (error instanceof errors.HTTPParserError) return failure('malformed_response', parserDetail(error));
  if (error instanceof InterimFloodError) return failure('malformed_response', error.message);
  return exchangeFailure(asErrno(error), hasAnswerBegun);
}

/** A failure whose text is fit to be kept and shown, whoever wrote parts of it. */
export function failure(code: FailureCode, detail: string): Failure {
  const printable = detail.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').toWellFormed();
  return {
    code,
    detail: printable.length > DETAIL_CHARS_MAX ? `${printable.slice(0, DETAIL_CHARS_MAX - 1)}…` : printable,
  };
}

interface Errno {
  readonly code: string;
  readonly message: string;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
}

function asErrno(error: unknown): Errno {
  const { code, message, address, port } = Object(error) as Partial<Errno>;
  return { code: String(code ?? ''), message: String(message ?? error), address, port };
}

function exchangeFailure(error: Errno, hasAnswerBegun: boolean): Failure {
  if (MALFORMED_CODES.has(error.code)) {
    return failure('malformed_response', malformedDetail(error));
  }
  if (OUT_OF_TURN.has(error.message)) {
    return failure(
      'malformed_response',
      'The destination sent an answer out of turn, or a 100 or 101 unasked.',
    );
  }
  if (error.code === 'UND_ERR_SOCKET') {
    return hasAnswerBegun
      ? failure('malformed_response', 'The destination closed the connection in the middle of its answer.')
      : failure('connection_failed', 'The destination closed the connection without an answer.');
  }
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    const when = hasAnswerBegun ? 'in the middle of the answer' : 'before an answer came';
    return failure('connection_failed', `The connection was reset ${when}.`);
  }
  return failure('connection_failed', `The connection failed: ${error.message}`);
}

function parserDetail({ message }: Error): string {
  return `The answer is not HTTP: ${message}`;
}

function malformedDetail({ code, message }: Errno): string {
  switch (code) {
    case 'UND_ERR_HEADERS_OVERFLOW':
      return 'The head of the answer is longer than 16 KiB.';
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return 'The body of the answer does not have the length that its head says.';
    default:
      return `The answer is not HTTP: ${message}`;
  }
}

const TLS_REASONS: Readonly<Record<string, string>> = {
  ECONNRESET: 'the connection was closed during the handshake',
  EPIPE: 'the connection was closed during the handshake',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate leads to a self-signed one that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'nobody who is trusted vouches for its certificate',
  UNABLE_TO_GET_ISSUER_CERT: 'nobody who is trusted vouches for its certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'nobody who is trusted vouches for its certificate',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
};

/** OpenSSL's own words are for its developers; its code at least can be looked up. */
function tlsDetail({ code, message }: Errno): string {
  const isPlain = code === '' || code === 'ERR_TLS_CERT_ALTNAME_INVALID';
  return `No trusted TLS connection: ${TLS_REASONS[code] ?? (isPlain ? message : code)}.`;
}

/** `cause` has an error for every address that was tried, if there were several. */
function connectDetail(cause: unknown): string {
  const errors = cause instanceof AggregateError ? cause.errors : [cause];
  return `No connection: ${errors.map((error) => connectReason(asErrno(error))).join('; ')}.`;
}

const CONNECT_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  ETIMEDOUT: 'no reply',
  EADDRNOTAVAIL: 'address not available',
};

function connectReason({ code, message, address, port }: Errno): string {
  const reason = CONNECT_REASONS[code] ?? (code || message);
  if (address === undefined) return reason;
  const host = address.includes(':') ? `[${address}]` : address;
  return `${reason} by ${host}${port === undefined ? '' : `:${port}`}`;
}
