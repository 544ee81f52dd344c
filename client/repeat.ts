import { ExportClientError, ExportConnectionError } from './errors.ts';

/** How a client repeats requests that failed for the moment. */
export interface RepeatPolicy {
  /** Tries in all, the first included. */
  triesMax: number;
  /** How long to wait after the `failures`-th failure (1 or more), in milliseconds. */
  backoffMs: (failures: number) => number;
  /**
   * How long one request waits in all because the service asks it to (`Retry-After`), in milliseconds. Beyond that the
   * error is thrown, and says how long. In a stream it bounds each wait and not their sum: there, waiting is how the
   * service's pace becomes the source's.
   */
  retryAfterMsMax: number;
  /** Resolves after that many milliseconds; rejects with the signal's reason when it aborts. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export const TRIES_MAX_DEFAULT = 6;
export const RETRY_AFTER_MS_MAX_DEFAULT = 60_000;
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

/** How a request is repeated, and what ends it. */
export interface Repetition {
  policy: RepeatPolicy;
  signal?: AbortSignal | undefined;
  /** Whether it belongs to a stream; see {@link RepeatPolicy.retryAfterMsMax}. */
  isOfStream?: boolean;
}

/**
 * Makes a request, again while it fails in a way that may pass. What is repeated must be safe to repeat.
 *
 * @throws the last error, when the tries are used up or trying again cannot help
 */
export async function repeat<T>(
  request: () => Promise<T>,
  { policy, signal, isOfStream = false }: Repetition,
): Promise<T> {
  let failures = 0;
  let askedMs = 0;
  for (;;) {
    try {
      return await request();
    } catch (error) {
      const thisAskedMs = askedWaitMs(error);
      askedMs = isOfStream ? thisAskedMs : askedMs + thisAskedMs;
      if (!isNotNow(error)) failures += 1;
      if (!mayPass(error) || failures >= policy.triesMax || askedMs > policy.retryAfterMsMax) throw error;
      await policy.sleep(Math.max(thisAskedMs, policy.backoffMs(Math.max(failures, 1))), signal);
    }
  }
}

/** Whether the same request may succeed later. */
export function mayPass(error: unknown): boolean {
  return (error instanceof ExportClientError || error instanceof ExportConnectionError) && error.shouldRetry;
}

function askedWaitMs(error: unknown): number {
  return error instanceof ExportClientError ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
}

/** The service is well and says when to come back: that is its pace and no failure, so it uses up no try. */
function isNotNow(error: unknown): boolean {
  return error instanceof ExportClientError && error.status === 429 && askedWaitMs(error) > 0;
}
