import type { Clock } from './clock.ts';
import type { Destination, DestinationPolicy } from './destination.ts';
import type { Dispatch } from './dispatch.ts';
import { ExportError } from './errors.ts';
import { type ExportJob, isFinal, type Lane } from './job.ts';
import type { JobFeed } from './job-feed.ts';
import type { IdempotencyKey, Inserted, InsertResult, JobStore, JobViewer, NewJob } from './job-store.ts';
import type { RefusedExport } from './ledger-store.ts';
import type { ExportObserver } from './observer.ts';
import type { RedeliverResult } from './owner-store.ts';
import { type PeerNames, peerText } from './peer-names.ts';
import { RateLimiter } from './rate-limiter.ts';
import { type WaitingPlace, WaitingRoom } from './waiting-room.ts';

/** An export as an app asks for it, its fields already checked for kind and bounds. */
export interface ExportRequest {
  readonly destination: Destination;
  /** Empty once the export is on disk and waited for: see {@link ExportService.submitAndWait}. */
  data: Uint8Array;
  /** As the app asked; null leaves it to the service. */
  readonly attemptsMax: number | null;
  readonly idempotencyKey: string | null;
}

/** Who hands exports over. */
export interface Submitter {
  /** The macaroon's identifier. */
  readonly client: string;
  /** The address that they came from; null when it is not known. */
  readonly peer: string | null;
  /** What the request says of the trace that it is part of; see {@link Intake}. */
  readonly traceParent?: string | null;
}

/** Who asks. */
export interface Viewer extends JobViewer {
  /** Whether the token lets its holder see exports to this destination. */
  permits(destination: string): boolean;
}

/** How long a submission waits. */
export interface SubmissionWait {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called when the export is on disk, before the wait: whoever holds its data need not any more. */
  readonly onTakenIn?: (() => void) | undefined;
}

/** A question how an export went. */
export interface Poll {
  readonly id: string;
  /** When given, the export must be one to this very destination. */
  readonly destination: string | null;
}

export interface ExportLimits {
  /** Attempts of an export that does not say how many it may have. */
  readonly attemptsMax: number;
  /** Unfinished exports a lane may have. */
  readonly pendingMax: number;
  /** After how many milliseconds an export is too old to be tried again. */
  readonly ageMsMax: number;
  /** Open waits (long polls and `Prefer: wait`) in all. */
  readonly waitingMax: number;
  /** New exports per second and client; 0 for any number. */
  readonly rateMax: number;
}

export interface ExportServiceParts {
  readonly store: JobStore;
  readonly dispatch: Dispatch;
  readonly feed: JobFeed;
  readonly clock: Clock;
  readonly destinationPolicy: DestinationPolicy;
  readonly newId: () => string;
  /** Left out, submitters are known by their addresses alone. */
  readonly peerNames?: Pick<PeerNames, 'known'>;
  /** A keyed digest of everything that must be the same when an idempotency key comes again. */
  readonly digest: (data: Uint8Array, attemptsMax: number | null) => Uint8Array;
  readonly limits: ExportLimits;
  /** Left out, nobody is told. */
  readonly observer?: Pick<ExportObserver, 'accepted'>;
}

/** The error for the app, and what goes on record. */
interface DestinationRefusal {
  readonly error: ExportError;
  readonly refused: readonly RefusedExport[];
}

export const IDEMPOTENCY_KEY_LIFE_MS = 24 * 60 * 60 * 1_000;
const RETRY_AFTER_SECONDS = 5;
const NO_DATA = new Uint8Array(0);

/** What apps can do: hand exports over, ask how they went, wait for that. */
export class ExportService {
  readonly #parts: ExportServiceParts;
  readonly #rate: RateLimiter;
  readonly #waitingRoom: WaitingRoom;
  #stopping = new AbortController();

  constructor(parts: ExportServiceParts) {
    this.#parts = parts;
    this.#rate = new RateLimiter({ perSecond: parts.limits.rateMax, clock: parts.clock });
    this.#waitingRoom = new WaitingRoom(parts.limits.waitingMax);
  }

