import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { openTemporaryStore } from '../../test/support/temporary-store.ts';
import { Consent } from './consent.ts';
import type { JobStore, LaneBacklog, NewJob } from './job-store.ts';
import { APP_BYTES_MAX, type NewRule, NOTE_LENGTH_MAX, OwnerService } from './owner-service.ts';

const LANE = { client: 'app', destination: 'https://a.example/in' };
const EVERYTHING = { app: null, destination: null, note: null };

class Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly consent = new Consent();
  readonly resumed: LaneBacklog[] = [];
  readonly store: JobStore;
  readonly owner: OwnerService;
  readonly #close: () => PromiseLike<void>;

  private constructor(store: JobStore, close: () => PromiseLike<void>) {
    this.store = store;
    this.#close = close;
    this.owner = this.newOwner(this.consent);
  }

  static async open(): Promise<Bench> {
    const temporary = await openTemporaryStore();
    return new Bench(temporary.store, () => temporary[Symbol.asyncDispose]());
  }

  newOwner(consent: Consent): OwnerService {
    const { store, clock } = this;
    const resume = (lanes: readonly LaneBacklog[]) => this.resumed.push(...lanes);
    return new OwnerService({ store, clock, consent, resume, newId: randomUUID, ageMsMax: 1_000_000 });
  }

  get now() {
    return { wall: this.clock.now(), steady: this.clock.steady() };
  }

  async insert(count: number): Promise<string[]> {
    const jobs = Array.from(
      { length: count },
      (): NewJob => ({
        id: randomUUID(),
        lane: LANE,
        peer: null,
        data: Buffer.from('1'),
        attemptsMax: 9,
        acceptedAt: this.now.wall,
        expiresAt: this.now.steady + 1_000_000,
        idempotency: null,
        claimUntil: null,
      }),
    );
    const result = await this.store.insert(jobs, { pendingMax: 10_000, acceptsNew: true, now: this.now });
    assert.equal(result.kind, 'inserted');
    return jobs.map(({ id }) => id);
  }

  claim(count: number) {
    const leaseExpiresAt = this.now.steady + 1_000;
    return this.store.claim(LANE, { count, now: this.now, leaseExpiresAt });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

describe('OwnerService', () => {
  it('when a block is answered, all that it stops has ended, however much that is', async () => {
    await using bench = await Bench.open();
    const ids = await bench.insert(1_000);
    const rule = await bench.owner.addRule({ ...EVERYTHING, kind: 'block', app: 'app' });
    assert.ok((await bench.store.get(ids)).every((job) => job?.state === 'blocked'));
    assert.ok(!bench.consent.permits({ id: 'x', lane: LANE }));
    assert.deepEqual(await bench.owner.rules(), [rule]);
  });

  it('a block that a crash left half done is done before anything is sent', async () => {
    await using bench = await Bench.open();
    const ids = await bench.insert(300);
    const rule = { ...EVERYTHING, id: 'r', kind: 'block', createdAt: 0 } as const;
    await bench.store.owner.addRule(rule);
    const consent = new Consent();
    await bench.newOwner(consent).start();
    assert.ok((await bench.store.get(ids)).every((job) => job?.state === 'blocked'));
    assert.ok(!consent.permits({ id: 'x', lane: LANE }));
  });

  it('a removed hold lets what was held leave, and says to whoever sends which lanes that are', async () => {
    await using bench = await Bench.open();
    const { id } = await bench.owner.addRule({ ...EVERYTHING, kind: 'hold' });
    await bench.insert(2);
    assert.deepEqual((await bench.claim(5)).jobs, []);
    assert.equal(await bench.owner.removeRule(id), true);
    assert.deepEqual(
      bench.resumed.map(({ lane }) => lane),
      [LANE],
    );
    assert.ok(bench.consent.permits({ id: 'x', lane: LANE }));
    assert.equal((await bench.claim(5)).jobs.length, 2);
    assert.equal(await bench.owner.removeRule(id), false);
  });

  it('a cancel of what is being sent stops it if its request is not open yet', async () => {
    await using bench = await Bench.open();
    const [id] = (await bench.insert(1)) as [string];
    await bench.claim(1);
    assert.ok(bench.consent.permits({ id, lane: LANE }));
    assert.equal((await bench.owner.cancel(id)).state, 'sending');
    assert.ok(!bench.consent.permits({ id, lane: LANE }));
    assert.ok(bench.consent.permits({ id: 'another', lane: LANE }));
  });

  it('a cancel of what waits ends it, and of what has ended is refused', async () => {
    await using bench = await Bench.open();
    const [id] = (await bench.insert(1)) as [string];
    assert.equal((await bench.owner.cancel(id)).state, 'cancelled');
    assert.ok(bench.consent.permits({ id, lane: LANE }), 'nothing is remembered of it');
    await assert.rejects(bench.owner.cancel(id), { code: 'already_finished' });
    await assert.rejects(bench.owner.cancel(randomUUID()), { code: 'unknown_export' });
  });

  const senseless: [string, Partial<NewRule>, RegExp][] = [
    ['a destination that is no URL', { destination: 'a.example' }, /"destination"/],
    ['an app that is too long', { app: 'x'.repeat(APP_BYTES_MAX + 1) }, /"app"/],
    ['a note that is too long', { note: 'x'.repeat(NOTE_LENGTH_MAX + 1) }, /"note"/],
    ['half an export', { kind: 'budget', limit: 0.5, unit: 'exports', per: 'day' }, /"limit"/],
    ['less than nothing', { kind: 'budget', limit: -1, unit: 'bytes', per: 'day' }, /"limit"/],
  ];
  for (const [what, given, message] of senseless) {
    it(`a rule about ${what} is refused by the name of the field`, async () => {
      await using bench = await Bench.open();
      const rule = { ...EVERYTHING, kind: 'hold', ...given } as NewRule;
      await assert.rejects(bench.owner.addRule(rule), { code: 'invalid_request', message });
      assert.deepEqual(await bench.owner.rules(), []);
    });
  }
});
