import type { AttemptOutcome } from './job.ts';
import type { ClaimedJob } from './job-store.ts';

/** Makes one attempt. It never rejects: whatever happens is an outcome. */
export interface Deliverer {
  /**
   * @param signal aborted when we stop: the attempt then ends as `stopped`.
   */
  deliver(job: ClaimedJob, signal: AbortSignal): Promise<Delivery>;
}

export interface Delivery {
  readonly outcome: AttemptOutcome;
  /** The address connected to; null when none was. */
  readonly address: string | null;
}
