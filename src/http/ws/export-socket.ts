import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Clock } from '../../export/clock.ts';
import type { Unread } from '../unread.ts';
import type { Uploads } from '../uploads.ts';
import type { FrameAnswer, FrameEndpoint } from './frame-endpoint.ts';
import { Heartbeat } from './heartbeat.ts';
import { Inbound } from './inbound.ts';
import { Outbox } from './outbox.ts';
import { Pushes } from './pushes.ts';
import type { SocketLimits } from './socket-limits.ts';

export interface ExportSocketParts {
  readonly ws: WebSocket;
  /** What is below it, and what came of it together with the handshake, in bytes. */
  readonly connection: Socket;
  readonly headBytes: number;
  /** What it holds in memory counts here. */
  readonly uploads: Uploads;
  /** And what it has not read, here. */
  readonly unread: Unread;
  /** The token of the handshake, judged anew for every frame. */
  readonly tokenText: string | undefined;
  /** The client's address; null when it is gone already. */
  readonly peer: string | null;
  readonly endpoint: FrameEndpoint;
  readonly watch: (id: string, wake: () => void) => () => void;
  /** A seat to watch an export from; null when there is none. */
  readonly takeSeat: () => Disposable | null;
  readonly clock: Clock;
  readonly limits: SocketLimits;
}

/** Close codes of RFC 6455, section 7.4.1. */
const GOING_AWAY = 1_001;
/** Of the IANA registry. */
const TRY_AGAIN_LATER = 1_013;

/**
 * One app's WebSocket: frames in, answers out in the order of the frames, and in between what becomes of the exports.
 *
 * Nothing is read while too many frames are under way or the client does not read its answers: then its own sending
 * stops, and a ping of ours finds out whether it is still there.
 */
export class ExportSocket {
  readonly #parts: ExportSocketParts;
  readonly #outbox: Outbox;
  readonly #pushes: Pushes;
  readonly #heartbeat: Heartbeat;
  readonly #inbound: Inbound;
  /** Frames that came in one piece with others, and wait for their turn: no more than one read gives. */
  readonly #frames: Buffer[] = [];
  #framesUnderWay = 0;
  #lastAnswer: Promise<unknown> = Promise.resolve();
  #isLeaving = false;

  constructor(parts: ExportSocketParts) {
    const { ws, endpoint, tokenText, clock, limits } = parts;
    this.#parts = parts;
    this.#outbox = new Outbox(ws, limits, parts.unread, () => this.#goOn());
    this.#pushes = new Pushes({
      watch: parts.watch,
      read: async (id) => endpoint.present(id, tokenText),
      mayTell: () => !this.#outbox.isFull,
      tell: (job) => this.#outbox.send(endpoint.text(job)),
      tellFailure: (error, id) => this.#outbox.send(endpoint.pushProblem(error, id)),
    });
    this.#heartbeat = new Heartbeat({
      clock,
      intervalMs: limits.pingIntervalMs,
      signs: () => this.#signs(),
      ask: () => this.#outbox.ping(),
      onSilence: () => ws.terminate(),
    });
    this.#inbound = new Inbound(parts.uploads, parts.headBytes, () => this.#refuseUpload());
    this.#listen();
  }

  /** Takes no more frames, answers those under way, and says goodbye. What is not answered was not taken in. */
  leave(): void {
    this.#isLeaving = true;
    this.#goOn();
  }

  /** Cuts the connection. */
  terminate(): void {
    this.#parts.ws.terminate();
  }

  #listen(): void {
    const { ws, connection } = this.#parts;
    ws.on('message', (data, isBinary) => this.#receive(data as Buffer, isBinary));
    // After the library's own listener, which has found the messages in it.
    connection.on('data', ({ length }: Buffer) => this.#inbound.received(length));
    ws.on('pong', (data) => this.#inbound.ended(data.length));
    ws.on('ping', (data) => {
      this.#inbound.ended(data.length);
      this.#outbox.pong(data);
      this.#goOn();
    });
    // What the client did wrong. The library has sent it the close code that says so.
    ws.on('error', () => {});
    ws.on('close', () => this.#end());
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#inbound.ended(data.length);
    // Binary frames are ignored, as the original does: JSON is text.
    if (isBinary || this.#parts.ws.readyState !== WebSocket.OPEN) return;
    this.#frames.push(data);
    this.#inbound.keep(data.length);
    this.#goOn();
  }

  /** Does what can be done now. Called whenever something may have changed. */
  #goOn(): void {
    if (this.#isLeaving) {
      this.#leaveWhenAnswered();
      return;
    }
    while (this.#mayBegin() && this.#frames.length > 0) this.#begin(this.#frames.shift() as Buffer);
    // A socket that is not read from costs its client its speed, and us nothing.
    if (this.#mayBegin()) this.#parts.ws.resume();
    else this.#parts.ws.pause();
    this.#pushes.resume();
  }

  #mayBegin(): boolean {
    return this.#framesUnderWay < this.#parts.limits.framesUnderWayMax && !this.#outbox.isFull;
  }

  #begin(frame: Buffer): void {
    const { endpoint, tokenText, peer, takeSeat } = this.#parts;
    this.#framesUnderWay += 1;
    const answer = endpoint.answer(frame, { tokenText, peer }, takeSeat);
    this.#lastAnswer = this.#lastAnswer.then(async () => this.#finish(await answer, frame.length));
  }

  #finish({ text, watched }: FrameAnswer, frameBytes: number): void {
    this.#inbound.forget(frameBytes);
    this.#framesUnderWay -= 1;
    this.#outbox.send(text);
    if (watched !== null) this.#watch(watched);
    this.#goOn();
  }

  #watch({ job, seat }: NonNullable<FrameAnswer['watched']>): void {
    if (this.#parts.ws.readyState === WebSocket.OPEN) this.#pushes.add(job, seat);
    else seat[Symbol.dispose]();
  }

  #leaveWhenAnswered(): void {
    const { ws } = this.#parts;
    for (const { length } of this.#frames.splice(0)) this.#inbound.forget(length);
    if (this.#framesUnderWay > 0 || ws.readyState !== WebSocket.OPEN) return;
    ws.close(GOING_AWAY, 'The service is stopping.');
    // The client's own goodbye is to be read.
    ws.resume();
  }

  #end(): void {
    this.#frames.length = 0;
    this.#inbound[Symbol.dispose]();
    this.#heartbeat[Symbol.dispose]();
    this.#pushes[Symbol.dispose]();
  }

  /** What it has sent of a message is in memory until the connection is gone, so it is not waited for its goodbye. */
  #refuseUpload(): void {
    const { ws } = this.#parts;
    ws.close(TRY_AGAIN_LATER, 'Too much is uploaded at once. Send it again later.');
    ws.terminate();
  }

  /** While frames are under way their client may be waiting for us, and we do not listen. */
  #signs(): number | null {
    if (this.#framesUnderWay > 0) return null;
    return this.#parts.connection.bytesRead + this.#outbox.reliefs;
  }
}
