import type { Cancel, Clock } from '../export/clock.ts';
import type { Consent } from '../export/consent.ts';
import type { Deliverer, Delivery } from '../export/deliverer.ts';
import type { Dispatch } from '../export/dispatch.ts';
import { type Attempt, type Lane, laneKey } from '../export/job.ts';
import type {
  Claim,
  ClaimedJob,
  ClaimRequest,
  JobStore,
  LaneBacklog,
  Settlement,
} from '../export/job-store.ts';
import { attemptError, judgeAttempt } from '../export/judgement.ts';
import type { ExportObserver } from '../export/observer.ts';
import type { RetryPolicy } from '../export/retry-policy.ts';

export interface DispatcherParts {
  readonly store: JobStore;
  readonly deliverer: Deliverer;
  readonly consent: Consent;
  readonly clock: Clock;
  /** Numbers in [0, 1), for jitter. */
  readonly random: () => number;
  readonly retryPolicy: RetryPolicy;
  readonly limits: DispatchLimits;
  /** Hears what an operator should know. */
  readonly observer: DispatchObserver;
}

export interface DispatchLimits {
  /** Attempts in flight per lane. */
  readonly laneConcurrency: number;
  /** Attempts in flight in all. */
  readonly concurrency: number;
  /** How long a claim holds unless it is renewed, in milliseconds: longer than an attempt can take. */
  readonly leaseMs: number;
}

export interface DispatchObserver extends Pick<ExportObserver, 'attempted'> {
  /** The store did not take something; it will be asked again. */
  storeFailed(doing: 'claim' | 'settle' | 'renew', error: unknown): void;
  /** Something here did what it never should: an attempt's fate is unknown, and only a new start settles it. */
  broke(error: unknown): void;
  /** Leases ran out although they were renewed in time: the store was away, or we were. */
  rescued(lanes: number): void;
}

/** A lease is renewed this many times before it would run out, so that one renewal may be lost. */
const RENEWALS_PER_LEASE = 3;
/** Leases that ran out and are taken back in one step. */
const RESCUE_JOBS_MAX = 1_000;

/** How long to wait before the store is asked again after it failed, or gave out what may not leave; in milliseconds. */
const STORE_RETRY_MS = 1_000;

/** A lane with work. Forgotten when there is none, so memory grows with busy lanes and not with the queue. */
interface LaneState {
  readonly lane: Lane;
  /** Places taken: attempts in flight, and places reserved for jobs about to be inserted or claimed. */
  places: number;
  /** Whether the store has a job that could be claimed now. */
  hasDue: boolean;
  /** Whether nothing is sent before the timer rings: the destination is down. A new job then changes nothing. */
  isPaused: boolean;
  /** Counts calls of `queued` and `resume`, so that an older claim's "no more" cannot hide a newer job. */
  queuedCount: number;
  isClaiming: boolean;
  isInLine: boolean;
  /** Ends the wait for the lane's next retry. */
  cancelTimer: Cancel | null;
  /** When that is over, in steady time. */
  wakesAt: number;
}

/**
 * Sends jobs: one lane's one after the other (or as many at a time as a lane may), all lanes side by side, up to a
 * limit in all. Lanes that find no place wait in line, first come, first served; a busy lane goes to the end of the
 * line after each attempt, so that none starves another.
 */
export class Dispatcher implements Dispatch {
  readonly #parts: DispatcherParts;
  readonly #lanes = new Map<string, LaneState>();
  readonly #line: LaneState[] = [];
  readonly #running = new Set<Promise<void>>();
  /** What is being sent, with its lease. */
  readonly #sending = new Map<string, ClaimedJob>();
  readonly #stop = new AbortController();
  #places = 0;
  #isStopping = false;
  #cancelRenewal: Cancel | null = null;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /** Begins to send what the store holds. */
  async start(): Promise<void> {
    const { store, clock } = this.#parts;
    this.resume(await store.busyLanes(clock.steady()));
    this.#scheduleRenewal();
  }

