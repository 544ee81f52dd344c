import type { IncomingMessage } from 'node:http';
import { ExportError } from '../../export/errors.ts';

/** The one version there is (RFC 6455, section 4.1). */
export const WEBSOCKET_VERSION = '13';
/** 16 bytes in base64. */
const KEY = /^[+/\dA-Za-z]{22}==$/;

/**
 * Checks what a client sends to open a WebSocket (RFC 6455, section 4.2.1), the method and the path aside.
 *
 * @throws ExportError `invalid_request`, which names the header that is not as it must be
 */
export function checkHandshake({ headers, httpVersion }: IncomingMessage): void {
  if (httpVersion !== '1.1') throw invalid('The handshake is not in HTTP/1.1.');
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw invalid('"Upgrade: websocket" is missing.');
  if (!listed(headers.connection).includes('upgrade')) throw invalid('"Connection: Upgrade" is missing.');
  if (headers['sec-websocket-version'] !== WEBSOCKET_VERSION) {
    throw invalid(`"Sec-WebSocket-Version" is not ${WEBSOCKET_VERSION}.`);
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    throw invalid('"Sec-WebSocket-Key" is not 16 bytes in base64.');
  }
  // Nobody agrees on whether the body or the first frame comes next.
  if (hasBody(headers)) throw invalid('The handshake has a body.');
}

/** The words of a header that is a list, in lower case. */
function listed(header: string | undefined): string[] {
  return (header ?? '').split(',').map((word) => word.trim().toLowerCase());
}

function hasBody(headers: IncomingMessage['headers']): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0);
}

function invalid(what: string): ExportError {
  return new ExportError('invalid_request', `${what} Apps open a WebSocket here, or POST to /export.`);
}
