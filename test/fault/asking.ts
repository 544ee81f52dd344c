/** Requests that are made once, without the SDK's repeats: so it is known what may have been done, and how often. */

/** An answer of the service, as far as the matrix looks at it. */
export interface Answer {
  readonly status: number;
  /** Of what was made or asked for; empty where there is none. */
  readonly id: string;
  /** Of a problem; empty for what is none. */
  readonly code: string;
  /** All of it. */
  readonly json: unknown;
}

/** A client of the matrix never waits for longer than this before it tries again. */
export const SLEEP_MS_MAX = 40;

export function sleepFor(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(ms, SLEEP_MS_MAX)));
}

/**
 * One request; null when its answer was lost.
 *
 * @throws the error of `fetch` when nobody listens: then it was certainly not heard
 */
export async function askOnce(
  url: string,
  method: 'GET' | 'POST' | 'DELETE',
  token: string,
  { body, headers = {} }: { body?: object; headers?: Record<string, string> } = {},
): Promise<Answer | null> {
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers, 'content-type': 'application/json', 'x-api-key': token },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text === '' ? {} : JSON.parse(text);
    const { id = '', code = '' } = json as { id?: string; code?: string };
    return { status: response.status, id, code, json };
  } catch (error) {
    if (isNobodyThere(error)) throw error;
    return null;
  }
}

/** Asks until somebody listens. */
export async function untilHeard(request: () => Promise<Answer | null>): Promise<Answer | null> {
  for (;;) {
    try {
      return await request();
    } catch {
      await sleepFor(SLEEP_MS_MAX);
    }
  }
}

export function isNobodyThere(error: unknown): boolean {
  return ((error as Error).cause as { code?: unknown } | undefined)?.code === 'ECONNREFUSED';
}
