import { type Environment, type ReadFile, readEnvironment } from './environment.ts';
import { ExportWaitTimeoutError } from './errors.ts';
import { serviceUrl } from './exchange.ts';
import type { RepeatPolicy } from './repeat.ts';
import { ServiceCaller } from './service-caller.ts';
import { type ExportStatus, type FinishedExport, readStatus, unexpectedAnswer } from './status.ts';
import { type AnyExport, type NewExport, wireExport } from './submission.ts';
import { type StreamOptions, type StreamResult, SubmissionStream } from './submit-stream.ts';
import type { TokenSource } from './token.ts';
import type { WirePoll } from './wire.ts';

export interface ExportClientOptions {
  /** The service's address, such as `https://export-service:8080`. */
  url: string | URL;
  /** The app's token (a macaroon), or a function that gets it; asked again when the service refuses what it gave. */
  token: TokenSource;
  /** The path the token is for. Default `/export`. */
  path?: '/export' | '/lp/export';
  /** Default the global one. */
  fetch?: typeof fetch;
  /** How long an answer may take, in milliseconds, on top of the time it was asked to wait. Default 30,000. */
  requestTimeoutMs?: number;
  /**
   * How requests that fail for the moment are repeated: lost connections and the statuses 408, 429, 502, 503 and 504.
   * Default: 6 tries, 0.5 to 8 seconds between them; `Retry-After` is heeded up to a minute, and a 429 that has one
   * uses up no try.
   */
  repeat?: Partial<RepeatPolicy>;
  /** A clock in milliseconds that never goes back. Default `performance.now`. */
  now?: () => number;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

export interface WaitOptions extends RequestOptions {
  /** Default 300,000 (5 minutes). `Infinity` waits as long as it takes, which may be days. */
  timeoutMs?: number;
}

/** More in one batch are refused by the service. */
export const BATCH_EXPORTS_MAX = 1_000;

const WAIT_TIMEOUT_MS_DEFAULT = 300_000;
/** One long poll. Short enough that no proxy on the way takes the silence for death. */
const POLL_SECONDS_MAX = 30;
/** A poll without news takes at least this long, so that a service that does not wait is not hammered. */
const POLL_MS_MIN = 1_000;

/** What a poll asks the service to wait for: the next change of state (`/lp/export` only), or the end. */
type Patience = { for: 'change' | 'end'; seconds: number };

/** One request, as often as it is made. */
interface Call {
  body: string;
  headers?: Record<string, string>;
  patience?: Patience | null;
  signal: AbortSignal | undefined;
  isOfStream?: boolean;
}

/**
 * Hands exports to a Databox export service and tells how they went. It keeps no connection and nothing in the
 * background, so it needs no closing.
 *
 * Every method throws `ExportClientError` when the service refuses, `ExportConnectionError` when no answer comes, the
 * signal's reason when its signal aborts, and `TypeError` for arguments that can never be right.
 */
export class ExportClient {
  readonly #url: string;
  readonly #path: '/export' | '/lp/export';
  readonly #caller: ServiceCaller;
  readonly #now: () => number;

