import { ExportClientError } from './errors.ts';
import { EventParser, type ServerEvent } from './event-source.ts';
import { connectionError, refusalOf, timedOut } from './exchange.ts';
import { unexpectedAnswer } from './status.ts';

/** One connection to a stream of events. */
export interface EventRequest {
  fetch: typeof fetch;
  url: string;
  token: string;
  /** Where to go on from; empty for what comes from now on. */
  lastId: string;
  /** How long nothing may come. The service sends a comment every 15 seconds. */
  silenceMsMax: number;
  signal: AbortSignal | undefined;
  /** Hears at every piece where the stream is: to go on from there. */
  onPlace: (lastId: string) => void;
}

/**
 * Reads events until the connection ends, which is no error: the service may be stopping.
 *
 * @throws ExportClientError when the service refuses, ExportConnectionError when the connection breaks or falls silent
 * @throws the signal's reason when it aborts
 */
export async function* readEvents(request: EventRequest): AsyncGenerator<ServerEvent, void, void> {
  const { url, lastId, silenceMsMax, signal, onPlace } = request;
  signal?.throwIfAborted();
  const ending = new AbortController();
  const abort = (): void => ending.abort();
  const watchdog = new Watchdog(silenceMsMax, abort);
  signal?.addEventListener('abort', abort);
  const parser = new EventParser(lastId);
  try {
    const response = await open(request, ending.signal);
    if (response.status !== 200) throw await refusalOf(response);
    if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
      throw unexpectedAnswer('it is no stream of events');
    for await (const piece of pieces(response)) {
      watchdog.feed();
      const events = parser.push(piece);
      onPlace(parser.lastId);
      yield* events;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (watchdog.hasBarked) throw timedOut(url, silenceMsMax);
    throw error instanceof ExportClientError ? error : connectionError(url, error);
  } finally {
    watchdog.stop();
    signal?.removeEventListener('abort', abort);
    ending.abort();
  }
}

function open({ fetch, url, token, lastId }: EventRequest, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    headers: {
      accept: 'text/event-stream',
      'x-api-key': token,
      ...(lastId === '' ? {} : { 'last-event-id': lastId }),
    },
    redirect: 'manual',
    signal,
  });
}

async function* pieces({ body }: Response): AsyncGenerator<string, void, void> {
  const reader = body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield decoder.decode(value, { stream: true });
  }
}

/** Barks when it has not been fed for a while. */
class Watchdog {
  hasBarked = false;
  readonly #ms: number;
  readonly #bark: () => void;
  #timer: ReturnType<typeof setTimeout>;

  constructor(ms: number, bark: () => void) {
    this.#ms = ms;
    this.#bark = bark;
    this.#timer = this.#wait();
  }

  feed(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.hasBarked = true;
      this.#bark();
    }, this.#ms);
  }
}
