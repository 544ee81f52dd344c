/**
 * One accepted request to export: the centre of the service.
 *
 * (Not `Export`: `export` is a reserved word, so every variable would be misspelt; `request` already means HTTP.)
 */
export interface ExportJob {
  /** UUIDv7, lower case. Also the `webhook-id` that the destination sees, the same over all attempts. */
  readonly id: string;
  readonly lane: Lane;
  readonly state: JobState;
  /** Size of the payload in bytes. */
  readonly dataBytes: number;
  /** How many attempts may end without the answer that ends the export. At least 1. */
  readonly attemptsMax: number;
  /** Attempts begun so far, those that a crash of ours cut off included. */
  readonly attempts: number;
  /** Attempts that count against `attemptsMax`: those that ended by themselves. */
  readonly attemptsSpent: number;
  /** Milliseconds since 1970, as are all times here. */
  readonly acceptedAt: number;
  /** When the next attempt is due, in steady time; null unless `waiting`. */
  readonly nextAttemptAt: number | null;
  /** Why the last attempt did not end the export; null when none failed so far. */
  readonly lastError: AttemptError | null;
  readonly finishedAt: number | null;
  /** How it ended; null until then. */
  readonly result: JobResult | null;
}

/**
 * Where a job is. Who moves it on, and how, is in `state-machine.ts`.
 *
 * - `queued`: on disk, waits for its lane.
 * - `sending`: claimed under a lease; an attempt is about to begin or runs.
 * - `waiting`: an attempt failed, another is due at `nextAttemptAt`.
 * - `delivered`: the destination gave an answer that ends the export. The end.
 * - `undeliverable`: no more attempts: used up, too old, or the destination is refused. The end.
 * - `blocked`: the owner's rule does not let it leave. The end.
 * - `cancelled`: the owner took it back. The end.
 */
export type JobState =
  | 'queued'
  | 'sending'
  | 'waiting'
  | 'delivered'
  | 'undeliverable'
  | 'blocked'
  | 'cancelled';

export type FinalState = Exclude<JobState, 'queued' | 'sending' | 'waiting'>;

export function isFinal(state: JobState): state is FinalState {
  return state !== 'queued' && state !== 'sending' && state !== 'waiting';
}

/** What is sent one after the other: the exports of one client to one destination. */
export interface Lane {
  /** The macaroon's identifier. A real arbiter writes none: then all apps are the client `''`. */
  readonly client: string;
  /** The URL exactly as the app gave it and the owner agreed to it; never normalised. */
  readonly destination: string;
}

/** One string for a lane. The length in front keeps two different lanes from running together. */
export function laneKey(lane: Lane): string {
  return `${lane.client.length}:${lane.client}${lane.destination}`;
}

/** The destination's answer, cut at the limit. */
export interface Answer {
  readonly status: number;
  /** Text; bytes that are not UTF-8 have become U+FFFD. */
  readonly body: string;
  /** Whether the body was longer than what is kept. */
  readonly truncated: boolean;
}

/** Why there is no answer. The codes are public (interface, section 3). */
export type FailureCode =
  | 'timeout'
  | 'expired'
  | 'dns_failed'
  | 'connection_failed'
  | 'tls_failed'
  | 'malformed_response'
  | 'address_refused'
  | 'blocked_by_owner'
  | 'cancelled';

export interface Failure {
  readonly code: FailureCode;
  /** For people; never a payload or a secret. */
  readonly detail: string;
}

/** `http_status`: an answer that is tried again. `answer_unknown`: we died before the answer came. */
export interface AttemptError {
  readonly code: FailureCode | 'http_status' | 'answer_unknown';
  readonly detail: string;
}

/** The destination may have seen it, and we shall never know. */
export const ANSWER_UNKNOWN: AttemptError = {
  code: 'answer_unknown',
  detail: 'The service stopped before the answer came; it may have been sent.',
};

export type JobResult =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'failure'; readonly failure: Failure };

/** One try to deliver a job, as it is kept. */
export interface Attempt {
  /** 1 for the first. */
  readonly number: number;
  readonly startedAt: number;
  readonly endedAt: number;
  /** The address connected to; null when none was. */
  readonly address: string | null;
  /** SHA-256 of the certificate shown there, in hex, also of one that was refused; null without TLS, or when none was shown. */
  readonly tlsFingerprint: string | null;
  /** How much of the data may have left; null when nobody knows, since we were cut off. */
  readonly bytes: number | null;
  /** Of the destination's answer; null when there was none. */
  readonly status: number | null;
  readonly error: AttemptError | null;
}

/** What is on record of an exchange that nobody saw the end of. */
export const UNSEEN = { address: null, tlsFingerprint: null, bytes: null } as const;

/** How one try ended. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly answer: Answer; readonly retryAfterMs: number | null }
  | { readonly kind: 'failed'; readonly failure: Failure }
  /** The destination's address is one that nothing may connect to. Final. */
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** We stopped it ourselves, or its owner did. `sent` tells whether the destination may have seen it. */
  | { readonly kind: 'stopped'; readonly sent: boolean };
