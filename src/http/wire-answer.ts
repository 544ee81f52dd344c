import type { WireError, WireResponse, WireState } from '../../client/wire.ts';
import type { Clock } from '../export/clock.ts';
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
};

/**
 * The three states an app sees. From the start of the first attempt on it is `Processing`, also between attempts: a
 * job that went back to the queue after an attempt does not go back to `Pending`.
 */
export function wireState(job: ExportJob): WireState {
  if (isFinal(job.state)) return 'Finished';
  return job.state === 'queued' && job.attempts === 0 ? 'Pending' : 'Processing';
}

/** An export as JSON text, its members in the order of the original. */
export function exportAnswer(job: ExportJob, clock: Times): string {
  const response = job.result === null ? '{}' : JSON.stringify(wireResponse(job.result));
  return `{"id":"${job.id}","state":"${wireState(job)}","ext_response":${response}${retryMembers(job, clock)}}`;
}

/** A batch's exports as JSON text, in order. */
export function batchAnswer(jobs: readonly ExportJob[], clock: Times): string {
  return `[${jobs.map((job) => exportAnswer(job, clock)).join(',')}]`;
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
