import type { AttemptTiming } from './deliverer.ts';
import type { Attempt, ExportJob } from './job.ts';
import type { ClaimedJob, EndedJob, Settlement } from './job-store.ts';

/**
 * Hears what becomes of exports, so that it can be counted, logged and traced. It is told where the work is done: whoever
 * listens returns soon, and does not throw.
 */
export interface ExportObserver {
  /** New exports are on disk; repeats of earlier ones are not among them. */
  accepted(jobs: readonly ExportJob[], intake: Intake): void;
  /** An attempt is over, and is going to be recorded. */
  attempted(
    job: ClaimedJob,
    attempt: Attempt,
    settlement: Settlement['kind'],
    timing: AttemptTiming | null,
  ): void;
  /** An export has ended, and that is on disk. */
  ended(job: EndedJob): void;
}

/** How exports came in. */
export interface Intake {
  /** When they were asked for, by the wall clock. */
  readonly askedAt: number;
  /** What the request said of the trace that it is part of (`traceparent`, W3C), unread; null when it said nothing. */
  readonly traceParent: string | null;
}

/** Several that hear the same. */
export function observeAll(observers: readonly ExportObserver[]): ExportObserver {
  return {
    accepted(jobs, intake) {
      for (const each of observers) each.accepted(jobs, intake);
    },
    attempted(job, attempt, settlement, timing) {
      for (const each of observers) each.attempted(job, attempt, settlement, timing);
    },
    ended(job) {
      for (const each of observers) each.ended(job);
    },
  };
}
