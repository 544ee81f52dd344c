/**
 * `node bench/owner-lists.ts [EXPORTS] [ended|open]`: what the owner's lists and sums cost with many exports in the store, as
 * an owner asks for them over HTTP: the first page, one in the middle, the last; of all, of an app, in a state. `ended` (the
 * default): nearly all have ended. `open`: half of them; a quarter waits for retries, and the newest quarter is queued.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { Consent } from '../src/export/consent.ts';
import { type AttemptError, type Lane, UNSEEN } from '../src/export/job.ts';
import type { Claim, ClaimedJob, NewJob, Settlement } from '../src/export/job-store.ts';
import { NO_REPORT } from '../src/export/lane-health.ts';
import { OwnerService } from '../src/export/owner-service.ts';
import { NO_STORE_LIMITS } from '../src/store/sqlite/space.ts';
import { SqliteWriter } from '../src/store/sqlite/writer.ts';
import { HttpFixture } from '../test/support/http/http-fixture.ts';
import { OWNER_TOKEN } from '../test/support/http/owner-fixture.ts';
import { beginning } from '../test/support/ledger/beginning.ts';
import { ManualClock } from '../test/support/manual-clock.ts';
import { NOT_KEPT, STORE_KEYS } from '../test/support/store-keys.ts';
import { openStore, TemporaryDirectory } from '../test/support/temporary-store.ts';

const EXPORTS_DEFAULT = 1_000_000;
const BATCH = 10_000;
const LANES = 100;
/** Of each batch and lane: how many get an attempt, and how many of these are to get another. Of `ended`, two lanes leave one. */
const MIXES = {
  ended: { attempted: (lane: number) => BATCH / LANES - (lane < 2 ? 1 : 0), retried: 0 },
  open: { attempted: () => (BATCH / LANES) * 0.75, retried: (BATCH / LANES) * 0.25 },
};
const RUNS = 15;
const PAGE = 50;
const NOW = Date.UTC(2026, 0, 1);

const exports = Number(process.argv[2] ?? EXPORTS_DEFAULT);
const mix = MIXES[(process.argv[3] ?? 'ended') as keyof typeof MIXES];
using directory = new TemporaryDirectory();
const path = directory.file('exports.db');
fill(path, exports);
await using store = await openStore(path);
const clock = new ManualClock(NOW);
const owner = new OwnerService({
  store,
  clock,
  consent: new Consent(),
  newId: randomUUID,
  ageMsMax: 1,
  resume: () => {},
});
await using http = await HttpFixture.start({ owner });

const middle = `before=${Math.floor(exports / 2)}`;
const last = `before=${PAGE + 1}`;
const queries: [name: string, path: string][] = [
  ['all, first page', '/owner/exports'],
  ['all, in the middle', `/owner/exports?${middle}`],
  ['all, last page', `/owner/exports?${last}`],
  ['one app of 100, first page', '/owner/exports?app=app-7'],
  ['one app of 100, in the middle', `/owner/exports?app=app-7&${middle}`],
  ['one app of 100, last page', `/owner/exports?app=app-7&${last}`],
  ['one origin (all apps), first page', '/owner/exports?destination=https://a.example'],
  ['pending, first page', '/owner/exports?state=Pending'],
  ['pending, in the middle', `/owner/exports?state=Pending&${middle}`],
  ['processing, first page', '/owner/exports?state=Processing'],
  ['processing, last page', `/owner/exports?state=Processing&${last}`],
  ['one app, processing, first page', '/owner/exports?app=app-7&state=Processing'],
  ['finished, first page', '/owner/exports?state=Finished'],
  ['finished, last page', `/owner/exports?state=Finished&${last}`],
  ['summary, of everything', '/owner/summary'],
];
console.log(`${exports.toLocaleString('en')} exports in ${LANES} lanes; GET, ms, median and most of ${RUNS}`);
for (const [name, query] of queries) await tell(name, query);

async function tell(name: string, query: string): Promise<void> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const startedAt = performance.now();
    const { status, text } = await http.send({ method: 'GET', path: query, token: OWNER_TOKEN });
    times.push(performance.now() - startedAt);
    if (status !== 200) throw new Error(text);
  }
  times.sort((one, other) => one - other);
  const [median, most] = [times[RUNS >> 1] ?? 0, times.at(-1) ?? 0];
  console.log(`${name.padEnd(36)} ${median.toFixed(2).padStart(9)} ${most.toFixed(2).padStart(9)}`);
}

/** In large steps, each of them one commit: so a disk that is busy costs little. */
function fill(file: string, count: number): void {
  const writer = new SqliteWriter(file, NO_STORE_LIMITS);
  const now = { wall: NOW, steady: NOW };
  writer.run([{ kind: 'unlock', keys: STORE_KEYS, retention: NOT_KEPT }]);
  writer.run([{ kind: 'beginLedger', beginning: beginning() }]);
  for (let done = 0; done < count; done += BATCH) {
    const jobs = Array.from({ length: BATCH }, (_, n) => newJob(done + n));
    const limits = { pendingMax: count, acceptsNew: true, now };
    writer.run([{ kind: 'insert', jobs, limits }]);
    const claims = Array.from({ length: LANES }, (_, lane) => ({
      kind: 'claim' as const,
      lane: laneOf(lane),
      request: { count: mix.attempted(lane), now, leaseExpiresAt: NOW + 1 },
    }));
    const next = { count: 0, now, leaseExpiresAt: NOW };
    const settlements = (writer.run(claims).results as Claim[]).flatMap(({ jobs: claimed }) =>
      claimed.map((job, n) => (n < mix.retried ? waiting(job) : delivered(job))),
    );
    writer.run(settlements.map((settlement) => ({ kind: 'settle' as const, settlement, next })));
  }
  writer.close();
}

function delivered(job: ClaimedJob): Settlement {
  return {
    ...attempted(job, 200, null),
    kind: 'finished',
    state: 'delivered',
  };
}

function waiting(job: ClaimedJob): Settlement {
  const lastError = { code: 'http_status', detail: '500 Internal Server Error' } as const;
  return {
    ...attempted(job, 500, lastError),
    kind: 'waiting',
    nextAttemptAt: NOW + 1e11,
    returnsWithLane: false,
    lastError,
  };
}

function attempted({ id, lane, lease }: ClaimedJob, status: number, error: AttemptError | null) {
  const attempt = { number: 1, startedAt: NOW, endedAt: NOW, ...UNSEEN, address: '192.0.2.1', status, error };
  const result = { kind: 'answer', answer: { status, body: '{"ok":true}', truncated: false } } as const;
  return { id, lane, lease, laneReport: NO_REPORT, attempt, result };
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
