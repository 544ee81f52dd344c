import { setImmediate } from 'node:timers/promises';
import type { VerifiedToken } from '../auth/authorizer.ts';
import { namedDestination, permitsDestination } from '../auth/clear.ts';
import type { Clock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import { type ExportService, hasEnded, type Poll, type Submitter } from '../export/export-service.ts';
import type { ExportJob } from '../export/job.ts';
import { atElement, judgeEach } from './element-error.ts';
import type { ExportCall } from './export-call.ts';
import type { RequestAuthorizer } from './request-authorizer.ts';
import { BatchAnswer, exportAnswer, wireState } from './wire-answer.ts';

export interface ExportEndpointParts {
  readonly service: ExportService;
  readonly authorizer: RequestAuthorizer;
  readonly clock: Clock;
}

/** How long a single request may wait, if at all. A batch never does. */
export type Patience =
  | { readonly kind: 'none' }
  /** Not at all, since later states are pushed; where there is no seat for that, nothing new is taken in. */
  | { readonly kind: 'pushed'; readonly hasSeat: boolean }
  /** Until the state an app sees is another one: a poll on `/lp/export`. */
  | { readonly kind: 'change'; readonly ms: number }
  /** Until the end: `Prefer: wait`. */
  | { readonly kind: 'end'; readonly ms: number };

/** A cleared request, read and on its way to be judged further. */
export interface EndpointCall {
  readonly call: ExportCall;
  readonly token: VerifiedToken;
  /** The address that it came from; null when that is not known any more. */
  readonly peer: string | null;
  /** Its `traceparent`, unread; null when there is none. */
  readonly traceParent?: string | null;
  readonly patience: Patience;
  /** Makes the signal that aborts when nobody waits for the answer any more; called when waiting begins. */
  readonly whenGone: () => AbortSignal;
  /** Called when a new export is on disk and begins to be waited for. */
  readonly onTakenIn?: () => void;
}

/**
 * What becomes of a request once its fields are good: the stages of judgement from the destination on (interface,
 * section 3), and the wait.
 */
export class ExportEndpoint {
  readonly #parts: ExportEndpointParts;
  /** The end of the last batch of polls that stands in line. */
  #lastBatch: Promise<void> = Promise.resolve();

  constructor(parts: ExportEndpointParts) {
    this.#parts = parts;
  }

  /**
   * The answer as JSON text.
   *
   * @throws ExportError the refusal
   */
  async answer(asked: EndpointCall): Promise<string> {
    const { call, token } = asked;
    if (!call.isBatch) return exportAnswer(await this.job(asked), this.#parts.clock);
    this.#clear(call, token);
    return await this.#batch(asked);
  }

  /**
   * The export that a call which is no batch made or asks about.
   *
   * @throws ExportError the refusal
   */
  async job(asked: EndpointCall): Promise<ExportJob> {
    this.#clear(asked.call, asked.token);
    return await this.#single(asked);
  }

  #clear(call: ExportCall, token: VerifiedToken): void {
    if (call.kind === 'new') this.#clearDestinations(call, token);
    else this.#parts.authorizer.clearPoll(token);
  }

  #clearDestinations(call: Extract<ExportCall, { kind: 'new' }>, token: VerifiedToken): void {
    judgeEach(call.requests, call.isBatch, ({ destination, data }) =>
      this.#parts.authorizer.clearDestination(token, {
        destination: destination.uri,
        dataBytes: data.length,
      }),
    );
  }

  async #batch(asked: EndpointCall): Promise<string> {
    const { call, token } = asked;
    const submitter = submitterOf(asked);
    const answer = new BatchAnswer(this.#parts.clock);
    try {
      if (call.kind === 'poll')
        await this.#inLine(asked, () => this.#pollInPieces(call.polls, token, answer));
      else answer.add(await this.#parts.service.submit(call.requests, submitter));
    } catch (error) {
      throw atElement(error);
    }
    return answer.text;
  }

  /**
   * Batches of polls are answered one after the other: each has megabytes in memory while it is. None loses by it, since
   * one alone keeps the thread busy.
   */
  async #inLine({ whenGone }: EndpointCall, answer: () => Promise<void>): Promise<void> {
    const gone = whenGone();
    const before = this.#lastBatch;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastBatch = promise;
    try {
      await before;
      if (!gone.aborted) await answer();
    } finally {
      resolve();
    }
  }

  /** A thousand kept answers can be hundreds of megabytes: they are read a few at a time, and others get their turn. */
  async #pollInPieces(polls: readonly Poll[], token: VerifiedToken, answer: BatchAnswer): Promise<void> {
    for (let start = 0; start < polls.length; start += POLLS_READ_TOGETHER) {
      if (start > 0) await setImmediate();
      try {
        answer.add(await this.#poll(polls.slice(start, start + POLLS_READ_TOGETHER), token));
      } catch (error) {
        throw withOffset(error, start);
      }
    }
  }

  async #single(asked: EndpointCall): Promise<ExportJob> {
    const { call, token, patience, whenGone, onTakenIn } = asked;
    const { service } = this.#parts;
    const submitter = submitterOf(asked);
    if (call.kind === 'poll') {
      const job = only(await this.#poll(call.polls, token));
      if (!isWaiting(patience)) return job;
      return await service.waitUntil(job, endOf(patience.kind, job), patience.ms, whenGone());
    }
    // A new export is not waited for unless `Prefer` says so: on `/lp/export` the original never did.
    if (patience.kind === 'end' && isWaiting(patience))
      return await service.submitAndWait(only(call.requests), submitter, {
        timeoutMs: patience.ms,
        signal: whenGone(),
        onTakenIn,
      });
    const acceptsNew = patience.kind !== 'pushed' || patience.hasSeat;
    return only(await service.submit(call.requests, submitter, acceptsNew));
  }

  #poll(polls: readonly Poll[], token: VerifiedToken): Promise<ExportJob[]> {
    return this.#parts.service.poll(polls, {
      client: token.client,
      destination: namedDestination(token.caveats),
      permits: (destination) => permitsDestination(token.caveats, destination),
    });
  }
}

function submitterOf({ token, peer, traceParent = null }: EndpointCall): Submitter {
  return { client: token.client, peer, traceParent };
}

function isWaiting(patience: Patience): patience is Extract<Patience, { ms: number }> {
  return 'ms' in patience && patience.ms > 0;
}

/** At 64 KiB each, half a megabyte. */
const POLLS_READ_TOGETHER = 8;

/** A refusal of an element of a piece, as one of the whole. */
function withOffset(error: unknown, offset: number): unknown {
  if (!(error instanceof ExportError) || error.element === undefined) return error;
  const { code, message, retryAfterSeconds, element } = error;
  return new ExportError(code, message, { retryAfterSeconds, element: offset + element, cause: error });
}

/**
 * What a poll waits for. A change is one that the app can see: from `sending` to `waiting` it stays `Processing`. There
 * is none after the end.
 */
function endOf(patience: 'change' | 'end', job: ExportJob): (now: ExportJob) => boolean {
  if (patience === 'end') return hasEnded;
  return (now) => hasEnded(now) || wireState(now) !== wireState(job);
}

function only<T>(all: readonly T[]): T {
  const [one] = all;
  if (one === undefined) throw new TypeError('A request of one has one answer.');
  return one;
}
