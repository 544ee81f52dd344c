import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Cancel, Clock } from '../../export/clock.ts';
import { ExportError } from '../../export/errors.ts';
import type { OwnerEvent, OwnerFeed } from '../../export/owner-feed.ts';
import { Seats } from '../../export/seats.ts';

export interface EventStreamsParts {
  readonly feed: OwnerFeed;
  readonly clock: Clock;
  /** Asked again before anything is sent: a token runs out, a session is signed out. Rejects when it is over. */
  readonly judge: (request: IncomingMessage) => Promise<void>;
  readonly limits: EventStreamLimits;
}

export interface EventStreamLimits {
  /** Streams at a time. */
  readonly streamsMax: number;
  /** A comment is sent so often: proxies close what is silent. */
  readonly heartbeatMs: number;
  /** A reader that takes nothing for so long is cut off. It may come back, and goes on where it was. */
  readonly stallMsMax: number;
}

export const EVENT_STREAM_LIMITS: EventStreamLimits = {
  streamsMax: 64,
  heartbeatMs: 15_000,
  stallMsMax: 30_000,
};

/** After how long a browser comes back when the connection ends. */
const RETRY_MS = 2_000;
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // nginx would collect what is to arrive at once.
  'x-accel-buffering': 'no',
};
const HEARTBEAT = ':\n\n';

/** What is happening, as server-sent events (HTML, section 9.2): `GET /owner/events`. */
export class EventStreams {
  readonly #parts: EventStreamsParts;
  readonly #seats: Seats;
  readonly #streams = new Set<EventStream>();
  #isClosing = false;

  constructor(parts: EventStreamsParts) {
    this.#parts = parts;
    this.#seats = new Seats(parts.limits.streamsMax);
  }

  /**
   * Streams to a request that has been judged, from its `Last-Event-ID` on.
   *
   * @throws ExportError `shutting_down`, `too_many_waiting`; then nothing was sent
   */
  open(request: IncomingMessage, response: ServerResponse): void {
    if (this.#isClosing)
      throw new ExportError('shutting_down', 'The service is stopping. Try again in a moment.');
    const seat = this.#seats.take();
    if (seat === null) {
      throw new ExportError(
        'too_many_waiting',
        `${this.#parts.limits.streamsMax} streams of events are open, the most there can be. Close one, or try again later.`,
      );
    }
    const stream = new EventStream(request, response, this.#parts);
    this.#streams.add(stream);
    response.once('close', () => {
      seat[Symbol.dispose]();
      this.#streams.delete(stream);
    });
  }

  /** Ends every stream and begins none. */
  close(): void {
    this.#isClosing = true;
    for (const stream of this.#streams) stream.end();
  }
}

/** One reader. Nothing is kept for it but its place: what it has not taken is in the feed, with everybody else's. */
class EventStream {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #parts: EventStreamsParts;
  #place: number;
  #isSending = false;
  #hasMore = false;
  #cancelHeartbeat: Cancel;

  constructor(request: IncomingMessage, response: ServerResponse, parts: EventStreamsParts) {
    const { feed } = parts;
    this.#request = request;
    this.#response = response;
    this.#parts = parts;
    const lastId = request.headersDistinct['last-event-id']?.at(-1) || undefined;
    // A place before all others: whoever was at one that we do not know is told to read anew.
    this.#place = lastId === undefined ? feed.newest : (feed.placeOf(lastId) ?? -1);
    response.writeHead(200, HEADERS);
    const beginning = lastId === undefined ? `id: ${feed.nameOf(this.#place)}\n` : '';
    response.write(`retry: ${RETRY_MS}\n${beginning}\n`);
    const unfollow = feed.follow(() => this.#send());
    this.#cancelHeartbeat = this.#nextHeartbeat();
    response.once('close', () => {
      unfollow();
      this.#cancelHeartbeat();
    });
    // Without it what goes wrong with the connection would be thrown.
    response.on('error', () => {});
    this.#send();
  }

  end(): void {
    this.#response.end();
  }

  #nextHeartbeat(): Cancel {
    return this.#parts.clock.schedule(this.#parts.limits.heartbeatMs, () => {
      this.#cancelHeartbeat = this.#nextHeartbeat();
      this.#send(HEARTBEAT);
    });
  }

  /** @param also sent when nothing else is on its way */
  #send(also = ''): void {
    this.#hasMore = true;
    if (this.#isSending) return;
    this.#isSending = true;
    void this.#sendAll(also);
  }

  async #sendAll(also: string): Promise<void> {
    try {
      await this.#write(also);
      while (this.#hasMore) {
        this.#hasMore = false;
        await this.#sendNew();
      }
    } catch {
      // It is no longer the owner's, or it takes nothing: it comes back with a good token, and goes on where it was.
      this.#response.destroy();
    }
    this.#isSending = false;
  }

  async #sendNew(): Promise<void> {
    const { feed, judge } = this.#parts;
    if (this.#response.writableEnded) return;
    await judge(this.#request);
    const events = feed.after(this.#place);
    if (events === null) {
      this.#place = feed.newest;
      await this.#write(message({ id: feed.nameOf(this.#place), name: 'reset', text: '{}' }));
      return;
    }
    for (const event of events) {
      const { number, kind: name, text } = event;
      const hasWaited = await this.#write(message({ id: feed.nameOf(number), name, text }));
      this.#place = number;
      if (hasWaited) await judge(this.#request);
    }
  }

  /**
   * Whether the reader had to be waited for.
   *
   * @throws Error when it takes nothing for too long
   */
  async #write(text: string): Promise<boolean> {
    if (text === '' || this.#response.writableEnded || this.#response.write(text)) return false;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = this.#parts.clock.schedule(this.#parts.limits.stallMsMax, () =>
      reject(new Error('The reader takes nothing.')),
    );
    this.#response.once('drain', resolve);
    this.#response.once('close', resolve);
    try {
      await promise;
    } finally {
      cancel();
      this.#response.off('drain', resolve);
      this.#response.off('close', resolve);
    }
    return true;
  }
}

/** @param text one line, as JSON is */
function message({
  id,
  name,
  text,
}: {
  readonly id: string;
  readonly name: OwnerEvent['kind'] | 'reset';
  readonly text: string;
}): string {
  return `id: ${id}\nevent: ${name}\ndata: ${text}\n\n`;
}
