import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UNSEEN } from '../../export/job.ts';
import type { ClaimedJob, NewJob } from '../../export/job-store.ts';
import type { BatchDone, Operation } from './operations.ts';
import { pack, packDone, unpack, unpackDone } from './packing.ts';

const LANE = { client: 'an app', destination: 'https://a.example/ä?q=\u2028' };
const NOW = { wall: 1_764_000_000_000, steady: 123_456.789 };
const NEXT = { count: 1, now: NOW, leaseExpiresAt: Number.MAX_SAFE_INTEGER };
const HELD = { id: '019ab3f2-7c00-7000-8000-000000000001', lease: 2 ** 48 - 2 };

function newJob(data: string, key: string | null): NewJob {
  const idempotency = key === null ? null : { key, digest: Buffer.from(`digest of ${key}`), expiresAt: 7 };
  return {
    id: HELD.id,
    lane: LANE,
    peer: '::1',
    data: Buffer.from(data),
    attemptsMax: 9,
    acceptedAt: NOW.wall,
    expiresAt: NOW.steady,
    idempotency,
    claimUntil: key === null ? null : 5.5,
  };
}

function claimed(data: string): ClaimedJob {
  const counts = { attemptsMax: 9, attempts: 1, attemptsSpent: 0, expiresAt: 8, laneFailures: 0 };
  return { ...HELD, lane: LANE, data: Buffer.from(data), ...counts };
}

const backlog = { lane: LANE, hasDue: true, nextDueAt: null, isPaused: false };
const error = { code: 'timeout', detail: 'half a pair: \ud800, and \u0000' } as const;

const OPERATIONS: readonly Operation[] = [
  {
    kind: 'insert',
    jobs: [newJob('"one"', 'key'), newJob('', null), newJob('"\u{1f600}"', 'ключ')],
    limits: { pendingMax: 5, acceptsNew: true, now: NOW },
  },
  { kind: 'putSecret', name: 'a secret', value: Buffer.from([0, 255, 128]), record: null },
  { kind: 'claim', lane: LANE, request: NEXT },
  {
    kind: 'settle',
    settlement: {
      ...HELD,
      lane: LANE,
      kind: 'waiting',
      nextAttemptAt: 1.5,
      returnsWithLane: true,
      lastError: error,
      result: { kind: 'failure', failure: error },
      laneReport: { kind: 'none' },
      attempt: { number: 1, startedAt: 1, endedAt: 2, ...UNSEEN, status: null, error },
    },
    next: NEXT,
  },
  { kind: 'extendLeases', leases: [HELD], expiresAt: 9 },
  { kind: 'ping' },
  { kind: 'insert', jobs: [newJob('"last"', null)], limits: { pendingMax: 5, acceptsNew: false, now: NOW } },
];

/** Bytes compare as bytes, whatever class their view has. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

describe('packing', () => {
  it('operations come out as they went in, in their order, through a change of threads', () => {
    const packed = pack(OPERATIONS);
    const moved = structuredClone(packed, { transfer: [packed.bytes] });
    assert.deepEqual(plain(unpack(moved)), plain(OPERATIONS));
    assert.equal(packed.bytes.byteLength, 0, 'its bytes were moved, not copied');
  });

  it('so do results, each payload in a buffer of its own', () => {
    const job = { ...newJob('"one"', null), state: 'queued' };
    const inserted = { job, isRepeat: false, claimed: claimed('"one"') };
    const unclaimed = { job, isRepeat: true, claimed: null };
    const done = {
      results: [
        { kind: 'inserted', jobs: [inserted, unclaimed, unclaimed] },
        Buffer.from('what was stored'),
        { jobs: [claimed('"two"'), claimed('')], backlog },
        { settled: true, next: { jobs: [claimed('"three"')], backlog } },
        undefined,
        undefined,
        { kind: 'refused', reason: 'store_full', index: 0 },
      ],
      changed: [HELD.id],
      ended: [{ id: HELD.id, lane: { client: '', destination: 'https://a.example' }, state: 'blocked' }],
      ledgerSize: 7,
    } as unknown as BatchDone;
    // The job that `insert` resolves to has no bytes.
    Reflect.deleteProperty(job, 'data');
    Reflect.deleteProperty(job, 'idempotency');
    const packed = structuredClone(packDone(done, OPERATIONS));
    const unpacked = unpackDone(packed, OPERATIONS);
    assert.deepEqual(plain(unpacked), plain(done));
    const [, , claim] = unpacked.results as unknown as [unknown, unknown, { jobs: ClaimedJob[] }];
    assert.equal(claim.jobs[0]?.data.buffer.byteLength, 5);
    const [first] = unpacked.results as unknown as [{ jobs: { claimed: ClaimedJob | null }[] }];
    assert.equal(
      first.jobs[0]?.claimed?.data,
      (OPERATIONS[0] as unknown as { jobs: NewJob[] }).jobs[0]?.data,
    );
  });

  it('fewer results than operations are those of the first ones', () => {
    const done = { results: [], changed: [], ended: [] } as unknown as BatchDone;
    assert.deepEqual(unpackDone(packDone(done, OPERATIONS), OPERATIONS), done);
  });
});
