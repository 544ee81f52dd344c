/** What a figure must reach at least, and what it aims at. */
export interface Target {
  readonly what: string;
  readonly least: number;
  readonly aim: number;
  /** Whether more is better. */
  readonly isMore: boolean;
}

const more = (what: string, least: number, aim: number): Target => ({ what, least, aim, isMore: true });
const less = (what: string, least: number, aim: number): Target => ({ what, least, aim, isMore: false });

/** The project's targets for speed: medians of interleaved runs on the development machine, both cores free. */
export const TARGETS: Readonly<Record<string, Target>> = {
  accept: more('durable accepts at 64 connections, against bare node:http', 0.33, 0.55),
  'accept batches': more('exports in batches of 100, against requests of bare node:http', 0.8, 1.5),
  'trip cpu bullmq': less('whole trip, 1,000 lanes, CPU per export, against BullMQ (always)', 1 / 3, 1 / 5),
  'trip cpu pg-boss': less('the same, against pg-boss', 1 / 9, 1 / 18),
  'trip cpu graphile': less('the same, against graphile-worker', 1 / 15, 1 / 30),
  'trip rate bullmq': more('whole trip, 1,000 lanes, exports/s, against BullMQ (always)', 2.2, 4),
  'trip rate pg-boss': more('the same, against pg-boss', 7, 13),
  'trip rate graphile': more('the same, against graphile-worker', 12, 22),
  lane: more('one lane with concurrency 1, against posting one after the other', 0.35, 0.8),
  result: less('submit to result, p50, against two bare POSTs and two flushes', 1.8, 1.2),
  arrival: less('submit to arrival, p50, against BullMQ (always)', 0.7, 0.45),
  'queued accept': more('accepts with 1,000,000 queued, against an empty queue', 0.8, 0.95),
  'queued memory': less('memory above idle with 1,000,000 queued, MB', 64, 32),
  'queued start': less('start to ready with 1,000,000 queued, s', 2, 0.5),
  idle: less('an idle long poll, KB', 24, 16),
  tokens: more('verifying a repeated token, against a fresh one', 10, 50),
  overhead: less('what ledger and encryption add to a whole trip’s CPU', 0.25, 0.1),
};

export function verdictOf({ least, aim, isMore }: Target, value: number): 'aim' | 'reached' | 'missed' {
  const reaches = (bound: number): boolean => (isMore ? value >= bound : value <= bound);
  if (reaches(aim)) return 'aim';
  return reaches(least) ? 'reached' : 'missed';
}
