import type { Lane } from './job.ts';
import type { ClaimedJob } from './job-store.ts';

/** What the service that takes exports in needs to know of whoever sends them. */
export interface Dispatch {
  /**
   * Asks for a place to send the next job of this lane at once. When there is one, the caller owns it and gives it to
   * `send` or back with `cancel`; the job is to be claimed until the time returned (steady). Null when there is none.
   */
  reserve(lane: Lane): number | null;
  /** Sends a job that was claimed for a reserved place. */
  send(job: ClaimedJob): void;
  /** Gives a reserved place back. */
  cancel(lane: Lane): void;
  /** Says that the lane has jobs on disk which nobody has claimed. */
  queued(lane: Lane): void;
}
