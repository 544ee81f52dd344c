import { type ExportClient, ExportClientError, type FinishedExport } from '../../client/index.ts';
import type { Item } from './items.ts';
import type { Journal } from './journal.ts';

/** An input's export on its way, and the journal that tells about it. */
export interface Errand {
  readonly item: Item;
  readonly journal: Journal;
}

/** What became of one export. */
export type Outcome =
  /** Nobody waits for its end. */
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'ended'; readonly id: string; readonly end: FinishedExport }
  | { readonly kind: 'refused'; readonly error: ExportClientError }
  | { readonly kind: 'unreadable'; readonly problem: string }
  /** An earlier run has done it. */
  | { readonly kind: 'done before' };

export interface SenderParts {
  readonly client: ExportClient;
  readonly destination: string;
  readonly attemptsMax: number | null;
  /** Whether to wait for each export's end. */
  readonly waits: boolean;
  /** Exports under way at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** Told of every export, in the order of the input where nobody waits, and as they end where somebody does. */
  readonly onOutcome: (item: Item, outcome: Outcome) => void;
}

/**
 * Sends every export of a source, some at a time. The source is read no faster than they end.
 *
 * @throws what makes it senseless to go on: the token is refused, the service cannot be reached, the source breaks off.
 *   What is under way then is given up, and its journal knows about it
 */
export class Sender {
  readonly #parts: SenderParts;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  /** Resolves when the export that was taken last has been told. */
  #told: Promise<void> = Promise.resolve();

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#signal = AbortSignal.any([parts.signal, this.#ending.signal]);
  }

  async send(source: AsyncIterator<Errand>): Promise<void> {
    const workers = Array.from({ length: this.#parts.concurrency }, () => this.#work(source));
    const ends = await Promise.allSettled(workers);
    this.#parts.signal.throwIfAborted();
    // The first that failed has ended the others.
    if (this.#ending.signal.aborted) throw this.#ending.signal.reason;
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  async #work(source: AsyncIterator<Errand>): Promise<void> {
    try {
      while (await this.#takeTurn(source));
    } catch (error) {
      this.#ending.abort(error);
      throw error;
    }
  }

  /** Sends the next export, and tells of it when its turn has come. @returns whether there was one */
  async #takeTurn(source: AsyncIterator<Errand>): Promise<boolean> {
    this.#signal.throwIfAborted();
    const before = this.#told;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#told = promise;
    try {
      const next = await this.#orAborted(source.next());
      if (next.done) return false;
      const outcome = await this.#sendOne(next.value);
      if (!this.#parts.waits) await before;
      this.#parts.onOutcome(next.value.item, outcome);
      return true;
    } finally {
      resolve();
    }
  }

  /** A source such as stdin may take for ever, and knows of no signal. */
  async #orAborted<T>(pending: Promise<T>): Promise<T> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(this.#signal.reason);
    this.#signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([pending, aborted]);
    } finally {
      this.#signal.removeEventListener('abort', abort);
    }
  }

  async #sendOne({ item, journal }: Errand): Promise<Outcome> {
    const { index, json, problem } = item;
    if (json === null) return { kind: 'unreadable', problem: problem ?? 'it is not JSON' };
    const { entry, key } = journal.begin(index, json);
    if (entry.end === 'delivered') return { kind: 'done before' };
    if (entry.id !== null && !this.#parts.waits) return { kind: 'done before' };
    try {
      const id = entry.id ?? (await this.#submit(item, json, key, journal));
      if (!this.#parts.waits) return { kind: 'accepted', id };
      return await this.#waitFor(id, index, journal);
    } catch (error) {
      if (!isAboutExport(error)) throw error;
      journal.ended(index, 'refused');
      return { kind: 'refused', error };
    }
  }

  async #submit({ index }: Item, json: string, key: string, journal: Journal): Promise<string> {
    const { client, destination, attemptsMax } = this.#parts;
    const { id } = await client.submit(
      { destination, json, idempotencyKey: key, ...(attemptsMax === null ? {} : { attemptsMax }) },
      { signal: this.#signal },
    );
    journal.accepted(index, id);
    return id;
  }

  async #waitFor(id: string, index: number, journal: Journal): Promise<Outcome> {
    const end = await this.#parts.client.wait(id, { timeoutMs: Infinity, signal: this.#signal });
    journal.ended(index, end.answer.ok ? 'delivered' : 'failed');
    return { kind: 'ended', id, end };
  }
}

/** Refusals of one export; the others go on. */
const CODES_OF_ONE = new Set([
  'invalid_request',
  'payload_too_large',
  'idempotency_mismatch',
  'unknown_export',
]);

function isAboutExport(error: unknown): error is ExportClientError {
  if (!(error instanceof ExportClientError)) return false;
  // The size of the data is the one thing about an export that a token may limit.
  if (error.code === 'caveat_refused') return /data-bytes/.test(error.detail);
  return CODES_OF_ONE.has(error.code);
}
