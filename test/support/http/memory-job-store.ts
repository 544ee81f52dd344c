import type { Attempt, ExportJob } from '../../../src/export/job.ts';
import type {
  Claim,
  Inserted,
  InsertLimits,
  InsertResult,
  JobStore,
  JobViewer,
  NewJob,
} from '../../../src/export/job-store.ts';
import type { LedgerStore, RefusedExport } from '../../../src/export/ledger-store.ts';
import { MemorySecrets } from '../memory-secrets.ts';

interface KnownKey {
  readonly id: string;
  readonly digest: Uint8Array;
}

/**
 * As much of a store as the HTTP side needs: it takes jobs in and finds them again. Nothing is ever claimed; a test
 * moves jobs on with `change`.
 */
export class MemoryJobStore implements JobStore {
  /** When set, every call rejects with it. */
  failure: Error | null = null;
  /** Called for each job that was taken in, before the answer. */
  afterInsert: (id: string) => void = () => {};
  /** Inserts that were asked for and not answered: now, and the most there were. */
  insertsUnderWay = 0;
  insertsUnderWayMost = 0;
  /** What was looked for, in order. */
  readonly lookups: { readonly ids: readonly string[]; readonly viewer: JobViewer | null }[] = [];
  /** What was taken in, in order. */
  readonly inserted: NewJob[] = [];
  readonly #jobs = new Map<string, ExportJob>();
  readonly #keys = new Map<string, KnownKey>();
  readonly #listeners = new Set<(ids: readonly string[]) => void>();
  #mayInsert: Promise<void> = Promise.resolve();

  /** Lets inserts wait until what it returns is resolved. */
  holdInserts(): PromiseWithResolvers<void> {
    const held = Promise.withResolvers<void>();
    this.#mayInsert = held.promise;
    return held;
  }

  /** Calls of `get`. */
  get gets(): number {
    return this.lookups.length;
  }

