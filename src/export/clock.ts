/** Where the service gets its time from. Tests pass one they can turn by hand. */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970: for what people and peers see. It may jump, in either direction. */
  now(): number;
  /**
   * Time that never jumps: the wall clock at the start of the process, plus the milliseconds that have really passed
   * since. For everything that is waited for: retries, pauses, leases, ages.
   */
  steady(): number;
  /** Runs `task` once, `delayMs` from now (at once when negative). Does not keep the process alive. */
  schedule(delayMs: number, task: () => void): Cancel;
}

/** Takes a scheduled task back; harmless when it has already run. */
export type Cancel = () => void;

/** `setTimeout` counts in 32 bits: a longer delay would fire at once, so it is slept in pieces. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  steady: () => Math.round(performance.timeOrigin + performance.now()),
  schedule(delayMs, task) {
    let timer: NodeJS.Timeout;
    const sleep = (leftMs: number): void => {
      const pieceMs = Math.min(Math.max(leftMs, 0), TIMEOUT_MS_MAX);
      timer = setTimeout(() => (leftMs > pieceMs ? sleep(leftMs - pieceMs) : task()), pieceMs);
      timer.unref();
    };
    sleep(delayMs);
    return () => clearTimeout(timer);
  },
};