  constructor(options: ExportClientOptions) {
    this.#path = options.path ?? '/export';
    this.#url = serviceUrl(options.url, this.#path);
    this.#caller = new ServiceCaller(options);
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * A client with the address and the token that the environment has: `EXPORT_URL`, or the service of the box that
   * this runs in; `EXPORT_TOKEN`, or the content of the file `EXPORT_TOKEN_FILE`, read again when it is refused.
   *
   * @param options what is given here is not looked for in the environment
   * @throws TypeError when there is no token
   */
  static fromEnvironment(
    options: Partial<ExportClientOptions> = {},
    environment?: Environment,
    readFile?: ReadFile,
  ): ExportClient {
    const { url, token } = options;
    if (url !== undefined && token !== undefined) return new ExportClient({ ...options, url, token });
    return new ExportClient({ ...readEnvironment(environment, readFile, token), ...options });
  }

  /**
   * Hands over one export. When it resolves, the service has it on disk. A lost answer is asked for again under the
   * same idempotency key, so that nothing is queued twice.
   *
   * After an `ExportConnectionError`, or the code `store_unavailable`, the export may or may not have been queued:
   * submitting it again is safe only with an `idempotencyKey` of your own. After any other error it was not queued.
   */
  async submit<Data>(submission: NewExport<Data>, options: RequestOptions = {}): Promise<ExportStatus> {
    return this.#submit(submission, null, options);
  }

  /**
   * Hands over one export and waits until it has ended, in one request where that is enough.
   *
   * @throws ExportWaitTimeoutError when it has not ended in time; the export goes on
   */
  async submitAndWait<Data>(submission: NewExport<Data>, options: WaitOptions = {}): Promise<FinishedExport> {
    const { signal, timeoutMs = WAIT_TIMEOUT_MS_DEFAULT } = options;
    const startedAt = this.#now();
    const patience: Patience = { for: 'end', seconds: pollSeconds(timeoutMs) };
    const status = await this.#submit(submission, patience, { signal });
    if (status.state === 'Finished') return status;
    return this.#waitUntil(status.id, startedAt + timeoutMs, timeoutMs, signal);
  }

  /**
   * Hands over up to 1,000 exports in one request: all are taken in, or none. The statuses come in the order given.
   * The body limit of the service holds for all of them together.
   */
  async submitMany<const Data extends readonly unknown[]>(
    submissions: readonly [...{ [Index in keyof Data]: NewExport<Data[Index]> }],
    options: RequestOptions = {},
  ): Promise<ExportStatus[]> {
    const all: readonly AnyExport[] = submissions;
    return this.#postBatch(
      all.map((submission) => JSON.stringify(wireExport(submission))),
      options.signal,
    );
  }

  /**
   * Hands over every export of a source, as many as come, and tells of each what became of it, in the order of the
   * source. The source is read no faster than the service accepts (429 is waited out) and you read the results.
   * A refusal of one export is a result; one that holds for all, a lost connection, or an error of the source is
   * thrown, after the results so far.
   */
  submitStream<Data>(
    source: Iterable<NewExport<Data>> | AsyncIterable<NewExport<Data>>,
    options: StreamOptions = {},
  ): AsyncGenerator<StreamResult<NewExport<Data>>, void, void> {
    const submit = (exports: readonly string[], signal: AbortSignal): Promise<ExportStatus[]> =>
      this.#postBatch(exports, signal, true);
    return new SubmissionStream<NewExport<Data>>(source, submit, options).results();
  }

  /** The export as it is now. */
  async get(id: string, options: RequestOptions = {}): Promise<ExportStatus> {
    return this.#poll(id, { for: 'change', seconds: 0 }, options.signal);
  }

  /** Up to 1,000 exports as they are now, in the order of the ids. One that is not known fails the whole request. */
  async getMany(ids: readonly string[], options: RequestOptions = {}): Promise<ExportStatus[]> {
    return this.#postBatch(
      ids.map((id) => JSON.stringify({ id } satisfies WirePoll)),
      options.signal,
    );
  }

  /**
   * Waits until the export has ended. The time is looked at between requests: repeats while the service cannot be
   * reached may add to it.
   *
   * @throws ExportWaitTimeoutError when it has not ended in time; the export goes on
   */
  async wait(id: string, options: WaitOptions = {}): Promise<FinishedExport> {
    const { signal, timeoutMs = WAIT_TIMEOUT_MS_DEFAULT } = options;
    return this.#waitUntil(id, this.#now() + timeoutMs, timeoutMs, signal);
  }

