/** Asks the service. The session's cookie goes along by itself. */

/** The service said no, or that something is wrong; `detail` says what to do, in English. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** No answer came. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

export type Method = 'GET' | 'POST' | 'DELETE';

export interface Ask {
  readonly method?: Method;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Where the service is: above this page and its `assets`, also behind a proxy that puts a path in front. */
const SERVICE =
  typeof document === 'undefined' ? new URL('../../', location.href) : new URL('../', document.baseURI);
/** Longer than the service waits for anybody. */
const ANSWER_MS_MAX = 60_000;

/**
 * @param path relative to the service, such as `owner/rules`
 * @throws ApiError, UnreachableError; the signal's reason when that aborts
 */
export async function ask<T>(path: string, options: Ask = {}): Promise<T> {
  const response = await send(path, { ...options, signal: withTimeout(options.signal) });
  const text = await textOf(response);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

/** An answer that is a file. Throws as {@link ask} does. */
export async function askText(path: string): Promise<string> {
  return textOf(await send(path, { signal: withTimeout() }));
}

/** Begins to read an answer that does not end. Throws as {@link ask} does. */
export async function open(
  path: string,
  options: Ask & { readonly signal: AbortSignal },
): Promise<ReadableStream<Uint8Array>> {
  const { body } = await send(path, options);
  if (body === null) throw new UnreachableError('The answer has no body.');
  return body;
}

/** Parameters in an address; those that are undefined or empty are left out. */
export function query(parameters: Readonly<Record<string, string | number | null | undefined>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  return search.size === 0 ? '' : `?${search}`;
}

async function send(path: string, { method = 'GET', body, headers, signal }: Ask): Promise<Response> {
  const response = await fetch(new URL(path, SERVICE), {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  }).catch((error: unknown) => {
    throw unreachable(error);
  });
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function textOf(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw unreachable(error);
  }
}

async function problemOf(response: Response): Promise<ApiError> {
  const problem = await response.json().catch(() => ({}));
  return new ApiError(response.status, String(problem.code ?? ''), String(problem.detail ?? ''));
}

/** Whoever stopped waiting knows why; a network that fails and a time-out are the same to a person. */
function unreachable(error: unknown): unknown {
  return error instanceof DOMException && error.name === 'AbortError'
    ? error
    : new UnreachableError(error instanceof Error ? error.message : String(error));
}

function withTimeout(signal?: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(ANSWER_MS_MAX);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
