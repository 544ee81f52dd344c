import type { Clock } from './clock.ts';
import type { Destination, DestinationPolicy } from './destination.ts';
import type { Dispatch } from './dispatch.ts';
import { ExportError } from './errors.ts';
import { type ExportJob, isFinal } from './job.ts';
import type { JobFeed } from './job-feed.ts';
import type { IdempotencyKey, Inserted, InsertResult, JobStore, NewJob } from './job-store.ts';

/** An export as an app asks for it, its fields already checked for kind and bounds. */
export interface ExportRequest {
  readonly destination: Destination;
  readonly data: Uint8Array;
  readonly attemptsMax: number;
  readonly idempotencyKey: string | null;
}

/** Who asks. */
export interface Viewer {
  /** The macaroon's identifier. */
  readonly client: string;
  /** Whether the token lets its holder see exports to this destination. */
  permits(destination: string): boolean;
}

export interface ExportLimits {
  /** Unfinished exports a lane may have. */
  readonly pendingMax: number;
  /** Open waits (long polls and `Prefer: wait`) in all. */
  readonly waitingMax: number;
}

export interface ExportServiceParts {
  readonly store: JobStore;
  readonly dispatch: Dispatch;
  readonly feed: JobFeed;
  readonly clock: Clock;
  readonly destinationPolicy: DestinationPolicy;
  readonly newId: () => string;
  /** A keyed digest of everything that must be the same when an idempotency key comes again. */
  readonly digest: (data: Uint8Array, attemptsMax: number) => Uint8Array;
  readonly limits: ExportLimits;
}

/** A seat for one open wait; taken before anything is queued, so that a full house refuses before it accepts. */
export type WaitSeat = Disposable;

const IDEMPOTENCY_KEY_LIFE_MS = 24 * 60 * 60 * 1_000;
const RETRY_AFTER_SECONDS = 5;

/** What apps can do: hand exports over, ask how they went, wait for that. */
export class ExportService {
  readonly #parts: ExportServiceParts;
  #waiting = 0;
  #stopping = new AbortController();

  constructor(parts: ExportServiceParts) {
    this.#parts = parts;
  }