  reserve(lane: Lane): number | null {
    const known = this.#lanes.get(laneKey(lane));
    if (this.#isStopping || this.#line.length > 0 || !this.#hasPlace()) return null;
    if (known && !this.#isFree(known)) return null;
    this.#take(known ?? this.#stateOf(lane), 1);
    return this.#leaseEnd();
  }

  send(job: ClaimedJob): void {
    this.#send(this.#stateOf(job.lane), job);
  }

  cancel(lane: Lane): void {
    this.#giveBack(this.#stateOf(lane), 1);
  }

  queued(lane: Lane): void {
    const state = this.#stateOf(lane);
    state.queuedCount += 1;
    // The timer goes on with it. (A place that is taken may be one that is only reserved, which wakes nobody.)
    if (state.isPaused && state.cancelTimer !== null) return;
    state.hasDue = true;
    this.#claimFor(state);
  }

  /**
   * These lanes have, or may send, something again. What is said of them may be older than what is known here: a new job may
   * have come, and an earlier retry. So it only adds to that; to ask the store too early or for nothing does no harm.
   */
  resume(lanes: readonly LaneBacklog[]): void {
    for (const backlog of lanes) {
      const state = this.#stateOf(backlog.lane);
      state.queuedCount += 1;
      const wakesAt = state.cancelTimer === null ? Number.POSITIVE_INFINITY : state.wakesAt;
      const hasDue = state.hasDue || backlog.hasDue;
      const nextDueAt = backlog.nextDueAt === null ? null : Math.min(backlog.nextDueAt, wakesAt);
      this.#note(state, { ...backlog, hasDue, nextDueAt });
    }
  }

  /**
   * Stops sending. Attempts in flight may end for `drainMs`; then they are cut off and their jobs go back to the
   * queue, unspent. Resolves when everything is settled. Stopping again joins the first stop.
   */
  async stop(drainMs: number): Promise<void> {
    this.#isStopping = true;
    this.#cancelRenewal?.();
    for (const state of this.#lanes.values()) state.cancelTimer?.();
    const cancelCutOff = this.#parts.clock.schedule(drainMs, () => this.#stop.abort());
    while (this.#running.size > 0) await Promise.all(this.#running);
    cancelCutOff();
  }

  // -- leases ---------------------------------------------------------------------------------------------------------

  #leaseEnd(): number {
    return this.#parts.clock.steady() + this.#parts.limits.leaseMs;
  }

  #request(count: number): ClaimRequest {
    const { clock } = this.#parts;
    return { count, now: { wall: clock.now(), steady: clock.steady() }, leaseExpiresAt: this.#leaseEnd() };
  }

  #scheduleRenewal(): void {
    if (this.#isStopping) return;
    const { clock, limits } = this.#parts;
    this.#cancelRenewal = clock.schedule(limits.leaseMs / RENEWALS_PER_LEASE, () =>
      this.#track(this.#renew()),
    );
  }

  /** Renews what is being sent; then takes back what nobody renewed. */
  async #renew(): Promise<void> {
    const { store, clock, observer } = this.#parts;
    try {
      if (this.#sending.size > 0) await store.extendLeases([...this.#sending.values()], this.#leaseEnd());
      const lanes = await store.rescue({ wall: clock.now(), steady: clock.steady() }, RESCUE_JOBS_MAX);
      if (lanes.length > 0) observer.rescued(lanes.length);
      this.resume(lanes);
    } catch (error) {
      observer.storeFailed('renew', error);
    }
    this.#scheduleRenewal();
  }

  // -- places ---------------------------------------------------------------------------------------------------------

  #stateOf(lane: Lane): LaneState {
    const key = laneKey(lane);
    let state = this.#lanes.get(key);
    if (state === undefined) {
      state = {
        lane,
        places: 0,
        hasDue: false,
        isPaused: false,
        queuedCount: 0,
        isClaiming: false,
        isInLine: false,
        cancelTimer: null,
        wakesAt: 0,
      };
      this.#lanes.set(key, state);
    }
    return state;
  }

  #take(state: LaneState, places: number): void {
    state.places += places;
    this.#places += places;
  }

