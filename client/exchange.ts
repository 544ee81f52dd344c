import { ExportClientError, ExportConnectionError } from './errors.ts';

/** One request to the service. */
export interface Exchange {
  fetch: typeof fetch;
  url: string;
  /** Default `POST`. */
  method?: string | undefined;
  headers: Record<string, string>;
  /** Left out, there is none. */
  body?: string | undefined;
  /** From the start of the request to the last byte of the answer. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

interface Answer {
  status: number;
  retryAfter: string | null;
  text: string;
}

const DETAIL_CHARACTERS_MAX = 300;

/**
 * Sends a request and returns the parsed JSON of a 200 answer; of a 204, which has none, undefined.
 *
 * @throws ExportClientError when the service refuses, or when what answers is no export service
 * @throws ExportConnectionError when no whole answer came
 * @throws the signal's reason when it aborts
 */
export async function exchangeJson(exchange: Exchange): Promise<unknown> {
  const answer = await answerTo(exchange);
  if (answer.status === 204) return undefined;
  if (answer.status !== 200) throw refusal(answer);
  try {
    return JSON.parse(answer.text);
  } catch {
    throw new ExportClientError(
      'unexpected_answer',
      answer.status,
      `The answer of ${exchange.url} is not JSON. Is this the address of an export service?`,
    );
  }
}

/**
 * The same for an answer that is text.
 *
 * @throws what {@link exchangeJson} throws
 */
export async function exchangeText(exchange: Exchange): Promise<string> {
  const answer = await answerTo(exchange);
  if (answer.status !== 200) throw refusal(answer);
  return answer.text;
}

async function answerTo(exchange: Exchange): Promise<Answer> {
  const { signal, timeoutMs } = exchange;
  signal?.throwIfAborted();
  // Not AbortSignal.any and .timeout: those stay attached to a signal that may live as long as the app.
  const ending = new AbortController();
  const abort = (): void => ending.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal?.addEventListener('abort', abort);
  try {
    return await fetchAnswer(exchange, ending.signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (ending.signal.aborted) throw timedOut(exchange.url, timeoutMs);
    throw connectionError(exchange.url, error);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

async function fetchAnswer(exchange: Exchange, signal: AbortSignal): Promise<Answer> {
  const response = await exchange.fetch(exchange.url, {
    method: exchange.method ?? 'POST',
    headers: exchange.headers,
    ...(exchange.body === undefined ? {} : { body: exchange.body }),
    // A followed redirect would carry the token and the data to another address.
    redirect: 'manual',
    signal,
  });
  return readAnswer(response);
}

async function readAnswer(response: Response): Promise<Answer> {
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    text: await response.text(),
  };
}

/** The refusal that a response is. */
export async function refusalOf(response: Response): Promise<ExportClientError> {
  return refusal(await readAnswer(response));
}

/**
 * Where `path` of the service at `url` is.
 *
 * @throws TypeError for what is no address of a service
 */
export function serviceUrl(url: string | URL, path: string): string {
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new TypeError(`The service's url must begin with http:// or https://, not ${parsed.protocol}`);
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new TypeError(
      "The service's url must hold no user or password; the token is an option of its own.",
    );
  }
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}${path}`;
}

function refusal(answer: Answer): ExportClientError {
  const problem = readProblem(answer.text);
  return new ExportClientError(
    problem?.code ?? 'unexpected_answer',
    answer.status,
    problem?.detail ?? describeForeignAnswer(answer),
    { retryAfterSeconds: parseRetryAfter(answer.retryAfter) },
  );
}

function readProblem(text: string): { code: string; detail: string } | null {
  try {
    const { code, detail, title } = JSON.parse(text);
    return typeof code === 'string' ? { code, detail: String(detail ?? title ?? code) } : null;
  } catch {
    return null;
  }
}

function describeForeignAnswer({ status, text }: Answer): string {
  // A browser shows a redirect that is not followed as status 0.
  if (status === 0 || (status >= 300 && status < 400)) {
    return 'The address redirects, which is not followed. Give the address of the export service itself.';
  }
  const words = text.trim().slice(0, DETAIL_CHARACTERS_MAX);
  return words === '' ? 'The address answered without saying why.' : words;
}

/** Retry-After in seconds, whether it is given as a number or as a date. */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? undefined : Math.max(0, Math.ceil((dateMs - Date.now()) / 1_000));
}

export function timedOut(url: string, timeoutMs: number): ExportConnectionError {
  return new ExportConnectionError(url, `none came within ${timeoutMs} ms`, { code: 'TIMEOUT' });
}

/** `fetch` hides what happened in the chain of causes; people need it in the message. */
export function connectionError(url: string, error: unknown): ExportConnectionError {
  const root = rootCause(error);
  const code = codeOf(root);
  const known = root instanceof Error && root.message !== '' ? root.message : code;
  return new ExportConnectionError(url, known ?? 'the connection failed', { code, cause: error });
}

function rootCause(error: unknown): unknown {
  let root = error;
  for (let depth = 0; depth < 5; depth += 1) {
    if (!(root instanceof Error) || root.cause === undefined) break;
    root = root.cause;
  }
  // `localhost` is tried on several addresses: the failures come together, and the first says enough.
  return root instanceof AggregateError && root.errors.length > 0 ? root.errors[0] : root;
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
