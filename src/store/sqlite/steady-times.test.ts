/**
 * A store over several lives of a service, on a box whose wall clock is set: everything that lasts must last as long as
 * it should, by the time that really passes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { makeOldStore } from '../../../test/support/stores/old-store.ts';
import { openStore, TemporaryDirectory } from '../../../test/support/temporary-store.ts';
import type { Lane } from '../../export/job.ts';
import type { ClaimedJob, LaneBacklog, Now } from '../../export/job-store.ts';
import {
  deleteOldHistory,
  deleteOldResults,
  endOldExports,
  eraseOldPayloads,
} from '../../export/retention.ts';
import { MasterKey } from '../../keys/master-key.ts';
import { LINK_MS, OwnerSessions } from '../../keys/owner-sessions.ts';
import { finish, newJob, wait } from '../job-store.contract.ts';
import { STATE } from './rows.ts';
import type { SqliteJobStore } from './sqlite-job-store.ts';

const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEARS = 3_652 * DAY;

const RETRY_MS = 5 * HOUR;
const AGE_MS = 72 * HOUR;
/** A result stays as long as its key. */
const KEY_MS = 40 * HOUR;
const KEEP_RESULTS_MS = 30 * HOUR;
const KEEP_PAYLOADS_MS = 10 * HOUR;
const KEEP_HISTORY_MS = 100 * HOUR;
const LONGEST = { retryMs: RETRY_MS, ageMs: AGE_MS, keyMs: KEY_MS };
const KEPT = { keepsPayloads: true };
const LANES: readonly Lane[] = ['queued', 'waiting', 'ended', 'keyed'].map((client) => ({
  client,
  destination: 'https://a.example/in',
}));
const [QUEUED, WAITING, ENDED, KEYED] = LANES as [Lane, Lane, Lane, Lane];

/** A box with a store. Its service can be stopped, or die, and be started again. */
class Box implements AsyncDisposable {
  readonly #directory = new TemporaryDirectory();
  #clock: ManualClock;
  #store: SqliteJobStore | null = null;
  readonly #ids = new Map<Lane, string>();

  constructor(wall: number) {
    this.#clock = new ManualClock(wall);
  }

  get path(): string {
    return this.#directory.file('exports.db');
  }

