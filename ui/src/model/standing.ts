/** How an export stands, in the page's own terms. */
import type { OwnedExport } from '../wire.ts';

/**
 * - `queued`: nothing was tried yet. `held`: a rule keeps it. `sending`: the first try is under way, or the next.
 * - `retrying`: a try failed, another follows.
 * - `arrived`: the destination took it. `declined`: it answered, with a refusal. `failed`: it never took it.
 * - `blocked`, `cancelled`: the owner's doing.
 */
export type Standing =
  | 'queued'
  | 'held'
  | 'sending'
  | 'retrying'
  | 'arrived'
  | 'declined'
  | 'failed'
  | 'blocked'
  | 'cancelled';

export type Tone = 'good' | 'calm' | 'warn' | 'bad';

const TONES: Readonly<Record<Standing, Tone>> = {
  queued: 'calm',
  held: 'warn',
  sending: 'calm',
  retrying: 'warn',
  arrived: 'good',
  declined: 'bad',
  failed: 'bad',
  blocked: 'bad',
  cancelled: 'bad',
};

export function standingOf(job: OwnedExport): Standing {
  if (job.outcome === null) return unfinished(job);
  if (job.outcome === 'undeliverable') return 'failed';
  if (job.outcome !== 'delivered') return job.outcome;
  const status = job.attempts.at(-1)?.status ?? null;
  return status !== null && status >= 300 ? 'declined' : 'arrived';
}

export function toneOf(standing: Standing): Tone {
  return TONES[standing];
}

function unfinished({ held_by: heldBy, state, attempts }: OwnedExport): Standing {
  if (heldBy !== null) return 'held';
  if (attempts.length > 0) return 'retrying';
  return state === 'Pending' ? 'queued' : 'sending';
}
