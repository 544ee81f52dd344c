import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ProblemAnswer, type ProblemCode, problemAnswer } from './problem.ts';

interface Unreadable {
  readonly status: number;
  readonly detail: string;
}

/** What Node's parser found wrong, by its code; anything else is a 400. */
const UNREADABLE: Readonly<Record<string, Unreadable>> = {
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'The headers are too large. A token has at most 8 KiB.' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, detail: 'The chunk extensions of the body are too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'The request took too long to arrive. Send it again.' },
};
const MALFORMED: Unreadable = { status: 400, detail: 'The request is not valid HTTP/1.1.' };

/** Hears with which code it was answered. */
type OnRefused = (code: ProblemCode) => void;

/** Answers bytes that are no HTTP, and closes the connection: nobody knows where the next request would begin. */
export function answerUnreadable(
  error: Error & { code?: string },
  socket: Socket,
  onRefused: OnRefused = () => {},
): void {
  if (error.code === 'ECONNRESET' || !socket.writable || hasBegunToAnswer(socket)) {
    socket.destroy();
    return;
  }
  const { status, detail } = UNREADABLE[error.code ?? ''] ?? MALFORMED;
  onRefused('invalid_request');
  endWith(problemAnswer('invalid_request', detail, { status }), socket);
}

/** Answers CONNECT, which is for proxies: Node alone would hang up without a word. */
export function refuseTunnel(socket: Duplex, onRefused: OnRefused = () => {}): void {
  if ((socket as HttpSocket)._httpMessage) {
    // The answer to an earlier request is still to come, and this one would be taken for it.
    socket.destroy();
    return;
  }
  onRefused('method_not_allowed');
  endWith(problemAnswer('method_not_allowed', 'This service is no proxy.'), socket, {
    allow: 'GET, HEAD, POST',
  });
}

function endWith(
  { status, contentType, body }: ProblemAnswer,
  socket: Duplex,
  headers: Readonly<Record<string, string>> = {},
): void {
  const fields = {
    'content-type': contentType,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    ...headers,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => {});
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`, () =>
    socket.destroy(),
  );
}

/** What Node keeps on a socket: the answer under way, and its parser with the request that is being read. */
interface HttpSocket extends Socket {
  readonly _httpMessage?: { readonly headersSent: boolean } | null;
  readonly parser?: { readonly incoming?: { readonly complete: boolean } | null } | null;
}

/** Whether the answer to an earlier request on this connection is still to come. */
export function owesAnswer(socket: Socket): boolean {
  const { _httpMessage: answer } = socket as HttpSocket;
  return answer !== undefined && answer !== null;
}

/**
 * A second answer in the middle of the first one would be read as a part of it; and one after it, when the request was
 * refused before its body had come, as the answer to the next request.
 */
function hasBegunToAnswer({ _httpMessage: answer, parser }: HttpSocket): boolean {
  if (answer) return answer.headersSent;
  return parser?.incoming?.complete === false;
}
