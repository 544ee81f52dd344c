import { ExportClientError } from './errors.ts';
import type { ExportStatus } from './status.ts';
import { type AnyExport, wireExport } from './submission.ts';

export interface StreamOptions {
  signal?: AbortSignal | undefined;
  /** Exports in one request at most, 1 to 1,000. Default 100. */
  batchMax?: number;
  /**
   * Requests under way at once. Default 1: then exports are accepted in the order of the source, and so leave for one
   * destination in that order. With more, only the results keep it.
   */
  concurrency?: number;
}

/** What became of one export of a stream; `accepted` tells which. */
export type StreamResult<Submission> =
  | {
      /** Its place in the source, from 0. */
      index: number;
      submission: Submission;
      /** The service has it on disk. */
      accepted: true;
      status: ExportStatus;
    }
  | {
      index: number;
      submission: Submission;
      /** This export is refused, and was not queued; the others go on. */
      accepted: false;
      /** A `TypeError` when it can never be right, such as data that JSON cannot hold. */
      error: ExportClientError | TypeError;
    };

/** Hands over a batch, each export as JSON text; resolves with their statuses, in order. */
export type SubmitBatch = (exports: readonly string[], signal: AbortSignal) => Promise<ExportStatus[]>;

export const BATCH_MAX_DEFAULT = 100;
const CONCURRENCY_DEFAULT = 1;
/** Half of what the service's body limit is unless it is set otherwise. A longer export travels alone. */
const BATCH_LENGTH_MAX = 512 * 1_024;

interface Item<Submission> {
  index: number;
  submission: Submission;
  /** As it travels, or why it cannot. */
  wire: string | TypeError;
}

/** How a batch ended. `failure` is there when it is not about one export but about all that follow too. */
interface Outcome<Submission> {
  results: StreamResult<Submission>[];
  failure?: { error: unknown };
}

/**
 * A source on its way to the service. It is pulled only as fast as the service accepts and the reader reads: at most
 * one batch is collected while `concurrency` are under way. There is no timer: what has come while requests were under
 * way is the next batch, so a lone export waits for nobody and a fast source fills its batches.
 */
export class SubmissionStream<Submission extends AnyExport> {
  readonly #source: Iterator<Submission, unknown> | AsyncIterator<Submission, unknown>;
  readonly #submit: SubmitBatch;
  readonly #batchMax: number;
  readonly #concurrency: number;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal | undefined;
  #pulling: Promise<null> | null = null;
  #isExhausted = false;
  #count = 0;
  #collected: Item<Submission>[] = [];
  #collectedLength = 0;
  /** In the order of their sending. */
  readonly #underWay: Promise<Outcome<Submission>>[] = [];
  #failure: { error: unknown } | null = null;

  constructor(
    source: Iterable<Submission> | AsyncIterable<Submission>,
    submit: SubmitBatch,
    options: StreamOptions,
  ) {
    this.#batchMax = wholeNumber('batchMax', options.batchMax ?? BATCH_MAX_DEFAULT, 1_000);
    this.#concurrency = wholeNumber('concurrency', options.concurrency ?? CONCURRENCY_DEFAULT, Infinity);
    this.#signal = options.signal;
    this.#submit = submit;
    this.#source = iteratorOf(source);
  }

