import type { Socket } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import { type CertificateName, certificate } from './certificates.ts';
import {
  answerText,
  type DestinationOptions,
  type RequestListener,
  startDestination,
  type TestDestination,
} from './destination.ts';

/** The well-behaved one: every request gets this answer. */
export function answers(
  status = '200 OK',
  body: string | Uint8Array = 'ok',
  headers: Record<string, string> = {},
  options: DestinationOptions = {},
): Promise<TestDestination> {
  const answer = answerText(status, body, headers);
  return startDestination({ ...options, onRequest: (socket) => socket.write(answer) });
}

/** The same over TLS, with one of the test certificates. */
export function answersOverTls(name: CertificateName, body = 'ok'): Promise<TestDestination> {
  return answers('200 OK', body, {}, { tls: certificate(name) });
}

/** A URL where nobody listens: the port was free a moment ago. */
export async function closedPort(): Promise<string> {
  await using destination = await startDestination({});
  return destination.url;
}

export function resetsOnAccept(): Promise<TestDestination> {
  return startDestination({ onConnection: (socket) => socket.resetAndDestroy() });
}

/** Takes the first bytes, of whatever protocol, and resets. */
export function resetsOnData(): Promise<TestDestination> {
  return startDestination({
    onConnection: (socket) => socket.once('data', () => socket.resetAndDestroy()),
  });
}

/** Takes the request and hangs up. */
export function closesWithoutAnswer(): Promise<TestDestination> {
  return startDestination({ onRequest: (socket) => socket.end() });
}

/** Answers the first request of every connection and hangs up on the second, as a server whose idle time is over. */
export function closesWhenReused(tls?: CertificateName): Promise<TestDestination> {
  const used = new WeakSet<Socket>();
  return startDestination({
    ...(tls === undefined ? {} : { tls: certificate(tls) }),
    onRequest(socket) {
      if (used.has(socket)) socket.destroy();
      else socket.write(answerText('200 OK', 'ok'));
      used.add(socket);
    },
  });
}

