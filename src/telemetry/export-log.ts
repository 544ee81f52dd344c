import { ATTEMPT_PHASES, type AttemptTiming } from '../export/deliverer.ts';
import type { Attempt } from '../export/job.ts';
import type { ClaimedJob, EndedJob, Settlement } from '../export/job-store.ts';
import type { ExportObserver } from '../export/observer.ts';
import { type Log, originOf } from './log.ts';

/** Last attempts that are remembered until their export's end is on disk; of more, the oldest are forgotten. */
export const REMEMBERED_MAX = 10_000;

interface LastAttempt {
  readonly attempt: Attempt;
  readonly timing: AttemptTiming | null;
}

/** One line for each export's end, with all there is to say of it, and one for each attempt that another one follows. */
export class ExportLog implements ExportObserver {
  readonly #log: Log;
  readonly #last = new Map<string, LastAttempt>();

  constructor(log: Log) {
    this.#log = log;
  }

  accepted(): void {}

  attempted(
    { id, lane }: ClaimedJob,
    attempt: Attempt,
    settlement: Settlement['kind'],
    timing: AttemptTiming | null,
  ): void {
    this.#remember(id, { attempt, timing });
    if (settlement === 'finished') return;
    this.#log.warn(
      {
        export: id,
        destination: originOf(lane.destination),
        attempt: attempt.number,
        status: attempt.status,
        error: attempt.error?.code ?? null,
        ...attemptFields({ attempt, timing }),
      },
      settlement === 'waiting' ? 'attempt failed, another follows if there is time' : 'attempt given back',
    );
  }

  ended({ id, lane, state, status, failure, attempts, dataBytes, acceptedAt, finishedAt }: EndedJob): void {
    const last = this.#last.get(id);
    this.#last.delete(id);
    const fields = {
      export: id,
      destination: originOf(lane.destination),
      outcome: state,
      status,
      error: failure,
      attempts,
      bytes: dataBytes,
      ms: finishedAt - acceptedAt,
      ...(last?.attempt.number === attempts ? attemptFields(last) : {}),
    };
    if (state === 'undeliverable') this.#log.warn(fields, 'export finished');
    else this.#log.info(fields, 'export finished');
  }

  #remember(id: string, last: LastAttempt): void {
    this.#last.delete(id);
    this.#last.set(id, last);
    if (this.#last.size <= REMEMBERED_MAX) return;
    const [oldest] = this.#last.keys();
    if (oldest !== undefined) this.#last.delete(oldest);
  }
}

/** Side by side, for whoever looks through lines with a tool that knows no nesting. */
function attemptFields({ attempt, timing }: LastAttempt): Record<string, string | number | null> {
  const { startedAt, endedAt, address } = attempt;
  if (timing === null) return { address, attemptMs: endedAt - startedAt };
  const fields: Record<string, string | number | null> = { address, attemptMs: inTenths(timing.totalMs) };
  for (const phase of ATTEMPT_PHASES) {
    const ms = timing.phases[phase];
    if (ms !== undefined) fields[`${phase}Ms`] = inTenths(ms);
  }
  return fields;
}

function inTenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
