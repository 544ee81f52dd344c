import { ExportClientError } from './errors.ts';
import { type Exchange, exchangeJson, exchangeText } from './exchange.ts';
import {
  backoffMsDefault,
  RETRY_AFTER_MS_MAX_DEFAULT,
  type RepeatPolicy,
  repeat,
  sleepDefault,
  TRIES_MAX_DEFAULT,
} from './repeat.ts';
import { TokenHolder, type TokenSource } from './token.ts';

/** What every client of the service is made with. */
export interface CallerOptions {
  token: TokenSource;
  fetch?: typeof fetch | undefined;
  requestTimeoutMs?: number | undefined;
  repeat?: Partial<RepeatPolicy> | undefined;
}

/** One request, as often as it is made. */
export interface ServiceRequest {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** How long the service is asked to wait before it answers, in seconds. */
  waitSeconds?: number;
  signal?: AbortSignal | undefined;
  isOfStream?: boolean;
}

const REQUEST_TIMEOUT_MS_DEFAULT = 30_000;

/** Makes requests with the token, under a new one when it is refused, and again while they fail for the moment. */
export class ServiceCaller {
  readonly token: TokenHolder;
  readonly fetch: typeof fetch;
  readonly policy: RepeatPolicy;
  readonly #requestTimeoutMs: number;

  constructor(options: CallerOptions) {
    this.token = new TokenHolder(options.token);
    this.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT;
    this.policy = {
      triesMax: TRIES_MAX_DEFAULT,
      backoffMs: backoffMsDefault,
      retryAfterMsMax: RETRY_AFTER_MS_MAX_DEFAULT,
      sleep: sleepDefault,
      ...options.repeat,
    };
  }

  /** The parsed JSON of the answer. What is called here must be safe to repeat. */
  call(request: ServiceRequest): Promise<unknown> {
    const { signal, isOfStream = false } = request;
    return repeat(() => this.callOnce(request), { policy: this.policy, signal, isOfStream });
  }

  /** The same, and not repeated when it fails. */
  callOnce(request: ServiceRequest): Promise<unknown> {
    return this.withToken((token) => exchangeJson(this.#exchangeOf(request, token)));
  }

  /** The text of an answer that is not JSON, asked for as {@link call} does. */
  text(request: ServiceRequest): Promise<string> {
    const ask = () => this.withToken((token) => exchangeText(this.#exchangeOf(request, token)));
    return repeat(ask, { policy: this.policy, signal: request.signal, isOfStream: false });
  }

  /** A token may have run out: one that is refused is renewed, once, and nothing was done under it. */
  async withToken<T>(send: (token: string) => Promise<T>): Promise<T> {
    const token = await this.token.get();
    try {
      return await send(token);
    } catch (error) {
      const isRefused = error instanceof ExportClientError && error.status === 401;
      const renewed = isRefused ? await this.token.renew(token) : null;
      if (renewed === null) throw error;
      return await send(renewed);
    }
  }

  #exchangeOf(
    { url, method, headers, body, waitSeconds = 0, signal }: ServiceRequest,
    token: string,
  ): Exchange {
    return {
      fetch: this.fetch,
      url,
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        'x-api-key': token,
      },
      body,
      timeoutMs: waitSeconds * 1_000 + this.#requestTimeoutMs,
      signal,
    };
  }
}
