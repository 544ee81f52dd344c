import type { WireError, WireResponse, WireState } from '../../client/wire.ts';
import type { Clock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import { type ExportJob, type Failure, type FailureCode, isFinal, type JobResult } from '../export/job.ts';
import { statusString } from './status-strings.ts';

type Times = Pick<Clock, 'now' | 'steady'>;

/** What an app is told in place of a status when no answer of the destination ended the export. */
const FAILURE_STATUS: Readonly<Record<FailureCode, number>> = {
  timeout: 504,
  expired: 504,
  dns_failed: 502,
  connection_failed: 502,
  tls_failed: 502,
  malformed_response: 502,
  address_refused: 403,
  blocked_by_owner: 403,
  cancelled: 403,
};

/**
 * The three states an app sees. From the start of the first attempt on it is `Processing`, also between attempts: a
 * job that went back to the queue after an attempt does not go back to `Pending`.
 */
export function wireState(job: ExportJob): WireState {
  if (isFinal(job.state)) return 'Finished';
  return job.state === 'queued' && job.attempts === 0 ? 'Pending' : 'Processing';
}

/** In the order in which an export has them. */
const WIRE_STATES: readonly WireState[] = ['Pending', 'Processing', 'Finished'];

/** Whether an app that was told `told` has anything new to hear. */
export function isLaterState(state: WireState, told: WireState): boolean {
  return WIRE_STATES.indexOf(state) > WIRE_STATES.indexOf(told);
}

/**
 * What an app that was last told `told` has still to be told: the export in each later state that it has been in, in
 * order. An export may have been sent and answered since anybody looked; whoever counts states gets all of them.
 */
export function news(job: ExportJob, told: WireState): ExportJob[] {
  const state = wireState(job);
  if (!isLaterState(state, told)) return [];
  const wasProcessing = state === 'Finished' && told === 'Pending' && job.attempts > 0;
  return wasProcessing ? [{ ...job, state: 'sending', result: null }, job] : [job];
}

/** An export as JSON text, its members in the order of the original. */
export function exportAnswer(job: ExportJob, clock: Times): string {
  const response = job.result === null ? '{}' : JSON.stringify(wireResponse(job.result));
  return `{"id":"${job.id}","state":"${wireState(job)}","ext_response":${response}${retryMembers(job, clock)}}`;
}

/** Longest answer to a batch, in characters: it is held in memory until its client has read it. */
export const BATCH_ANSWER_LENGTH_MAX = 8 * 1_024 * 1_024;

/** A batch's exports as JSON text, in order. */
export class BatchAnswer {
  readonly #clock: Times;
  readonly #answers: string[] = [];
  #length = 0;

  constructor(clock: Times) {
    this.#clock = clock;
  }

  /** @throws ExportError `invalid_request` when that makes it too long */
  add(jobs: readonly ExportJob[]): void {
    for (const [element, job] of jobs.entries()) {
      const answer = exportAnswer(job, this.#clock);
      this.#length += answer.length;
      if (this.#length > BATCH_ANSWER_LENGTH_MAX) {
        throw new ExportError(
          'invalid_request',
          `The results up to here are longer than ${BATCH_ANSWER_LENGTH_MAX} characters. Poll fewer at once.`,
          { element },
        );
      }
      this.#answers.push(answer);
    }
  }

  get text(): string {
    return `[${this.#answers.join(',')}]`;
  }
}

function wireResponse(result: JobResult): WireResponse {
  if (result.kind === 'failure') return failureResponse(result.failure);
  const { status, body, truncated } = result.answer;
  const response: WireResponse = { status: statusString(status), body };
  return truncated ? { ...response, truncated } : response;
}

function failureResponse(failure: Failure): WireResponse {
  return {
    status: statusString(FAILURE_STATUS[failure.code]),
    body: '',
    error: { code: failure.code, detail: failure.detail },
  };
}

/** How the tries went so far: only while another one is due. */
function retryMembers(job: ExportJob, clock: Times): string {
  if (job.state !== 'waiting' || job.nextAttemptAt === null || job.lastError === null) return '';
  // Kept in steady time; an app looks at the wall.
  const nextAttemptAt = new Date(clock.now() + job.nextAttemptAt - clock.steady()).toISOString();
  const { code, detail } = job.lastError;
  const lastError: WireError = { code, detail };
  return `,"attempts":${job.attempts},"next_attempt_at":"${nextAttemptAt}","last_error":${JSON.stringify(lastError)}`;
}
