/**
 * `node bench/owner-lists.ts [EXPORTS]`: what the owner's lists and sums cost with many exports in the store: the first
 * page, one in the middle, the last; of all, of an app, in a phase.
 */
import { randomBytes } from 'node:crypto';
import type { Lane } from '../src/export/job.ts';
import type { ClaimedJob, NewJob, Settlement } from '../src/export/job-store.ts';
import type { ExportQuery } from '../src/export/owner-store.ts';
import type { Operation, ResultOf } from '../src/store/sqlite/operations.ts';
import { OwnerReader } from '../src/store/sqlite/owner-reader.ts';
import { NO_STORE_LIMITS } from '../src/store/sqlite/space.ts';
import { SqliteWriter } from '../src/store/sqlite/writer.ts';
import { NOT_KEPT, STORE_KEYS } from '../test/support/store-keys.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

const EXPORTS_DEFAULT = 1_000_000;
const BATCH = 1_000;
const LANES = 100;
/** Of each batch so many stay unfinished. */
const UNFINISHED = 2;
const RUNS = 15;
const PAGE = 50;
const NOW = Date.UTC(2026, 0, 1);

const exports = Number(process.argv[2] ?? EXPORTS_DEFAULT);
using directory = new TemporaryDirectory();
const path = directory.file('exports.db');
fill(path, exports);
using reader = new OwnerReader(path, STORE_KEYS);

const everything: ExportQuery = { app: null, destination: null, phase: null, before: null, limit: PAGE };
const middle = String(Math.floor(exports / 2));
const last = String(PAGE + 1);
const queries: [name: string, query: Partial<ExportQuery>][] = [
  ['all, first page', {}],
  ['all, in the middle', { before: middle }],
  ['all, last page', { before: last }],
  ['one app of 100, first page', { app: 'app-7' }],
  ['one app of 100, in the middle', { app: 'app-7', before: middle }],
  ['one app of 100, last page', { app: 'app-7', before: last }],
  ['one origin (all apps), first page', { destination: 'https://a.example' }],
  ['pending (few), first page', { phase: 'pending' }],
  ['finished, first page', { phase: 'finished' }],
  ['finished, last page', { phase: 'finished', before: last }],
];
console.log(`${exports.toLocaleString('en')} exports in ${LANES} lanes; ms, median and most of ${RUNS}`);
for (const [name, query] of queries) tell(name, () => reader.list({ ...everything, ...query }));
tell('sums over everything', () => reader.summary(0, Number.MAX_SAFE_INTEGER));

function tell(name: string, ask: () => unknown): void {
  const times = Array.from({ length: RUNS }, () => {
    const startedAt = performance.now();
    ask();
    return performance.now() - startedAt;
  }).sort((a, b) => a - b);
  const [median, most] = [times[RUNS >> 1] ?? 0, times.at(-1) ?? 0];
  console.log(`${name.padEnd(36)} ${median.toFixed(2).padStart(9)} ${most.toFixed(2).padStart(9)}`);
}

function fill(file: string, count: number): void {
  const writer = new SqliteWriter(file, NO_STORE_LIMITS);
  run(writer, { kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT });
  for (let done = 0; done < count; done += BATCH) {
    const jobs = Array.from({ length: BATCH }, (_, n) => newJob(done + n));
    const limits = { pendingMax: count, acceptsNew: true, now: { wall: NOW, steady: NOW } };
    const inserted = run(writer, { kind: 'insert', jobs, limits });
    if (inserted.kind === 'refused') throw new Error(inserted.reason);
    const claimed = inserted.jobs.flatMap(({ claimed }) => claimed ?? []);
    finish(writer, claimed);
    for (let lane = 0; lane < LANES; lane += 1)
      drain(writer, laneOf(lane), BATCH / LANES - UNFINISHED / LANES);
  }
  writer.close();
}

function drain(writer: SqliteWriter, lane: Lane, count: number): void {
  const request = { count: Math.floor(count), now: { wall: NOW, steady: NOW }, leaseExpiresAt: NOW + 1 };
  finish(writer, run(writer, { kind: 'claim', lane, request }).jobs);
}

function run<O extends Operation>(writer: SqliteWriter, operation: O): ResultOf<O> {
  return writer.run([operation]).results[0] as ResultOf<O>;
}

function finish(writer: SqliteWriter, jobs: readonly ClaimedJob[]): void {
  const next = { count: 0, now: { wall: NOW, steady: NOW }, leaseExpiresAt: NOW };
  writer.run(jobs.map((job) => ({ kind: 'settle' as const, settlement: delivered(job), next })));
}

function delivered(job: ClaimedJob): Settlement {
  return {
    id: job.id,
    lane: job.lane,
    lease: job.lease,
    kind: 'finished',
    state: 'delivered',
    result: { kind: 'answer', answer: { status: 200, body: '{"ok":true}', truncated: false } },
    laneReport: { kind: 'none' },
    attempt: { number: 1, startedAt: NOW, endedAt: NOW, address: '192.0.2.1', status: 200, error: null },
  };
}

function laneOf(n: number): Lane {
  return { client: `app-${n % LANES}`, destination: `https://a.example/in/${n % LANES}` };
}

function newJob(n: number): NewJob {
  return {
    id: `01a20c90-${randomBytes(2).toString('hex')}-7000-8000-${n.toString(16).padStart(12, '0')}`,
    lane: laneOf(n),
    peer: null,
    data: Buffer.from('{}'),
    attemptsMax: 9,
    acceptedAt: NOW + n,
    expiresAt: NOW + 1e12,
    idempotency: null,
    claimUntil: null,
  };
}
