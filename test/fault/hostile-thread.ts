/**
 * Clients that would topple a naive server, in a thread of their own: they must not keep whoever tests from its work. They
 * go on until they are told to stop, and then tell what they did.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';

/** What the thread is given. */
export interface HostileData {
  readonly port: number;
  /** How many connections are opened and then left alone. */
  readonly idle: number;
  /** A good one: slow bodies need it, since without one no body is read. */
  readonly token: string;
}

/** What it tells when the idle connections are open, and at its end. */
export interface HostileReport {
  readonly kind: 'idle' | 'ended';
  readonly counts: Readonly<Record<string, number>>;
}

const SLOW_HEADS = 300;
const SLOW_BODIES = 300;
/** Of each kind that connects again and again. */
const LOOPS = 10;
const DRIP_MS = 50;
/** Connections that are opened at the same time. */
const OPENED_TOGETHER = 100;

const { port, idle, token } = workerData as HostileData;
const counts: Record<string, number> = {};
const stop = new AbortController();

function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

async function open(): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Most ask once and then keep their connection; the last tenth says nothing at all, for which the service has less patience. */
async function openIdle(): Promise<void> {
  for (let opened = 0; opened < idle; opened += OPENED_TOGETHER) {
    await Promise.all(
      Array.from({ length: OPENED_TOGETHER }, async () => {
        const socket = await open();
        if (opened < idle * 0.9) socket.write('GET /status HTTP/1.1\r\nhost: x\r\n\r\n');
        socket.resume();
        count('idle connections');
      }),
    );
  }
}

/** One byte after the other, and a new connection when the service has had enough. */
async function drip(what: string, head: string, bytes: string): Promise<void> {
  while (!stop.signal.aborted) {
    const socket = await open();
    socket.resume().write(head);
    for (let at = 0; !socket.destroyed && !stop.signal.aborted; at += 1) {
      socket.write(bytes.charAt(at % bytes.length));
      await delay(DRIP_MS);
    }
    socket.destroy();
    count(what);
  }
}

/** Sends everything at once, reads what comes until the connection closes, and begins again. */
async function hammer(what: string, bytes: () => string | Buffer): Promise<void> {
  while (!stop.signal.aborted) {
    const socket = await open();
    socket.resume();
    const closed = once(socket, 'close');
    socket.end(bytes());
    await Promise.race([closed, delay(5_000)]);
    socket.destroy();
    count(what);
  }
}

function post(apiKey: string, more = ''): string {
  return `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${apiKey}\r\n${more}`;
}

let forgeries = 0;
/** As costly as a token can be. */
function forgery(): string {
  forgeries += 1;
  const caveats = Array.from({ length: 256 }, () => 'path = *');
  const forged = encode(
    mint({ rootKey: Buffer.from('nobody'), identifier: String(forgeries), caveats }),
    'v2',
  );
  return post(forged, 'content-length: 2\r\n\r\n{}');
}

const pipelinedJunk = Buffer.concat([
  Buffer.from('GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(300)),
  Buffer.from('\x00\x01\x02junk \r\n\r\n{}GET'.repeat(100)),
]);
const oversized = `GET /status HTTP/1.1\r\nhost: x\r\n${`x-filler: ${'y'.repeat(1_000)}\r\n`.repeat(100)}\r\n`;
const unasked = `${post('garbage', 'content-length: 20000000\r\n\r\n')}${'z'.repeat(2_000_000)}`;

const KINDS: readonly [count: number, run: () => Promise<void>][] = [
  [SLOW_HEADS, () => drip('slow heads', 'POST /export HTTP/1.1\r\nhost: x\r\nx-slow: ', 'abc')],
  [SLOW_BODIES, () => drip('slow bodies', post(token, 'content-length: 100000\r\n\r\n{"uri":"'), 'x')],
  [LOOPS, () => hammer('oversized headers', () => oversized)],
  [LOOPS, () => hammer('pipelined junk', () => pipelinedJunk)],
  [LOOPS, () => hammer('forged tokens', forgery)],
  [LOOPS, () => hammer('bodies nobody asked for', () => unasked)],
];

await openIdle();
parentPort?.postMessage({ kind: 'idle', counts } satisfies HostileReport);
parentPort?.once('message', () => stop.abort());
await Promise.all(KINDS.flatMap(([times, run]) => Array.from({ length: times }, run)));
parentPort?.postMessage({ kind: 'ended', counts } satisfies HostileReport);
// Idle connections are still open: they end with the thread.
process.exit();
