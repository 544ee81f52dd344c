import { ExportClientError, ExportConnectionError } from './errors.ts';

/** How a client repeats requests that failed for the moment. */
export interface RepeatPolicy {
  /** Tries in all, the first included. */
  triesMax: number;
  /** How long to wait after the `failures`-th failure (1 or more), in milliseconds. */
  backoffMs: (failures: number) => number;
  /** A `Retry-After` longer than this is not waited for: the error is thrown at once, and says how long. */
  retryAfterMsMax: number;
  /** Resolves after that many milliseconds; rejects with the signal's reason when it aborts. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const TRIES_MAX_DEFAULT = 6;
export const RETRY_AFTER_MS_MAX_DEFAULT = 30_000;
const BACKOFF_MS_FIRST = 500;
const BACKOFF_MS_MAX = 8_000;

/** 0.5, 1, 2, 4, 8 seconds, each drawn from its upper half, so that apps that failed together do not return together. */
export function backoffMsDefault(failures: number): number {
  const fullMs = Math.min(BACKOFF_MS_FIRST * 2 ** (failures - 1), BACKOFF_MS_MAX);
  return fullMs / 2 + (Math.random() * fullMs) / 2;
}

/** Waits on a timer, or until the signal aborts. */
export function sleepDefault(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/**
 * Makes a request, again while it fails in a way that may pass. What is repeated must be safe to repeat.
 *
 * @throws the last error, when the tries are used up or trying again cannot help
 */
export async function repeat<T>(
  request: () => Promise<T>,
  policy: RepeatPolicy,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await request();
    } catch (error) {
      const waitMs = waitBeforeRepeatMs(error, failures, policy);
      if (waitMs === null) throw error;
      await policy.sleep(waitMs, signal);
    }
  }
}

/** The longer of our own wait and the one the service asks for; null when there is no next try. */
function waitBeforeRepeatMs(error: unknown, failures: number, policy: RepeatPolicy): number | null {
  if (failures >= policy.triesMax) return null;
  if (error instanceof ExportConnectionError) return error.shouldRetry ? policy.backoffMs(failures) : null;
  if (!(error instanceof ExportClientError) || !error.shouldRetry) return null;
  const askedMs = (error.retryAfterSeconds ?? 0) * 1_000;
  return askedMs > policy.retryAfterMsMax ? null : Math.max(askedMs, policy.backoffMs(failures));
}