  /**
   * Takes exports in: all or none. When it resolves they are on disk. An export whose idempotency key is known is not
   * queued again; the first one is returned in its place.
   *
   * @throws ExportError `destination_refused`, `idempotency_mismatch`, `too_many_pending`, `shutting_down`,
   *   `store_full`, `store_unavailable`
   */
  async submit(requests: readonly ExportRequest[], client: string): Promise<ExportJob[]> {
    this.#refuseWhenStopping();
    for (const [index, request] of requests.entries())
      this.#checkDestination(request, position(index, requests));
    const jobs = requests.map((request) => this.#newJob(request, client));
    const result = await this.#insert(jobs);
    if (result.kind === 'refused') throw insertRefusal(result, requests, this.#parts.limits);
    return result.jobs.map(asAccepted);
  }

  /**
   * The jobs with these ids as they are now.
   *
   * @throws ExportError `unknown_export` when one of them is not there, or not this viewer's: nobody can tell which
   */
  async poll(ids: readonly string[], viewer: Viewer): Promise<ExportJob[]> {
    const jobs = await this.#parts.store.get(ids);
    return jobs.map((job, index) => {
      if (job === null || job.lane.client !== viewer.client || !viewer.permits(job.lane.destination)) {
        throw new ExportError(
          'unknown_export',
          `No export with this id is known to this token${position(index, ids)}.`,
        );
      }
      return job;
    });
  }

  /** @throws ExportError `too_many_waiting` */
  takeSeat(): WaitSeat {
    if (this.#waiting >= this.#parts.limits.waitingMax) {
      throw new ExportError(
        'too_many_waiting',
        'Too many requests wait for results. Ask again without waiting, or later.',
        {
          retryAfterSeconds: RETRY_AFTER_SECONDS,
        },
      );
    }
    this.#waiting += 1;
    let taken = true;
    return {
      [Symbol.dispose]: () => {
        if (taken) this.#waiting -= 1;
        taken = false;
      },
    };
  }

  /** Resolves with the job when its state is no longer `job.state`, when the time is up, or when `signal` aborts. */
  waitForChange(job: ExportJob, timeoutMs: number, signal: AbortSignal): Promise<ExportJob> {
    return this.#wait(job, timeoutMs, signal, (now) => now.state !== job.state);
  }

  /** Resolves with the job when it has ended, when the time is up, or when `signal` aborts. */
  waitForEnd(job: ExportJob, timeoutMs: number, signal: AbortSignal): Promise<ExportJob> {
    return this.#wait(job, timeoutMs, signal, (now) => isFinal(now.state));
  }

  /** From now on nothing is taken in, and whoever waits gets the present state. */
  stopAccepting(): void {
    this.#stopping.abort();
  }

  async #wait(
    job: ExportJob,
    timeoutMs: number,
    signal: AbortSignal,
    isOver: (job: ExportJob) => boolean,
  ): Promise<ExportJob> {
    if (isOver(job) || isFinal(job.state)) return job;
    const { feed, store, clock } = this.#parts;
    const ended = AbortSignal.any([signal, this.#stopping.signal]);
    let changed = Promise.withResolvers<void>();
    let timeIsUp = false;
    const giveUp = (): void => {
      timeIsUp = true;
      changed.resolve();
    };
    // Watch first, read second: a change between the two would otherwise be missed.
    const unwatch = feed.watch(job.id, () => changed.resolve());
    const cancelTimer = clock.schedule(timeoutMs, giveUp);
    ended.addEventListener('abort', giveUp);
    if (ended.aborted) giveUp();
    try {
      let current = job;
      for (;;) {
        current = (await store.get([job.id]))[0] ?? current;
        if (isOver(current) || timeIsUp) return current;
        await changed.promise;
        changed = Promise.withResolvers();
        if (timeIsUp) changed.resolve();
      }
    } finally {
      unwatch();
      cancelTimer();
      ended.removeEventListener('abort', giveUp);
    }
  }

  #refuseWhenStopping(): void {
    if (!this.#stopping.signal.aborted) return;
    throw new ExportError(
      'shutting_down',
      'The service is stopping. Nothing was queued; try again in a moment.',
      {
        retryAfterSeconds: RETRY_AFTER_SECONDS,
      },
    );
  }

  #checkDestination(request: ExportRequest, where: string): void {
    const refusal = this.#parts.destinationPolicy.refusal(request.destination.url);
    if (refusal !== null) throw new ExportError('destination_refused', `${refusal}${where}`);
  }

  #newJob(request: ExportRequest, client: string): NewJob {
    const { newId, clock, dispatch } = this.#parts;
    const lane = { client, destination: request.destination.uri };
    const now = clock.now();
    return {
      id: newId(),
      lane,
      data: request.data,
      attemptsMax: request.attemptsMax,
      acceptedAt: now,
      idempotency: this.#idempotency(request, now),
      claim: dispatch.reserve(lane),
    };
  }

  #idempotency(request: ExportRequest, now: number): IdempotencyKey | null {
    if (request.idempotencyKey === null) return null;
    return {
      key: request.idempotencyKey,
      digest: this.#parts.digest(request.data, request.attemptsMax),
      expiresAt: now + IDEMPOTENCY_KEY_LIFE_MS,
    };
  }

  async #insert(jobs: readonly NewJob[]): Promise<InsertResult> {
    const { store, limits } = this.#parts;
    try {
      const result = await store.insert(jobs, { pendingMax: limits.pendingMax });
      this.#dispatchInserted(jobs, result.kind === 'inserted' ? result.jobs : []);
      return result;
    } catch (error) {
      this.#dispatchInserted(jobs, []);
      throw error;
    }
  }

  /** Gives every reserved place to the job claimed for it, or back. */
  #dispatchInserted(jobs: readonly NewJob[], inserted: readonly Inserted[]): void {
    const { dispatch } = this.#parts;
    for (const [index, job] of jobs.entries()) {
      const outcome = inserted[index];
      if (outcome?.claimed) dispatch.send(outcome.claimed);
      else {
        if (job.claim) dispatch.cancel(job.lane);
        if (outcome && !outcome.isRepeat) dispatch.queued(job.lane);
      }
    }
  }
}

/** A new export is answered as it was accepted, also when its first attempt was claimed in the same commit. */
function asAccepted({ job, isRepeat }: Inserted): ExportJob {
  return isRepeat ? job : { ...job, state: 'queued' };
}

function insertRefusal(
  result: Extract<InsertResult, { kind: 'refused' }>,
  requests: readonly ExportRequest[],
  limits: ExportLimits,
): ExportError {
  const where = position(result.index, requests);
  switch (result.reason) {
    case 'idempotency_mismatch':
      return new ExportError(
        'idempotency_mismatch',
        `This idempotency key was used with other data or another "attempts_max"${where}. Use a new key for a new export.`,
      );
    case 'too_many_pending':
      return new ExportError(
        'too_many_pending',
        `${limits.pendingMax} exports to this destination wait already${where}. Try again when some have left.`,
        { retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
  }
}

/** Says which element of a batch is meant; nothing for a request of one. */
function position(index: number, all: readonly unknown[]): string {
  return all.length === 1 ? '' : ` (element ${index})`;
}