/** Says half of a head and hangs up. */
export function closesMidHead(): Promise<TestDestination> {
  return startDestination({ onRequest: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le') });
}

/** Half of a body, then a reset. */
export function resetsMidBody(): Promise<TestDestination> {
  return startDestination({
    onRequest: (socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', () => socket.resetAndDestroy()),
  });
}

/** Promises ten bytes, sends four, and closes as if all were well. */
export function truncatesBody(headers = ''): Promise<TestDestination> {
  return startDestination({
    onRequest: (socket) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 10\r\n${headers}\r\nhalf`),
  });
}

/** The same, chunked: one chunk, and the last one missing. */
export function truncatesChunks(headers = ''): Promise<TestDestination> {
  return startDestination({
    onRequest: (socket) =>
      socket.end(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${headers}\r\n4\r\nhalf\r\n`),
  });
}

export function sendsBadChunk(): Promise<TestDestination> {
  return startDestination({
    onRequest: (socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ngood\r\nnonsense\r\n'),
  });
}

export function neverAnswers(options: DestinationOptions = {}): Promise<TestDestination> {
  return startDestination(options);
}

/** Sends a head and then a byte every few milliseconds, for as long as anybody listens. */
export function drips(): Promise<TestDestination> {
  return startDestination({
    onRequest(socket) {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n');
      const timer = setInterval(() => socket.write('.'), 5);
      socket.on('close', () => clearInterval(timer));
    },
  });
}

export function sendsGarbage(): Promise<TestDestination> {
  return startDestination({ onRequest: (socket) => socket.write('220 mail.example ESMTP ready\r\n') });
}

/** Speaks before it was asked. */
export function speaksFirst(): Promise<TestDestination> {
  return startDestination({ onConnection: (socket) => socket.write('220 mail.example ESMTP ready\r\n') });
}

/** A head of `bytes` bytes in one field. */
export function sendsHeadOf(bytes: number): Promise<TestDestination> {
  return answers('200 OK', 'ok', { 'x-long': 'x'.repeat(bytes) });
}

/** Field after field, without an end. */
export function neverEndsHead(): Promise<TestDestination> {
  return startDestination({
    onRequest(socket) {
      socket.write('HTTP/1.1 200 OK\r\n');
      pour(socket, Buffer.from(`x-more: ${'x'.repeat(1_000)}\r\n`), Number.POSITIVE_INFINITY);
    },
  });
}

/** Interim answer after interim answer, without an end. */
export function neverStopsInforming(): Promise<TestDestination> {
  return startDestination({
    onRequest: (socket) =>
      pour(socket, Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\n'), Number.POSITIVE_INFINITY),
  });
}

/** Bytes as they are, whatever they mean. */
export function says(bytes: string): Promise<TestDestination> {
  return startDestination({ onRequest: (socket) => socket.write(Buffer.from(bytes, 'latin1')) });
}

export interface PouringDestination extends TestDestination {
  /** Bytes of body handed to the system so far, on all connections. */
  readonly poured: number;
}

/** A body of `bytes` bytes of "x", announced by `content-length` or chunked. */
export async function pours(bytes: number, isChunked = false): Promise<PouringDestination> {
  const chunk = Buffer.alloc(16_384, 'x');
  const framed = isChunked ? Buffer.concat([Buffer.from('4000\r\n'), chunk, Buffer.from('\r\n')]) : chunk;
  const framing = isChunked ? 'transfer-encoding: chunked' : `content-length: ${bytes}`;
  let poured = 0;
  const destination = await startDestination({
    onRequest(socket) {
      socket.write(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`);
      pour(socket, framed, bytes, (count) => {
        poured += count;
      });
    },
  });
  return Object.defineProperty(destination, 'poured', { get: () => poured }) as PouringDestination;
}

/** Writes `chunk` again and again, as fast as it is taken, until `bytes` are written or the socket closes. */
function pour(
  socket: Socket,
  chunk: Buffer,
  bytes: number,
  onPoured: (count: number) => void = () => {},
): void {
  let left = bytes;
  const more = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= chunk.length;
      onPoured(chunk.length);
      if (!socket.write(chunk)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

/** `content` compressed, though nobody asked for it. */
export function compresses(
  coding: 'gzip' | 'deflate',
  content: string | Uint8Array,
  isWhole = true,
): Promise<TestDestination> {
  const compressed = coding === 'gzip' ? gzipSync(content) : deflateSync(content);
  const sent = isWhole ? compressed : compressed.subarray(0, compressed.length - 10);
  return answers('200 OK', sent, { 'content-encoding': coding });
}

/** 100 MB of zeros in 100 kB. */
export function sendsGzipBomb(): Promise<TestDestination> {
  return compresses('gzip', Buffer.alloc(100_000_000));
}

/** Says gzip and goes on for ever with empty blocks: no content, but work. */
export async function sendsEmptyBlocks(): Promise<PouringDestination> {
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
  const emptyBlocks = Buffer.concat(Array.from({ length: 1_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])));
  let poured = 0;
  const destination = await startDestination({
    onRequest(socket) {
      socket.write('HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n');
      socket.write(header);
      pour(socket, emptyBlocks, Number.POSITIVE_INFINITY, (count) => {
        poured += count;
      });
    },
  });
  return Object.defineProperty(destination, 'poured', { get: () => poured }) as PouringDestination;
}

/** Sends everybody somewhere else. */
export function redirects(location: string, status = '307 Temporary Redirect'): Promise<TestDestination> {
  return answers(status, 'elsewhere', { location });
}

/** Interim answers, each with its status line, before the final one. */
export function informs(...interim: string[]): Promise<TestDestination> {
  const onRequest: RequestListener = (socket) => {
    for (const status of interim) socket.write(`HTTP/1.1 ${status}\r\nlink: </style>\r\n\r\n`);
    socket.write(answerText('200 OK', 'ok'));
  };
  return startDestination({ onRequest });
}

/** Busy, and says for how long. */
export function asksToRetryAfter(value: string): Promise<TestDestination> {
  return answers('503 Service Unavailable', 'busy', { 'retry-after': value });
}