  async #waitUntil(
    id: string,
    deadline: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<FinishedExport> {
    for (;;) {
      const startedAt = this.#now();
      const status = await this.#poll(id, { for: 'end', seconds: pollSeconds(deadline - startedAt) }, signal);
      if (status.state === 'Finished') return status;
      if (this.#now() >= deadline) throw new ExportWaitTimeoutError(id, timeoutMs, status.state);
      await this.#pace(startedAt, deadline, signal);
    }
  }

  /**
   * The export's states as they change, the last one `Finished`; failed attempts between are news too. Given an id it
   * begins with the present state, given a status with what comes after that.
   *
   * The service tells its state, not its history: a state that lasts shorter than a request may be skipped.
   */
  async *watch(
    from: string | ExportStatus,
    options: RequestOptions = {},
  ): AsyncGenerator<ExportStatus, void, void> {
    const { signal } = options;
    const id = typeof from === 'string' ? from : from.id;
    let last = typeof from === 'string' ? null : from;
    // A change between two polls is seen only when the second one ends. So we look at once, then wait for a second,
    // for two, for four: what happens after a time T is seen about T later at most.
    let seconds = 0;
    while (last?.state !== 'Finished') {
      const startedAt = this.#now();
      const status = await this.#poll(id, { for: 'change', seconds }, signal);
      if (last === null || isNews(status, last)) {
        last = status;
        seconds = 0;
        yield status;
      } else {
        if (seconds > 0) await this.#pace(startedAt, Infinity, signal);
        seconds = Math.min(Math.max(seconds * 2, 1), POLL_SECONDS_MAX);
      }
    }
  }

  async #submit(
    submission: AnyExport,
    patience: Patience | null,
    { signal }: RequestOptions,
  ): Promise<ExportStatus> {
    const { idempotency_key: key, ...wire } = wireExport(submission);
    const headers = { 'idempotency-key': key };
    return readStatus(await this.#post({ body: JSON.stringify(wire), headers, patience, signal }));
  }

  async #poll(id: string, patience: Patience, signal: AbortSignal | undefined): Promise<ExportStatus> {
    if (typeof id !== 'string' || id === '')
      throw new TypeError('The id of an export is a non-empty string.');
    const body = JSON.stringify({ id } satisfies WirePoll);
    return readStatus(await this.#post({ body, patience, signal }));
  }

  /** @param elements each as JSON text */
  async #postBatch(
    elements: readonly string[],
    signal: AbortSignal | undefined,
    isOfStream = false,
  ): Promise<ExportStatus[]> {
    if (elements.length === 0) return [];
    if (elements.length > BATCH_EXPORTS_MAX) {
      throw new TypeError(`A batch has at most ${BATCH_EXPORTS_MAX} exports, not ${elements.length}.`);
    }
    const answers = await this.#post({ body: `[${elements.join(',')}]`, signal, isOfStream });
    if (!Array.isArray(answers) || answers.length !== elements.length) {
      throw unexpectedAnswer('it does not have one element for each of the batch');
    }
    return answers.map(readStatus);
  }

  #post({ body, headers, patience = null, signal, isOfStream = false }: Call): Promise<unknown> {
    const { query, preference } = this.#ask(patience);
    return this.#caller.call({
      url: this.#url + query,
      headers: { ...headers, ...preference },
      body,
      waitSeconds: patience?.seconds ?? 0,
      signal,
      isOfStream,
    });
  }

  /** `/lp/export` waits for a change unless told otherwise; `Prefer: wait` waits for the end, on both paths. */
  #ask(patience: Patience | null): { query: string; preference: Record<string, string> } {
    if (patience === null) return { query: '', preference: {} };
    const { seconds } = patience;
    if (this.#path === '/lp/export' && (patience.for === 'change' || seconds === 0)) {
      return { query: `?timeout=${seconds}`, preference: {} };
    }
    return { query: '', preference: seconds === 0 ? {} : { prefer: `wait=${seconds}` } };
  }

  async #pace(startedAt: number, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const now = this.#now();
    const waitMs = Math.min(startedAt + POLL_MS_MIN, deadline) - now;
    if (waitMs > 0) await this.#caller.policy.sleep(waitMs, signal);
  }
}

/** A new state, or another attempt that failed. The number of attempts is told only between attempts. */
function isNews(status: ExportStatus, last: ExportStatus): boolean {
  if (status.state !== last.state) return true;
  if (status.state === 'Finished' || last.state === 'Finished') return false;
  return status.attempts !== undefined && status.attempts !== last.attempts;
}

/** Whole seconds to wait in one request. */
function pollSeconds(leftMs: number): number {
  return Math.floor(Math.min(Math.max(leftMs, 0) / 1_000, POLL_SECONDS_MAX));
}