  /** Moves a job on, as a worker would, and tells whoever listens. */
  change(id: string, changes: Partial<ExportJob>): void {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new TypeError(`No job ${id} is here.`);
    this.#jobs.set(id, { ...job, ...changes });
    for (const listener of this.#listeners) listener([id]);
  }

  async insert(jobs: readonly NewJob[], limits: InsertLimits): Promise<InsertResult> {
    this.insertsUnderWay += 1;
    this.insertsUnderWayMost = Math.max(this.insertsUnderWayMost, this.insertsUnderWay);
    await this.#mayInsert;
    this.insertsUnderWay -= 1;
    return this.#insert(jobs, limits);
  }

  #insert(jobs: readonly NewJob[], limits: InsertLimits): InsertResult {
    this.#failIfTold();
    const pending = new Map<string, number>();
    const newKeys = new Map<string, KnownKey>();
    for (const [index, job] of jobs.entries()) {
      const known = this.#known(job) ?? newKeys.get(scopedKey(job));
      if (known !== undefined && job.idempotency !== null) {
        const isSame = Buffer.compare(known.digest, job.idempotency.digest) === 0;
        if (!isSame) return { kind: 'refused', reason: 'idempotency_mismatch', index };
        continue;
      }
      if (!limits.acceptsNew) return { kind: 'refused', reason: 'too_many_waiting', index };
      if (job.idempotency !== null)
        newKeys.set(scopedKey(job), { id: job.id, digest: job.idempotency.digest });
      const { client, destination } = job.lane;
      const count = (pending.get(destination) ?? this.#pending(client, destination)) + 1;
      if (count > limits.pendingMax) return { kind: 'refused', reason: 'too_many_pending', index };
      pending.set(destination, count);
    }
    const inserted = jobs.map((job) => this.#insertOne(job));
    for (const { job, isRepeat } of inserted) if (!isRepeat) this.afterInsert(job.id);
    return { kind: 'inserted', jobs: inserted };
  }

  async get(ids: readonly string[], viewer?: JobViewer): Promise<(ExportJob | null)[]> {
    this.#failIfTold();
    this.lookups.push({ ids, viewer: viewer ?? null });
    return ids.map((id) => {
      const job = this.#jobs.get(id);
      return job !== undefined && isFor(job, viewer) ? job : null;
    });
  }

  onChange(listener: (ids: readonly string[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async attempts(): Promise<Attempt[]> {
    return [];
  }

  async ping(): Promise<void> {
    this.#failIfTold();
  }

  onEnded = (): never => unused('onEnded');
  figures = (): Promise<never> => unused('figures');
  unlock = (): Promise<void> => unused('unlock');
  payload = (): Promise<never> => unused('payload');
  erasePayloads = (): Promise<never> => unused('erasePayloads');
  purge = (): Promise<never> => unused('purge');
  claim = (): Promise<Claim> => unused('claim');
  settle = (): Promise<never> => unused('settle');
  extendLeases = (): Promise<void> => unused('extendLeases');
  rescue = (): Promise<never[]> => unused('rescue');
  expire = (): Promise<never> => unused('expire');
  recover = (): Promise<number> => unused('recover');
  storeTime = (): number => unused('storeTime');
  busyLanes = (): Promise<never[]> => unused('busyLanes');
  deleteExpired = (): Promise<number> => unused('deleteExpired');
  deleteHistory = (): Promise<number> => unused('deleteHistory');

  readonly secrets = new MemorySecrets();

  get owner(): never {
    return unused('owner');
  }

  /** New exports that a setting refused. */
  readonly refused: RefusedExport[] = [];

  readonly ledger: LedgerStore = {
    refused: async (refused) => {
      this.refused.push(...refused);
    },
    logs: () => unused('logs'),
    rootAt: () => unused('rootAt'),
    begin: () => unused('begin'),
    onAppended: () => unused('onAppended'),
    head: () => unused('head'),
    entries: () => unused('entries'),
    outcome: () => unused('outcome'),
    proof: () => unused('proof'),
    recordRefusals: () => unused('recordRefusals'),
    erase: () => unused('erase'),
  };

  async [Symbol.asyncDispose](): Promise<void> {}

  #insertOne(job: NewJob): Inserted {
    const known = this.#known(job);
    const earlier = known === undefined ? undefined : this.#jobs.get(known.id);
    if (earlier !== undefined) return { job: earlier, isRepeat: true, claimed: null };
    const taken = queuedJob(job);
    this.inserted.push(job);
    this.#jobs.set(job.id, taken);
    if (job.idempotency !== null)
      this.#keys.set(scopedKey(job), { id: job.id, digest: job.idempotency.digest });
    return { job: taken, isRepeat: false, claimed: null };
  }

  #known(job: NewJob): KnownKey | undefined {
    return job.idempotency === null ? undefined : this.#keys.get(scopedKey(job));
  }

  #pending(client: string, destination: string): number {
    return [...this.#jobs.values()].filter(
      ({ lane, finishedAt }) =>
        finishedAt === null && lane.client === client && lane.destination === destination,
    ).length;
  }

  #failIfTold(): void {
    if (this.failure !== null) throw this.failure;
  }
}

function isFor({ lane }: ExportJob, viewer: JobViewer | undefined): boolean {
  if (viewer === undefined) return true;
  return lane.client === viewer.client && (viewer.destination ?? lane.destination) === lane.destination;
}

function queuedJob({ id, lane, data, attemptsMax, acceptedAt }: NewJob): ExportJob {
  return {
    id,
    lane,
    state: 'queued',
    dataBytes: data.length,
    attemptsMax,
    attempts: 0,
    attemptsSpent: 0,
    acceptedAt,
    nextAttemptAt: null,
    lastError: null,
    finishedAt: null,
    result: null,
  };
}

function scopedKey({ lane, idempotency }: NewJob): string {
  return JSON.stringify([lane.client, lane.destination, idempotency?.key]);
}

function unused(method: string): never {
  throw new TypeError(`The HTTP side has no business with ${method}.`);
}