  get store(): SqliteJobStore {
    assert.ok(this.#store, 'the service runs');
    return this.#store;
  }

  get clock(): ManualClock {
    return this.#clock;
  }

  get now(): Now {
    return { wall: this.#clock.now(), steady: this.#clock.steady() };
  }

  /** Steady time begins with the wall clock, as that of a process does. */
  async start(): Promise<void> {
    this.#clock = new ManualClock(this.#clock.now());
    this.#store = await openStore(this.path, KEPT);
    await this.#store.recover(this.now, LONGEST);
  }

  async stop(): Promise<void> {
    await this.#store?.[Symbol.asyncDispose]();
    this.#store = null;
  }

  async restart(awayMs: number): Promise<void> {
    await this.stop();
    this.#clock.advance(awayMs);
    await this.start();
  }

  /** Somebody sets the wall clock, or the network does. */
  set(ms: number): void {
    this.#clock.jump(ms);
  }

  /** What the service does again and again. */
  async chores(): Promise<void> {
    await endOldExports(this.store, this.#clock, 1e9);
    await eraseOldPayloads(this.store, this.#clock, KEEP_PAYLOADS_MS);
    await deleteOldResults(this.store, this.#clock, KEEP_RESULTS_MS);
    await deleteOldHistory(this.store, this.#clock, KEEP_HISTORY_MS);
  }

  async pass(ms: number): Promise<void> {
    this.#clock.advance(ms);
    await this.chores();
  }

  /** One job in each way to last. */
  async fill(): Promise<void> {
    for (const lane of LANES) this.#ids.set(lane, await this.#insert(lane));
    const waiting = await this.#claim(WAITING);
    await this.store.settle(wait(waiting, this.now.steady + RETRY_MS), this.#request(0));
    for (const lane of [ENDED, KEYED])
      await this.store.settle(finish(await this.#claim(lane), this.now.wall), this.#request(0));
  }

  async #insert(lane: Lane): Promise<string> {
    const { steady, wall } = this.now;
    const idempotency = { key: 'k', digest: Buffer.from('d'), expiresAt: steady + KEY_MS };
    const times = { acceptedAt: wall, expiresAt: steady + AGE_MS };
    const job = newJob({ lane, ...times, idempotency: lane === KEYED ? idempotency : null });
    const result = await this.store.insert([job], { pendingMax: 9, acceptsNew: true, now: this.now });
    assert.equal(result.kind, 'inserted');
    return job.id;
  }

  async #claim(lane: Lane): Promise<ClaimedJob | undefined> {
    return (await this.store.claim(lane, this.#request(1))).jobs[0];
  }

  #request(count: number) {
    return { count, now: this.now, leaseExpiresAt: this.now.steady + MINUTE };
  }

  /** Which of what lasts is still there. */
  async lasting(): Promise<string[]> {
    const { store } = this;
    const [queued, ended, keyed] = [QUEUED, ENDED, KEYED].map((lane) => this.#ids.get(lane) ?? '') as [
      string,
      string,
      string,
    ];
    const jobs = await store.get([queued, ended, keyed]);
    const isWaiting = ({ lane, hasDue }: LaneBacklog) => lane.client === WAITING.client && !hasDue;
    const there: Record<string, boolean> = {
      'the wait': (await store.busyLanes(this.now.steady)).some(isWaiting),
      'the payload': (await store.payload(ended)) !== null,
      'the result': jobs[1] !== null,
      'the key': this.#hasKey(),
      'the result under the key': jobs[2] !== null,
      'the age': jobs[0]?.state === 'queued',
      'the history': (await store.owner.find(ended)) !== null,
    };
    return Object.keys(there).filter((what) => there[what]);
  }

  #hasKey(): boolean {
    using db = new DatabaseSync(this.path, { readOnly: true });
    return db.prepare('SELECT 1 FROM idempotency_keys').get() !== undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#directory[Symbol.dispose]();
  }
}

const LASTS: Readonly<Record<string, number>> = {
  'the wait': RETRY_MS,
  'the payload': KEEP_PAYLOADS_MS,
  'the result': KEEP_RESULTS_MS,
  'the key': KEY_MS,
  'the result under the key': KEY_MS,
  'the age': AGE_MS,
  'the history': KEEP_HISTORY_MS,
};

/** What lasts goes when its time has come and not before, `passedMs` of all times being over already. */
async function assertEndsInTime(box: Box, passedMs: number): Promise<void> {
  let atMs = passedMs;
  for (const endsAtMs of [...new Set(Object.values(LASTS))]) {
    await box.pass(endsAtMs - atMs - 2 * MINUTE);
    const before = Object.keys(LASTS).filter((what) => (LASTS[what] ?? 0) >= endsAtMs);
    assert.deepEqual((await box.lasting()).toSorted(), before.toSorted(), `before ${endsAtMs / HOUR} h`);
    await box.pass(4 * MINUTE);
    atMs = endsAtMs + 2 * MINUTE;
    const after = Object.keys(LASTS).filter((what) => (LASTS[what] ?? 0) > endsAtMs);
    assert.deepEqual((await box.lasting()).toSorted(), after.toSorted(), `after ${endsAtMs / HOUR} h`);
  }
}

/** A link of the owner's, of which half the time is over before the clock is set. */
async function linkHalfOver(box: Box): Promise<() => Promise<string>> {
  const masterKey = new MasterKey(randomBytes(32));
  const sessions = () => new OwnerSessions({ store: box.store, masterKey, clock: box.clock });
  const { secret } = await sessions().createLink();
  await box.pass(LINK_MS / 2);
  return async () => (await sessions().redeem(secret)).kind;
}

describe('a store from before version 4, which does not tell about its clock', () => {
  const AGE_LEFT_MS = 5 * HOUR;
  const finished = (wall: number) =>
    `(${STATE.delivered}, ${wall}, ${wall}, ${wall}, 'timeout', '', randomblob(16), 1, 1, 9, NULL)`;
  const queued = (expiresAt: number) =>
    `(${STATE.queued}, 0, ${expiresAt}, NULL, NULL, NULL, randomblob(16), 1, 1, 9, NULL)`;

  /** Its jobs: ended in the past and in the future, and with an age that is over by years, in time, and never. */
  function fillOldStore(path: string, now: number): void {
    using db = makeOldStore(path, 3);
    db.exec(`
      INSERT INTO lanes (id, client, destination) VALUES (1, '', 'https://a.example/');
      INSERT INTO jobs (state, accepted_at, expires_at, finished_at, result_code, result_detail, id, lane, data_bytes,
          attempts_max, key_expires_at)
        VALUES ${[now - HOUR, now + YEARS].map(finished)},
          ${[now - YEARS, now - HOUR, now + AGE_LEFT_MS, now + YEARS].map(queued)};
      INSERT INTO payloads SELECT seq, x'00' FROM jobs WHERE finished_at IS NULL;
      INSERT INTO idempotency_keys SELECT 1, 'k', id, x'00', ${now + YEARS} FROM jobs WHERE seq = 1;
      UPDATE jobs SET key_expires_at = ${now + YEARS} WHERE seq = 1;
      UPDATE lanes SET not_expired_before = ${now + YEARS}`);
  }

  it('keeps what had ended from its end on, and lets nothing end at once or last for years', async () => {
    await using box = new Box(START);
    fillOldStore(box.path, START);
    await box.start();
    using db = new DatabaseSync(box.path, { readOnly: true });
    const left = (column: string): (number | null)[] =>
      db
        .prepare(`SELECT ${column} - ${START} AS ms FROM jobs ORDER BY seq`)
        .all()
        .map(({ ms }) => ms as number | null);
    assert.deepEqual(left('kept_since').slice(0, 2), [-HOUR, 0]);
    assert.deepEqual(left('expires_at').slice(2), [AGE_MS, -HOUR, AGE_LEFT_MS, AGE_MS]);
    assert.equal(left('key_expires_at')[0], KEY_MS);
    const lasts = db.prepare(`
      SELECT (SELECT expires_at FROM idempotency_keys) - ${START} AS key, not_expired_before - ${START} AS hold
      FROM lanes`);
    assert.deepEqual({ ...lasts.get() }, { key: KEY_MS, hold: AGE_MS });
  });
});

const JUMPS: Readonly<Record<string, number>> = {
  'years forward': YEARS,
  'years back': -YEARS,
  'three days forward': 3 * DAY,
  'three days back': -3 * DAY,
};

async function filledBox(): Promise<Box> {
  const box = new Box(START);
  await box.start();
  await box.fill();
  await box.chores();
  return box;
}

for (const [jump, ms] of Object.entries(JUMPS)) {
  describe(`a wall clock that is set ${jump}`, () => {
    it('hurries and delays nothing', async () => {
      await using box = await filledBox();
      box.set(ms);
      await assertEndsInTime(box, 0);
    });

    it('hurries and delays nothing over a restart after it', async () => {
      await using box = await filledBox();
      await box.pass(HOUR);
      box.set(ms);
      await box.pass(MINUTE);
      await box.restart(HOUR);
      await assertEndsInTime(box, 2 * HOUR);
    });

    it('hurries and delays nothing when it is set right again in the next life', async () => {
      await using box = await filledBox();
      box.set(ms);
      await box.pass(HOUR);
      await box.restart(0);
      box.set(-ms);
      await box.pass(HOUR);
      await box.restart(0);
      await assertEndsInTime(box, 2 * HOUR);
    });

    it('makes a link of the owner good for no longer and no shorter, over restarts', async () => {
      for (const [thenMs, leftMs, expected] of [
        [0, 1, 'opened'],
        [0, 0, 'expired'],
        [-ms, 1, 'opened'],
        [-ms, 0, 'expired'],
      ] as const) {
        await using box = await filledBox();
        const redeem = await linkHalfOver(box);
        box.set(ms);
        await box.pass(MINUTE);
        await box.restart(MINUTE);
        box.set(thenMs);
        await box.pass(MINUTE);
        await box.restart(0);
        await box.pass(LINK_MS / 2 - 3 * MINUTE - leftMs);
        assert.equal(await redeem(), expected);
      }
    });

    it('of what ends after it nothing is kept for longer, or shorter', async () => {
      await using box = new Box(START);
      await box.start();
      box.set(ms);
      await box.fill();
      await box.chores();
      await box.restart(HOUR);
      await assertEndsInTime(box, HOUR);
    });
  });
}

for (const [jump, ms] of [
  ['years forward', YEARS],
  ['years back', -YEARS],
] as const) {
  describe(`a wall clock that is ${jump} when the service comes back`, () => {
    it('ends nothing at once and leaves nothing for years: the time away does not count', async () => {
      await using box = await filledBox();
      await box.pass(HOUR);
      await box.stop();
      box.set(ms);
      await box.restart(HOUR);
      await assertEndsInTime(box, HOUR);
    });

    it('nor when the service dies before it has noted that the clock was set', async () => {
      await using box = await filledBox();
      box.set(ms);
      await box.restart(0);
      await assertEndsInTime(box, 0);
    });
  });
}