  #giveBack(state: LaneState, places: number): void {
    state.places -= places;
    this.#places -= places;
    this.#claimFor(state);
    this.#serveLine();
    this.#forgetIfIdle(state);
  }

  #forgetIfIdle(state: LaneState): void {
    if (state.places > 0 || state.hasDue || state.isClaiming || state.isInLine || state.cancelTimer !== null)
      return;
    this.#lanes.delete(laneKey(state.lane));
  }

  /** Whether a new job of the lane would be the next to be sent, and at once. */
  #isFree(state: LaneState): boolean {
    const isBusy = state.hasDue || state.isClaiming || state.isPaused;
    return !isBusy && state.places < this.#parts.limits.laneConcurrency;
  }

  #hasPlace(): boolean {
    return this.#places < this.#parts.limits.concurrency;
  }

  #serveLine(): void {
    while (this.#hasPlace() && !this.#isStopping) {
      const state = this.#line.shift();
      if (state === undefined) return;
      state.isInLine = false;
      if (this.#canClaim(state)) this.#claimNow(state);
      this.#forgetIfIdle(state);
    }
  }

  // -- claim → send → settle ------------------------------------------------------------------------------------------

  #canClaim(state: LaneState): boolean {
    const isFree = state.places < this.#parts.limits.laneConcurrency;
    return state.hasDue && isFree && !state.isClaiming && !state.isInLine && !this.#isStopping;
  }

  /** Claims for the lane, or puts it in line behind those that wait already. */
  #claimFor(state: LaneState): void {
    if (!this.#canClaim(state)) return;
    if (this.#hasPlace() && this.#line.length === 0) {
      this.#claimNow(state);
      return;
    }
    state.isInLine = true;
    this.#line.push(state);
  }

  #claimNow(state: LaneState): void {
    const { laneConcurrency, concurrency } = this.#parts.limits;
    const places = Math.min(laneConcurrency - state.places, concurrency - this.#places);
    this.#take(state, places);
    this.#track(this.#claim(state, places));
  }

  async #claim(state: LaneState, places: number): Promise<void> {
    const { store, clock, observer } = this.#parts;
    const queuedCount = state.queuedCount;
    state.isClaiming = true;
    try {
      const claim = await store.claim(state.lane, this.#request(places));
      state.isClaiming = false;
      this.#begin(state, claim, places, queuedCount);
    } catch (error) {
      state.isClaiming = false;
      observer.storeFailed('claim', error);
      // Not due for a moment: giving the places back would otherwise claim again at once.
      state.hasDue = false;
      this.#wakeAt(state, clock.steady() + STORE_RETRY_MS);
      this.#giveBack(state, places);
    }
  }

  /** Sends what was claimed for `places`, and gives back the places that are left. */
  #begin(state: LaneState, claim: Claim, places: number, queuedCount: number): void {
    const newerQueued = state.queuedCount !== queuedCount;
    this.#note(state, newerQueued ? { ...claim.backlog, hasDue: true } : claim.backlog);
    for (const job of claim.jobs) this.#send(state, job);
    this.#giveBack(state, places - claim.jobs.length);
  }

  #note(state: LaneState, backlog: LaneBacklog): void {
    state.hasDue = backlog.hasDue;
    state.isPaused = backlog.isPaused;
    if (backlog.hasDue && !this.#parts.consent.permitsLane(state.lane)) this.#rest(state);
    else if (backlog.nextDueAt !== null && !backlog.hasDue) this.#wakeAt(state, backlog.nextDueAt);
    this.#claimFor(state);
  }

  /**
   * The store would give out what may not leave: whether it has another rule is being found out. Until then it is asked now
   * and then, and not again and again at once.
   */
  #rest(state: LaneState): void {
    state.hasDue = false;
    state.isPaused = true;
    this.#wakeAt(state, this.#parts.clock.steady() + STORE_RETRY_MS);
  }

  /** One timer a lane: it wakes for the earliest retry, and the claim then tells when the next one is. */
  #wakeAt(state: LaneState, at: number): void {
    const { clock } = this.#parts;
    state.cancelTimer?.();
    if (this.#isStopping) return;
    state.wakesAt = at;
    state.cancelTimer = clock.schedule(at - clock.steady(), () => {
      state.cancelTimer = null;
      state.hasDue = true;
      state.isPaused = false;
      this.#claimFor(state);
    });
  }

  #send(state: LaneState, job: ClaimedJob): void {
    this.#track(this.#attempt(state, job));
  }

  async #attempt(state: LaneState, job: ClaimedJob): Promise<void> {
    const { consent } = this.#parts;
    this.#sending.set(job.id, job);
    const settlement = this.#isStopping ? released(job) : await this.#deliver(job);
    const queuedCount = state.queuedCount;
    // The next job of the lane rides along with this commit, unless other lanes wait for the place.
    const mayGoOn = !this.#isStopping && this.#line.length === 0 && consent.permitsLane(state.lane);
    const next = await this.#settle(settlement, mayGoOn ? 1 : 0);
    this.#sent(job);
    if (next === null) return;
    this.#begin(state, next, 1, queuedCount);
  }

  /** A later attempt may be under way, when this one's lease was lost: what is known of the job is its business then. */
  #sent(job: ClaimedJob): void {
    if (this.#sending.get(job.id) !== job) return;
    this.#sending.delete(job.id);
    this.#parts.consent.forget(job.id);
  }

  async #deliver(job: ClaimedJob): Promise<Settlement> {
    const { deliverer, consent, clock, random, retryPolicy, observer } = this.#parts;
    const startedAt = clock.now();
    const delivery = await deliverer.deliver(job, this.#stop.signal, () => consent.permits(job));
    const endedAt = clock.now();
    const verdict = judgeAttempt(job, delivery.outcome, retryPolicy, clock.steady(), random());
    const attempt = attemptRecord(job, delivery, startedAt, endedAt);
    const settlement = { id: job.id, lane: job.lane, lease: job.lease };
    observer.attempted(job, attempt, verdict.kind, delivery.timing ?? null);
    if (verdict.kind !== 'released') return { ...settlement, ...verdict, attempt };
    return { ...settlement, kind: 'released', attempt: wasSent(delivery) ? attempt : null };
  }

  /**
   * Settles, for as long as it takes: the outcome is known only here, and the lane's order stands on it. Null when we
   * stop before the store takes it; the next start then finds the job as one whose answer is unknown.
   */
  async #settle(settlement: Settlement, claimNext: number): Promise<Claim | null> {
    const { store, observer } = this.#parts;
    let count = claimNext;
    for (;;) {
      try {
        return (await store.settle(settlement, this.#request(count))).next;
      } catch (error) {
        observer.storeFailed('settle', error);
        if (this.#isStopping) return null;
        await this.#pause(STORE_RETRY_MS);
        // What comes next in the lane may be what the store choked on.
        count = 0;
      }
    }
  }

  /** Waits, but not longer than we run. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.schedule(delayMs, done);
      const { signal } = this.#stop;
      signal.addEventListener('abort', done);
      function done(): void {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  #track(task: Promise<void>): void {
    const watched = task.catch((error) => this.#parts.observer.broke(error));
    this.#running.add(watched);
    watched.finally(() => this.#running.delete(watched));
  }
}

function released(job: ClaimedJob): Settlement {
  return { id: job.id, lane: job.lane, lease: job.lease, kind: 'released', attempt: null };
}

function wasSent({ outcome }: Delivery): boolean {
  return outcome.kind === 'stopped' && outcome.sent;
}

function attemptRecord(job: ClaimedJob, delivery: Delivery, startedAt: number, endedAt: number): Attempt {
  const { outcome, address, tlsFingerprint, bytes } = delivery;
  return {
    number: job.attempts + 1,
    startedAt,
    endedAt,
    address,
    tlsFingerprint,
    bytes,
    status: outcome.kind === 'answered' ? outcome.answer.status : null,
    error: attemptError(outcome),
  };
}