  /**
   * Takes exports in: all or none. When it resolves they are on disk. An export whose idempotency key is known is not
   * queued again; the first one is returned in its place.
   *
   * @param acceptsNew false takes in repeats of known keys only: whoever asks has no place to be told on how it goes
   * @throws ExportError `rate_limited`, `destination_refused`, `idempotency_mismatch`, `too_many_waiting`,
   *   `too_many_pending`, `shutting_down`, `store_full`, `store_unavailable`
   */
  async submit(
    requests: readonly ExportRequest[],
    submitter: Submitter,
    acceptsNew = true,
  ): Promise<ExportJob[]> {
    const refusal = this.#judge(requests, submitter);
    if (refusal !== null) throw await this.#counted(refusal);
    return await this.#accept(requests, submitter, acceptsNew);
  }

  /**
   * Takes one export in and waits for its end, as {@link submit} and {@link waitUntil} do. A full house refuses before
   * it accepts; a repeat of what has ended needs no seat.
   *
   * The request's data is let go of before the wait: thousands may wait for minutes, each with a megabyte.
   *
   * @throws ExportError also `too_many_waiting`
   */
  async submitAndWait(
    request: ExportRequest,
    submitter: Submitter,
    wait: SubmissionWait,
  ): Promise<ExportJob> {
    const refusal = this.#judge([request], submitter);
    if (refusal !== null) throw await this.#counted(refusal);
    const lane = { client: submitter.client, destination: request.destination.uri };
    using place = this.#waitingRoom.take(waiterOf(lane));
    const [job] = await this.#accept([request], submitter, place !== null);
    if (job === undefined || hasEnded(job)) return job as ExportJob;
    if (place === null) throw tooManyWaiting();
    request.data = NO_DATA;
    wait.onTakenIn?.();
    return await this.#wait(job, hasEnded, { ...wait, place });
  }

  /**
   * Delivers the data of an earlier export once more, as a new export of the same app. The owner's wish: what holds for new
   * exports holds for it, but not what an app may ask in a second.
   *
   * @param by the identifier of the owner's token, for the ledger; null when it named nobody
   * @throws ExportError `shutting_down`, `unknown_export`, `destination_refused`, `payload_erased`, `too_many_pending`,
   *   `budget_exhausted`, `store_full`, `store_unavailable`
   */
  async redeliver(id: string, by: string | null = null): Promise<ExportJob> {
    const { store, dispatch, destinationPolicy, newId, clock, limits } = this.#parts;
    this.#refuseWhenStopping();
    const original = await store.owner.find(id);
    if (original === null) throw new ExportError('unknown_export', 'There is no such export.');
    const { lane } = original.job;
    const refusal = destinationPolicy.refusal(new URL(lane.destination));
    if (refusal !== null) throw new ExportError('destination_refused', refusal);
    const now = { wall: clock.now(), steady: clock.steady() };
    const as = { id: newId(), acceptedAt: now.wall, expiresAt: now.steady + limits.ageMsMax };
    const insertLimits = { pendingMax: limits.pendingMax, acceptsNew: true, now };
    const result = await store.owner.redeliver(id, as, insertLimits, by);
    if (result.kind !== 'inserted') throw redeliverRefusal(result, limits, now.wall);
    dispatch.queued(lane);
    const { job } = result.jobs[0] as Inserted;
    this.#parts.observer?.accepted([job], { askedAt: now.wall, traceParent: null });
    return job;
  }

