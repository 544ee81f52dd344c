/** Follows what happens in the box, for as long as somebody is signed in. */
import { signal } from '@preact/signals';
import type { OwnedExport, Rule } from '../wire.ts';
import { ApiError, open } from './api.ts';
import { EventParser, type StreamEvent } from './event-parser.ts';

export type News =
  | { readonly kind: 'export'; readonly export: OwnedExport }
  | { readonly kind: 'rule'; readonly change: 'added' | 'removed'; readonly rule: Rule }
  /** Something was missed: everything is to be read anew. */
  | { readonly kind: 'reset' };

/**
 * - `live`: what is shown follows what happens.
 * - `connecting`: not yet, or not any more; it is tried again by itself.
 * - `offline`: likewise, and the browser has no network or the service has not answered several times.
 */
export type Liveness = 'live' | 'connecting' | 'offline';

export const liveness = signal<Liveness>('connecting');
/** When the stream was last heard of; null before that. */
export const heardAt = signal<number | null>(null);

/** The service says something every 15 seconds; a connection that is silent for much longer is dead. */
const SILENCE_MS_MAX = 40_000;
const CHECK_MS = 2_000;
/** Waits between tries, the last one again and again. */
const WAITS_MS = [250, 500, 1_000, 2_000, 5_000] as const;
/** From this try on it is more than a hiccup. */
const OFFLINE_TRIES = 3;

export interface LiveOptions {
  readonly onNews: (news: News) => void;
  /** The session has ended. */
  readonly onSignedOut: () => void;
}

/** Begins to follow. Disposing it ends that. */
export function follow(options: LiveOptions): Disposable {
  const stream = new LiveStream(options);
  void stream.run();
  return stream;
}

class LiveStream implements Disposable {
  readonly #options: LiveOptions;
  readonly #end = new AbortController();
  #connection = new AbortController();
  #lastEventId = '';
  #tries = 0;
  #heardAt = 0;
  #wake: () => void = () => {};

  constructor(options: LiveOptions) {
    this.#options = options;
    const { signal } = this.#end;
    // A laptop that wakes, or a network that is back: whoever looks wants to see it now.
    addEventListener('online', () => this.#hurry(), { signal });
    document.addEventListener('visibilitychange', () => this.#hurry(), { signal });
    const timer = setInterval(() => this.#checkSilence(), CHECK_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
  }

  [Symbol.dispose](): void {
    this.#end.abort();
    this.#connection.abort();
    this.#wake();
  }

  async run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      try {
        await this.#read();
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return this.#options.onSignedOut();
      }
      if (this.#end.signal.aborted) return;
      this.#tries += 1;
      liveness.value = this.#tries >= OFFLINE_TRIES || !navigator.onLine ? 'offline' : 'connecting';
      await this.#pause();
    }
  }

  /** Reads one connection to its end. */
  async #read(): Promise<void> {
    this.#connection = new AbortController();
    const { signal } = this.#connection;
    const headers = this.#lastEventId === '' ? {} : { 'last-event-id': this.#lastEventId };
    this.#hear();
    const body = await open('owner/events', { headers: { accept: 'text/event-stream', ...headers }, signal });
    const isAgain = this.#tries > 0;
    this.#tries = 0;
    liveness.value = 'live';
    // Whatever resuming would bring: lists that were asked for while nobody answered are asked for again.
    if (isAgain) this.#options.onNews({ kind: 'reset' });
    const parser = new EventParser();
    const reader = body.getReader();
    const decoder = new TextDecoder();
    // Not every browser that this page supports iterates over streams.
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      this.#hear();
      for (const event of parser.push(decoder.decode(piece.value, { stream: true }))) this.#tell(event);
      this.#lastEventId = parser.lastEventId || this.#lastEventId;
    }
  }

  #tell({ name, data }: StreamEvent): void {
    if (name === 'export') this.#options.onNews({ kind: 'export', export: JSON.parse(data) });
    else if (name === 'rule') this.#options.onNews({ kind: 'rule', ...JSON.parse(data) });
    else this.#options.onNews({ kind: 'reset' });
  }

  #hear(): void {
    this.#heardAt = Date.now();
    heardAt.value = this.#heardAt;
  }

  #checkSilence(): void {
    if (liveness.value === 'live' && Date.now() - this.#heardAt > SILENCE_MS_MAX) this.#connection.abort();
  }

  #hurry(): void {
    if (document.visibilityState !== 'visible') return;
    this.#checkSilence();
    this.#wake();
  }

  #pause(): Promise<void> {
    const wait = WAITS_MS[Math.min(this.#tries, WAITS_MS.length) - 1] ?? 0;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
