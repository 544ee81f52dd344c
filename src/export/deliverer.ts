import type { AttemptOutcome } from './job.ts';
import type { ClaimedJob } from './job-store.ts';

/** Makes one attempt. It never rejects: whatever happens is an outcome. */
export interface Deliverer {
  /**
   * @param signal aborted when we stop: the attempt then ends as `stopped`.
   * @param mayLeave asked when the request is about to be opened; when not, the attempt ends as `stopped`, unsent
   */
  deliver(job: ClaimedJob, signal: AbortSignal, mayLeave: () => boolean): Promise<Delivery>;
}

/** What an attempt does, in this order; over a connection that was kept it begins with `wait`. */
export const ATTEMPT_PHASES = ['dns', 'connect', 'tls', 'wait', 'body'] as const;
/** `wait`: from the request to the head of the answer. `body`: until the end of the answer. */
export type AttemptPhase = (typeof ATTEMPT_PHASES)[number];

/** Where the time of an attempt went, in milliseconds with fractions. */
export interface AttemptTiming {
  readonly totalMs: number;
  /** Of the phases that it came to; of the last one, until the attempt was over. */
  readonly phases: Readonly<Partial<Record<AttemptPhase, number>>>;
}

export interface Delivery {
  readonly outcome: AttemptOutcome;
  /** The address connected to; null when none was. */
  readonly address: string | null;
  /**
   * SHA-256 of the certificate shown there, in 64 digits of lower-case hex, also of one that was refused; null without
   * TLS, or before one was shown.
   */
  readonly tlsFingerprint: string | null;
  /** How much of the data may have left: all of it once the request was opened, 0 before. */
  readonly bytes: number;
  /** Left out: nobody looked at the clock. */
  readonly timing?: AttemptTiming;
}

/** An attempt that ended before there was a connection. */
export function unconnected(outcome: AttemptOutcome): Delivery {
  return { outcome, address: null, tlsFingerprint: null, bytes: 0 };
}