  /** Waits for nothing as long as nothing is refused: what is taken in keeps the order in which it came. */
  #judge(requests: readonly ExportRequest[], { client }: Submitter): DestinationRefusal | null {
    this.#refuseWhenStopping();
    this.#refuseTooFast(client, requests.length);
    return this.#refusedDestinations(requests, client);
  }

  async #accept(
    requests: readonly ExportRequest[],
    { client, peer, traceParent = null }: Submitter,
    acceptsNew: boolean,
  ): Promise<ExportJob[]> {
    const askedAt = this.#parts.clock.now();
    const name = peer === null ? null : (this.#parts.peerNames?.known(peer) ?? null);
    const submitter = { client, peer: peer === null ? null : peerText(peer, name) };
    const jobs = requests.map((request) => this.#newJob(request, submitter));
    const result = await this.#insert(jobs, acceptsNew);
    if (result.kind === 'refused') {
      throw insertRefusal(result, this.#parts.limits, this.#parts.clock.now());
    }
    const newJobs = result.jobs.flatMap(({ job, isRepeat }) => (isRepeat ? [] : job));
    if (newJobs.length > 0) this.#parts.observer?.accepted(newJobs, { askedAt, traceParent });
    const newIds = new Set(newJobs.map(({ id }) => id));
    return result.jobs.map(({ job }) => (newIds.has(job.id) ? asAccepted(job) : job));
  }

  /**
   * The jobs with these ids as they are now.
   *
   * @throws ExportError `unknown_export` when one of them is not there, or not this viewer's: nobody can tell which
   */
  async poll(polls: readonly Poll[], viewer: Viewer): Promise<ExportJob[]> {
    const ids = polls.map(({ id }) => id);
    const { client, destination: only } = viewer;
    const jobs = await this.#parts.store.get(ids, { client, destination: only });
    return polls.map(({ destination }, index) => {
      const job = jobs[index];
      if (!job || !mayBeSeen(job, viewer) || (destination !== null && destination !== job.lane.destination)) {
        throw new ExportError('unknown_export', 'No export with this id is known to this token.', {
          element: index,
        });
      }
      return job;
    });
  }

  /**
   * Resolves with the job as soon as `isOver` is true of it, and with its present state when the time is up, `signal`
   * aborts, the service stops, or another app needs the place.
   *
   * @throws ExportError `too_many_waiting`
   */
  async waitUntil(
    job: ExportJob,
    isOver: (job: ExportJob) => boolean,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ExportJob> {
    if (isOver(job)) return job;
    using place = this.#waitingRoom.take(waiterOf(job.lane));
    if (place === null) throw tooManyWaiting();
    return await this.#wait(job, isOver, { timeoutMs, signal, place });
  }

  /**
   * Calls `wake` whenever an export may have changed, until the returned function is called. For those who read what
   * it is then by {@link poll}.
   */
  watch(id: string, wake: () => void): () => void {
    return this.#parts.feed.watch(id, wake);
  }

  /** How many wait for an export to change or to end. */
  get waiting(): number {
    return this.#waitingRoom.taken;
  }

  /** From now on nothing is taken in, and whoever waits gets the present state. */
  stopAccepting(): void {
    this.#stopping.abort();
  }

  async #wait(
    job: ExportJob,
    isOver: (job: ExportJob) => boolean,
    { timeoutMs, signal, place }: Pick<SubmissionWait, 'timeoutMs' | 'signal'> & { place: WaitingPlace },
  ): Promise<ExportJob> {
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
    place.whenNeeded(giveUp);
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

  #refuseTooFast(client: string, count: number): void {
    const waitMs = this.#rate.take(client, count);
    if (waitMs === 0) return;
    throw new ExportError(
      'rate_limited',
      `This app may hand over ${this.#parts.limits.rateMax} exports a second. Nothing was queued; send it again later.`,
      { retryAfterSeconds: waitMs / 1_000 },
    );
  }

  /** Where one is refused, all are; null when none is. */
  #refusedDestinations(requests: readonly ExportRequest[], client: string): DestinationRefusal | null {
    const refused: RefusedExport[] = [];
    let error: ExportError | null = null;
    for (const [element, { destination, data }] of requests.entries()) {
      const reason = this.#parts.destinationPolicy.refusal(destination.url);
      if (reason === null) continue;
      error ??= new ExportError('destination_refused', reason, { element });
      const lane = { client, destination: destination.uri };
      refused.push({ lane, code: 'destination_refused', bytes: data.byteLength });
    }
    return error && { error, refused };
  }

  /** Counts what was refused, for the owner to see. @returns the error for the app */
  async #counted({ error, refused }: DestinationRefusal): Promise<ExportError> {
    await this.#parts.store.ledger.refused(refused, this.#parts.clock.now());
    return error;
  }

  #newJob(request: ExportRequest, { client, peer }: Submitter): NewJob {
    const { newId, clock, dispatch } = this.#parts;
    const lane = { client, destination: request.destination.uri };
    return {
      id: newId(),
      lane,
      peer,
      data: request.data,
      attemptsMax: request.attemptsMax ?? this.#parts.limits.attemptsMax,
      acceptedAt: clock.now(),
      expiresAt: clock.steady() + this.#parts.limits.ageMsMax,
      idempotency: this.#idempotency(request, clock.steady()),
      claimUntil: dispatch.reserve(lane),
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

  async #insert(jobs: readonly NewJob[], acceptsNew: boolean): Promise<InsertResult> {
    const { store, limits, clock } = this.#parts;
    const now = { wall: clock.now(), steady: clock.steady() };
    try {
      const result = await store.insert(jobs, { pendingMax: limits.pendingMax, acceptsNew, now });
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
        if (job.claimUntil !== null) dispatch.cancel(job.lane);
        if (outcome && !outcome.isRepeat) dispatch.queued(job.lane);
      }
    }
  }
}

