import { ExportWaitTimeoutError } from './errors.ts';
import { postJson, serviceUrl } from './exchange.ts';
import {
  backoffMsDefault,
  RETRY_AFTER_MS_MAX_DEFAULT,
  type RepeatPolicy,
  repeat,
  sleepDefault,
  TRIES_MAX_DEFAULT,
} from './repeat.ts';
import { type ExportStatus, type FinishedExport, readStatus, unexpectedAnswer } from './status.ts';
import type { JsonValue, WireNewExport, WirePoll } from './wire.ts';

export interface ExportClientOptions {
  /** The service's address, such as `https://export-service:8080`. */
  url: string | URL;
  /** The app's token (a macaroon), or where to get it; a function is asked before every request. */
  token: string | (() => string | Promise<string>);
  /** The path the token is for. Default `/export`. */
  path?: '/export' | '/lp/export';
  /** Default the global one. */
  fetch?: typeof fetch;
  /** How long an answer may take, in milliseconds, on top of the time it was asked to wait. Default 30,000. */
  requestTimeoutMs?: number;
  /**
   * How requests that fail for the moment are repeated: lost connections and the statuses 408, 429, 502, 503 and 504.
   * Default: 6 tries, 0.5 to 8 seconds between them, `Retry-After` heeded up to 30 seconds.
   */
  repeat?: Partial<RepeatPolicy>;
  /** A clock in milliseconds that never goes back. Default `performance.now`. */
  now?: () => number;
}

/** What is exported: a value that the client writes as JSON, or JSON text that travels byte for byte. */
export type ExportContent =
  | {
      /** Anything `JSON.stringify` can write. A string becomes a JSON string; for JSON text use `json`. */
      data: JsonValue | object;
      json?: never;
    }
  | {
      /** JSON text, or its UTF-8 bytes. The destination receives exactly these bytes. */
      json: string | Uint8Array;
      data?: never;
    };

export type NewExport = ExportContent & {
  /** The URL, exactly as the token names it. */
  destination: string;
  /** Attempts at the delivery: 1 to the service's own maximum, which is the default. */
  attemptsMax?: number;
  /**
   * 1 to 255 visible characters. Two submissions with the same key and destination are one export. Default: a random
   * one for each submission. Give your own when you want to submit again after the client gave up, or after a crash.
   */
  idempotencyKey?: string;
};

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

export interface WaitOptions extends RequestOptions {
  /** Default 300,000 (5 minutes). `Infinity` waits as long as it takes, which may be days. */
  timeoutMs?: number;
}

/** More in one batch are refused by the service. */
export const BATCH_EXPORTS_MAX = 1_000;