  /**
   * The results, in the order of the source. Whatever was accepted before a failure is told before it is thrown.
   *
   * @throws the failure of a batch as a whole, of the source, or the signal's reason
   */
  async *results(): AsyncGenerator<StreamResult<Submission>, void, void> {
    const abort = (): void => this.#ending.abort(this.#signal?.reason);
    if (this.#signal?.aborted) abort();
    this.#signal?.addEventListener('abort', abort, { once: true });
    const aborted = whenAborted(this.#ending.signal);
    try {
      for (;;) {
        this.#advance();
        const [oldest] = this.#underWay;
        const pulling = this.#failure === null ? this.#pulling : null;
        if (oldest === undefined && pulling === null) break;
        const outcome = await Promise.race([oldest, pulling, aborted].filter((one) => one != null));
        if (outcome === null) continue;
        this.#underWay.shift();
        this.#failure ??= outcome.failure ?? null;
        yield* outcome.results;
      }
      if (this.#failure !== null) throw this.#failure.error;
    } finally {
      this.#signal?.removeEventListener('abort', abort);
      this.#end();
    }
  }

  /** Starts whatever may start: one look into the source, and batches while there is room for them. */
  #advance(): void {
    if (this.#failure !== null) return;
    if (this.#collected.length > 0 && this.#underWay.length < this.#concurrency) this.#send();
    const hasRoom = this.#collected.length < this.#batchMax && this.#collectedLength < BATCH_LENGTH_MAX;
    if (hasRoom && !this.#isExhausted) this.#pulling ??= this.#pull();
  }

  async #pull(): Promise<null> {
    try {
      const { done, value } = await this.#source.next();
      if (done) this.#isExhausted = true;
      else this.#collect(value);
    } catch (error) {
      this.#isExhausted = true;
      // What has been collected before is handed over all the same.
      this.#underWay.push(
        ...this.#sendCollected(),
        Promise.resolve({ results: [], failure: { error } } satisfies Outcome<Submission>),
      );
    } finally {
      this.#pulling = null;
    }
    return null;
  }

  #collect(submission: Submission): void {
    const wire = wireText(submission);
    this.#collected.push({ index: this.#count, submission, wire });
    this.#collectedLength += typeof wire === 'string' ? wire.length : 0;
    this.#count += 1;
  }

  #send(): void {
    this.#underWay.push(...this.#sendCollected());
  }

  #sendCollected(): Promise<Outcome<Submission>>[] {
    const batch = this.#collected;
    this.#collected = [];
    this.#collectedLength = 0;
    return batch.length === 0 ? [] : [this.#handOver(batch)];
  }

  async #handOver(batch: readonly Item<Submission>[]): Promise<Outcome<Submission>> {
    const results = batch.flatMap((item) =>
      item.wire instanceof TypeError ? [refused(item, item.wire)] : [],
    );
    const failure = await this.#submitEach(
      batch.filter(({ wire }) => typeof wire === 'string'),
      results,
    );
    results.sort((one, other) => one.index - other.index);
    return failure === null ? { results } : { results, failure };
  }

  /**
   * A batch is taken in as a whole or not at all. So whatever is refused is taken out, and the others are handed over
   * again, under the same idempotency keys.
   */
  async #submitEach(
    batch: readonly Item<Submission>[],
    results: StreamResult<Submission>[],
  ): Promise<{ error: unknown } | null> {
    let rest = batch;
    while (rest.length > 0) {
      try {
        const statuses = await this.#submit(
          rest.map(({ wire }) => wire as string),
          this.#ending.signal,
        );
        results.push(...rest.map((item, at) => accepted(item, statuses[at] as ExportStatus)));
        return null;
      } catch (error) {
        if (isTooLarge(error) && rest.length > 1) {
          const half = Math.ceil(rest.length / 2);
          const failure = await this.#submitEach(rest.slice(0, half), results);
          if (failure !== null) return failure;
          rest = rest.slice(half);
          continue;
        }
        const culprit = culpritOf(error, rest);
        if (culprit === undefined) return { error };
        results.push(refused(culprit, error as ExportClientError));
        rest = rest.filter((item) => item !== culprit);
      }
    }
    return null;
  }

  /** Nobody reads on, or there is nothing more to read. */
  #end(): void {
    if (this.#underWay.length > 0) this.#ending.abort();
    if (!this.#isExhausted) {
      this.#isExhausted = true;
      // Not awaited: a source that waits for its next export would keep the reader waiting.
      Promise.resolve(this.#source.return?.()).catch(() => {});
    }
  }
}

function iteratorOf<T>(source: Iterable<T> | AsyncIterable<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

function wireText(submission: AnyExport): string | TypeError {
  try {
    return JSON.stringify(wireExport(submission));
  } catch (error) {
    // What `toJSON` of the app's own objects throws may be anything.
    return error instanceof TypeError
      ? error
      : new TypeError('The data cannot be written as JSON.', { cause: error });
  }
}

function accepted<S>({ index, submission }: Item<S>, status: ExportStatus): StreamResult<S> {
  return { index, submission, accepted: true, status };
}

function refused<S>({ index, submission }: Item<S>, error: ExportClientError | TypeError): StreamResult<S> {
  return { index, submission, accepted: false, error };
}

function isTooLarge(error: unknown): boolean {
  return error instanceof ExportClientError && error.status === 413;
}

/** The one of the batch that is refused for something of its own; undefined when the refusal is about all. */
function culpritOf<S>(error: unknown, batch: readonly Item<S>[]): Item<S> | undefined {
  if (isTooLarge(error)) return batch[0];
  if (!(error instanceof ExportClientError) || error.shouldRetry || error.element === undefined)
    return undefined;
  return batch[error.element];
}

/** Rejects with the signal's reason when it aborts; whoever does not wait for it is not troubled by it. */
function whenAborted(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  aborted.catch(() => {});
  return aborted;
}

function wholeNumber(name: string, value: number, max: number): number {
  if (value >= 1 && value <= max && (Number.isInteger(value) || value === Infinity)) return value;
  throw new TypeError(
    `${name} is a whole number from 1${max === Infinity ? '' : ` to ${max}`}, not ${value}.`,
  );
}
