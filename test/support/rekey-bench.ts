import { join } from 'node:path';
import { type Attempt, type JobResult, UNSEEN } from '../../src/export/job.ts';
import type { ClaimedJob, NewJob, Settlement } from '../../src/export/job-store.ts';
import { NO_REPORT } from '../../src/export/lane-health.ts';
import { findStoreKeys, openDigest, openMasterKey, openRootKey } from '../../src/keys/store-keys.ts';
import { checkStore } from '../../src/store/sqlite/check.ts';
import { SqliteJobStore } from '../../src/store/sqlite/sqlite-job-store.ts';
import { beginLedger } from './ledger/beginning.ts';
import { TemporaryDirectory } from './temporary-store.ts';

const NOW = { wall: 1_000_000, steady: 1_000_000 };
const LANE = { client: 'app', destination: 'http://127.0.0.1:1/in' };
/** The one that is delivered, one that waits after a failed attempt, a large one that is queued. */
const IDS = ['1', '2', '3'].map((n) => `00000000-0000-7000-8000-00000000000${n}`);

/** All that is encrypted in a store, opened. */
export interface Content {
  readonly payloads: readonly (string | null)[];
  readonly answers: readonly (JobResult | null | undefined)[];
  readonly attempts: readonly Attempt[];
  readonly rootKey: string;
  readonly digest: string;
  readonly problems: readonly unknown[];
}

/** A data directory with a store and its key, which no service uses. */
export interface RekeyBench extends AsyncDisposable {
  readonly dataDir: string;
  readonly content: Content;
}

export async function makeStoreUnderKey(): Promise<RekeyBench> {
  const directory = new TemporaryDirectory();
  {
    await using store = await openUnderKey(directory.path);
    const data = ['"delivered"', '"waiting"', `"${'large'.repeat(10_000)}"`];
    const jobs = IDS.map((id, n) => newJob(id, Buffer.from(data[n] ?? '')));
    await store.insert(jobs, { pendingMax: 10, acceptsNew: true, now: NOW });
    const none = { count: 0, now: NOW, leaseExpiresAt: 0 };
    const claim = await store.claim(LANE, { ...none, count: 2, leaseExpiresAt: 2_000_000 });
    const [one, two] = claim.jobs as [ClaimedJob, ClaimedJob];
    await store.settle(delivered(one), none);
    await store.settle(failed(two), none);
  }
  return {
    dataDir: directory.path,
    content: await readStoreUnderKey(directory.path),
    async [Symbol.asyncDispose]() {
      directory[Symbol.dispose]();
    },
  };
}

/** Opens a store with the key file that is there, as a service does, and all that is encrypted in it. */
export async function readStoreUnderKey(dataDir: string): Promise<Content> {
  await using store = await openUnderKey(dataDir);
  const payloads = await Promise.all(IDS.map((id) => store.payload(id)));
  const jobs = await store.get(IDS);
  const key = await openMasterKey(store.secrets, join(dataDir, 'store.key'), NOW.wall);
  const rootKey = await openRootKey(store.secrets, key, NOW.wall);
  const digest = (await openDigest(store.secrets, key))('what is digested');
  const { problems } = checkStore(join(dataDir, 'exports.db'), (secret) =>
    findStoreKeys(secret, join(dataDir, 'store.key')),
  );
  return {
    payloads: payloads.map((payload) => payload && Buffer.from(payload).toString()),
    answers: jobs.map((job) => job?.result),
    attempts: (await Promise.all(IDS.map((id) => store.attempts(id)))).flat(),
    rootKey: Buffer.from(rootKey).toString(),
    digest: Buffer.from(digest).toString('hex'),
    problems,
  };
}

/** Payloads stay after the end here. */
async function openUnderKey(dataDir: string): Promise<SqliteJobStore> {
  const store = await SqliteJobStore.open(join(dataDir, 'exports.db'));
  try {
    const key = await openMasterKey(store.secrets, join(dataDir, 'store.key'), NOW.wall);
    await store.unlock(key.storeKeys, { keepsPayloads: true });
    await beginLedger(store.ledger);
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

function newJob(id: string, data: Uint8Array): NewJob {
  const times = { acceptedAt: NOW.wall, expiresAt: Number.MAX_SAFE_INTEGER };
  return { id, lane: LANE, data, attemptsMax: 9, ...times, idempotency: null, claimUntil: null, peer: null };
}

function delivered({ id, lane, lease }: ClaimedJob): Settlement {
  const result = { kind: 'answer', answer: { status: 200, body: 'thanks', truncated: false } } as const;
  const attempt = { number: 1, startedAt: 1, endedAt: 2, ...UNSEEN, status: 200, error: null };
  return { id, lane, lease, kind: 'finished', state: 'delivered', result, laneReport: NO_REPORT, attempt };
}

function failed({ id, lane, lease }: ClaimedJob): Settlement {
  const error = { code: 'malformed_response', detail: 'What the destination sent is odd.' } as const;
  return {
    id,
    lane,
    lease,
    kind: 'waiting',
    nextAttemptAt: NOW.steady + 5,
    returnsWithLane: false,
    lastError: error,
    result: { kind: 'failure', failure: error },
    laneReport: NO_REPORT,
    attempt: { number: 1, startedAt: 1, endedAt: 2, ...UNSEEN, status: null, error },
  };
}