/** A new export is answered as it was accepted, also when its first attempt was claimed in the same commit. */
function asAccepted(job: ExportJob): ExportJob {
  return { ...job, state: 'queued' };
}

export function tooManyWaiting(): ExportError {
  return new ExportError(
    'too_many_waiting',
    'Too many wait for results already. Ask again without waiting, or later.',
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}

/**
 * Who waits for an export of this lane. Where the box names no app, a destination is the closest to one: what an app
 * waits for is its own exports, and its token is for one of them.
 */
function waiterOf({ client, destination }: Lane): string {
  return client === '' ? `to ${destination}` : `app ${client}`;
}

/** Whether an export has ended, for those who wait for that. */
export function hasEnded(job: ExportJob): boolean {
  return isFinal(job.state);
}

function mayBeSeen({ lane }: ExportJob, viewer: Viewer): boolean {
  return lane.client === viewer.client && viewer.permits(lane.destination);
}

function redeliverRefusal(
  result: Exclude<RedeliverResult, { kind: 'inserted' }>,
  limits: ExportLimits,
  now: number,
): ExportError {
  if (result.kind === 'refused') {
    if (result.reason !== 'blocked_by_owner') return insertRefusal(result, limits, now);
    return new ExportError(
      'destination_refused',
      'A rule (block) stops exports of this app to this destination. Remove it first: export-service rules list shows it.',
    );
  }
  // Between our look and the store's step its history may have ended.
  if (result.kind === 'unknown') return new ExportError('unknown_export', 'There is no such export.');
  return new ExportError(
    'payload_erased',
    'The data of this export is gone: it is erased at the end, unless --keep-payloads keeps it for a while. The app must send it again.',
  );
}

function insertRefusal(
  { reason, index: element, retryAt }: Extract<InsertResult, { kind: 'refused' }>,
  limits: ExportLimits,
  now: number,
): ExportError {
  switch (reason) {
    case 'idempotency_mismatch':
      return new ExportError(
        reason,
        'This idempotency key was used with other data or another "attempts_max". Use a new key for a new export.',
        { element },
      );
    case 'blocked_by_owner':
      return new ExportError(
        'destination_refused',
        'The owner of this box does not let this app export to this destination (a rule of theirs). Ask them.',
        { element },
      );
    case 'budget_exhausted':
      return new ExportError(
        reason,
        "The owner's budget for this app or destination is used up for now, or this export is larger than all of it.",
        { element, retryAfterSeconds: Math.max(((retryAt ?? 0) - now) / 1_000, 1) },
      );
    case 'too_many_pending':
      return new ExportError(
        reason,
        `${limits.pendingMax} exports to this destination wait already. Try again when some have left.`,
        { element, retryAfterSeconds: RETRY_AFTER_SECONDS },
      );
    case 'too_many_waiting':
      return tooManyWaiting();
    case 'store_full':
      return new ExportError(
        reason,
        'The store is full: it has reached its ceiling (--store-bytes-max), or its disk has no more room. Nothing was queued.',
      );
  }
}