const REQUEST_TIMEOUT_MS_DEFAULT = 30_000;
const WAIT_TIMEOUT_MS_DEFAULT = 300_000;
/** One long poll. Short enough that no proxy on the way takes the silence for death. */
const POLL_SECONDS_MAX = 30;
/** A poll without news takes at least this long, so that a service that does not wait is not hammered. */
const POLL_MS_MIN = 1_000;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/** What a poll asks the service to wait for: the next change of state (`/lp/export` only), or the end. */
type Patience = { for: 'change' | 'end'; seconds: number };

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
  readonly #token: () => string | Promise<string>;
  readonly #fetch: typeof fetch;
  readonly #requestTimeoutMs: number;
  readonly #policy: RepeatPolicy;
  readonly #now: () => number;

  constructor(options: ExportClientOptions) {
    const { token } = options;
    this.#path = options.path ?? '/export';
    this.#url = serviceUrl(options.url, this.#path);
    this.#token = typeof token === 'function' ? token : () => token;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT;
    this.#now = options.now ?? (() => performance.now());
    this.#policy = {
      triesMax: TRIES_MAX_DEFAULT,
      backoffMs: backoffMsDefault,
      retryAfterMsMax: RETRY_AFTER_MS_MAX_DEFAULT,
      sleep: sleepDefault,
      ...options.repeat,
    };
  }

  /**
   * Hands over one export. When it resolves, the service has it on disk. A lost answer is asked for again under the
   * same idempotency key, so that nothing is queued twice.
   *
   * After an `ExportConnectionError`, or the code `store_unavailable`, the export may or may not have been queued:
   * submitting it again is safe only with an `idempotencyKey` of your own. After any other error it was not queued.
   */
  async submit(submission: NewExport, options: RequestOptions = {}): Promise<ExportStatus> {
    const { idempotency_key: key, ...body } = wireExport(submission);
    return readStatus(await this.#post(body, { 'idempotency-key': key }, options));
  }

  /**
   * Hands over up to 1,000 exports in one request: all are taken in, or none. The statuses come in the order given.
   * The body limit of the service holds for all of them together.
   */
  async submitMany(submissions: readonly NewExport[], options: RequestOptions = {}): Promise<ExportStatus[]> {
    return this.#postBatch(submissions.map(wireExport), options);
  }

  /** The export as it is now. */
  async get(id: string, options: RequestOptions = {}): Promise<ExportStatus> {
    return this.#poll(id, { for: 'change', seconds: 0 }, options.signal);
  }

  /** Up to 1,000 exports as they are now, in the order of the ids. One that is not known fails the whole request. */
  async getMany(ids: readonly string[], options: RequestOptions = {}): Promise<ExportStatus[]> {
    return this.#postBatch(
      ids.map((id) => ({ id })),
      options,
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
    const deadline = this.#now() + timeoutMs;
    for (;;) {
      const startedAt = this.#now();
      const seconds = Math.floor(Math.min(Math.max(deadline - startedAt, 0) / 1_000, POLL_SECONDS_MAX));
      const status = await this.#poll(id, { for: 'end', seconds }, signal);
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

  async #poll(id: string, patience: Patience, signal: AbortSignal | undefined): Promise<ExportStatus> {
    if (typeof id !== 'string' || id === '')
      throw new TypeError('The id of an export is a non-empty string.');
    const body: WirePoll = { id };
    return readStatus(await this.#post(body, {}, { signal }, patience));
  }

  async #postBatch(elements: (WireNewExport | WirePoll)[], options: RequestOptions): Promise<ExportStatus[]> {
    if (elements.length === 0) return [];
    if (elements.length > BATCH_EXPORTS_MAX) {
      throw new TypeError(`A batch has at most ${BATCH_EXPORTS_MAX} exports, not ${elements.length}.`);
    }
    const answers = await this.#post(elements, {}, options);
    if (!Array.isArray(answers) || answers.length !== elements.length) {
      throw unexpectedAnswer('it does not have one element for each of the batch');
    }
    return answers.map(readStatus);
  }

  async #post(
    content: object,
    headers: Record<string, string>,
    options: RequestOptions,
    patience: Patience | null = null,
  ): Promise<unknown> {
    const { query, preference } = this.#ask(patience);
    const body = JSON.stringify(content);
    const request = async (): Promise<unknown> =>
      postJson({
        fetch: this.#fetch,
        url: this.#url + query,
        headers: {
          ...headers,
          ...preference,
          'content-type': 'application/json',
          'x-api-key': await this.#readToken(),
        },
        body,
        timeoutMs: (patience?.seconds ?? 0) * 1_000 + this.#requestTimeoutMs,
        signal: options.signal,
      });
    return repeat(request, this.#policy, options.signal);
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

  async #readToken(): Promise<string> {
    const token = await this.#token();
    // Checked here because fetch would put the token into its own error message.
    const trimmed = typeof token === 'string' ? token.trim() : '';
    if (!/^[\x20-\x7e]+$/.test(trimmed)) {
      throw new TypeError('The token must be a non-empty string of ASCII characters.');
    }
    return trimmed;
  }

  async #pace(startedAt: number, deadline: number, signal: AbortSignal | undefined): Promise<void> {
    const now = this.#now();
    const waitMs = Math.min(startedAt + POLL_MS_MIN, deadline) - now;
    if (waitMs > 0) await this.#policy.sleep(waitMs, signal);
  }
}

/** A new state, or another attempt that failed. The number of attempts is told only between attempts. */
function isNews(status: ExportStatus, last: ExportStatus): boolean {
  if (status.state !== last.state) return true;
  if (status.state === 'Finished' || last.state === 'Finished') return false;
  return status.attempts !== undefined && status.attempts !== last.attempts;
}

function wireExport(submission: NewExport): WireNewExport & { idempotency_key: string } {
  const { destination, attemptsMax, idempotencyKey = crypto.randomUUID() } = submission;
  if (typeof destination !== 'string' || destination === '') {
    throw new TypeError('An export needs a destination: the URL, exactly as the token names it.');
  }
  if (!IDEMPOTENCY_KEY.test(idempotencyKey)) {
    throw new TypeError('An idempotency key has 1 to 255 visible ASCII characters.');
  }
  return {
    uri: destination,
    data: jsonText(submission),
    ...(attemptsMax === undefined ? {} : { attempts_max: attemptsMax }),
    idempotency_key: idempotencyKey,
  };
}

/** Always text: the service sends text on as it is, so what arrives is decided here and nowhere else. */
function jsonText(content: ExportContent): string {
  const { data, json } = content;
  if ((data === undefined) === (json === undefined)) {
    throw new TypeError('An export has either data (a value) or json (JSON text).');
  }
  if (typeof json === 'string') return json;
  if (json instanceof Uint8Array) return decodeUtf8(json);
  if (json !== undefined) throw new TypeError('json is JSON text or its UTF-8 bytes; a value goes in data.');
  const text: string | undefined = JSON.stringify(data);
  if (text === undefined) throw new TypeError('The data is nothing that JSON can write.');
  return text;
}

function decodeUtf8(bytes: Uint8Array): string {
  // A byte order mark stays, so that the service can refuse it: taking it away would change the bytes.
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}
