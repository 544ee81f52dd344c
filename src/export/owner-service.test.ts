import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { FlakyStore } from '../../test/support/stores/flaky-store.ts';
import { openTemporaryStore } from '../../test/support/temporary-store.ts';
import { Consent } from './consent.ts';
import type { JobStore, LaneBacklog, NewJob } from './job-store.ts';
import {
  APP_BYTES_MAX,
  type NewRule,
  NOTE_LENGTH_MAX,
  OwnerService,
  PEER_NAMED_MS_MAX,
} from './owner-service.ts';
import { RULES_MAX } from './rules.ts';

const LANE = { client: 'app', destination: 'https://a.example/in' };
const EVERYTHING = { app: null, destination: null, note: null };

class Bench implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly consent = new Consent();
  /** Addresses whose names were asked for. */
  readonly named: string[] = [];
  readonly ruleChanges: string[] = [];
  readonly resumed: LaneBacklog[] = [];
  readonly store: JobStore;
  /** The same store as the owner's service has it. */
  readonly flaky: FlakyStore;
  readonly owner: OwnerService;
  readonly #close: () => PromiseLike<void>;

  private constructor(store: JobStore, close: () => PromiseLike<void>) {
    this.store = store;
    this.flaky = new FlakyStore(store);
    this.#close = close;
    this.owner = this.newOwner(this.consent);
  }

  static async open(): Promise<Bench> {
    const temporary = await openTemporaryStore();
    return new Bench(temporary.store, () => temporary[Symbol.asyncDispose]());
  }

  newOwner(consent: Consent): OwnerService {
    const { clock } = this;
    const { store } = this.flaky;
    const resume = (lanes: readonly LaneBacklog[]) => this.resumed.push(...lanes);
    const find = async (address: string) => {
      this.named.push(address);
      return 'steps.databox';
    };
    return new OwnerService({
      store,
      clock,
      consent,
      resume,
      peerNames: { find },
      onRuleChange: (change, { id }) => this.ruleChanges.push(`${change} ${id}`),
      newId: randomUUID,
      ageMsMax: 1_000_000,
    });
  }

  get now() {
    return { wall: this.clock.now(), steady: this.clock.steady() };
  }

  async insert(count: number, peer: string | null = null): Promise<string[]> {
    const jobs = Array.from(
      { length: count },
      (): NewJob => ({
        id: randomUUID(),
        lane: LANE,
        peer,
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

  get mayLeave(): boolean {
    return this.consent.permits({ id: 'any', lane: LANE });
  }

  async states(ids: readonly string[]): Promise<(string | undefined)[]> {
    return [...new Set((await this.store.get(ids)).map((job) => job?.state))];
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
    const rule = {
      ...EVERYTHING,
      id: '019ab3f2-7c00-7000-8000-000000000001',
      kind: 'block',
      createdAt: 0,
    } as const;
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

  it('a rule is made, and taken away, though the rules cannot be read', async () => {
    await using bench = await Bench.open();
    await bench.insert(1);
    bench.flaky.fail('rules', 'before', 99);
    const { id } = await bench.owner.addRule({ ...EVERYTHING, kind: 'hold' });
    assert.ok(!bench.mayLeave);
    assert.equal(await bench.owner.removeRule(id), true);
    assert.ok(bench.mayLeave);
    assert.equal(bench.resumed.length, 1);
    assert.equal(bench.flaky.failures, 0);
  });

  it('a block is made though the store does not end at once what it stops; that is tried until it is done', async () => {
    await using bench = await Bench.open();
    const ids = await bench.insert(300);
    bench.flaky.fail('endBlocked', 'before', 2);
    const rule = await bench.owner.addRule({ ...EVERYTHING, kind: 'block' });
    assert.deepEqual(await bench.owner.rules(), [rule]);
    assert.deepEqual([await bench.states(ids), bench.mayLeave], [['queued'], false]);
    await bench.owner.watchRules();
    assert.deepEqual(await bench.states(ids), ['queued']);
    await bench.owner.watchRules();
    assert.deepEqual(await bench.states(ids), ['blocked']);
    bench.flaky.fail('rules', 'before');
    await bench.owner.watchRules();
    assert.equal(bench.flaky.failures, 2, 'nothing is left to do');
  });

  for (const moment of ['before', 'after'] as const) {
    it(`a rule of which nobody knows whether it was made counts until that is known: the store failed ${moment} its commit`, async () => {
      await using bench = await Bench.open();
      await bench.owner.start();
      const ids = await bench.insert(1);
      const isMade = moment === 'after';
      bench.flaky.fail('addRule', moment);
      const failed = { code: 'store_unavailable' };
      await assert.rejects(bench.owner.addRule({ ...EVERYTHING, kind: 'block' }), failed);
      assert.ok(!bench.mayLeave);
      bench.flaky.fail('rules', 'before');
      await bench.owner.watchRules();
      assert.ok(!bench.mayLeave);
      await bench.owner.watchRules();
      assert.equal(bench.mayLeave, !isMade);
      assert.equal((await bench.owner.rules()).length, isMade ? 1 : 0);
      assert.equal(bench.ruleChanges.length, isMade ? 1 : 0);
      assert.deepEqual(await bench.states(ids), [isMade ? 'blocked' : 'queued']);
      assert.deepEqual(
        bench.resumed.map(({ hasDue }) => hasDue),
        [!isMade],
        'what was asked for meanwhile and not sent is asked for again',
      );
    });

    it(`what is held leaves as soon as it is known that the hold is gone: the store failed ${moment} its commit`, async () => {
      await using bench = await Bench.open();
      await bench.insert(1);
      const { id } = await bench.owner.addRule({ ...EVERYTHING, kind: 'hold' });
      const isGone = moment === 'after';
      bench.flaky.fail('removeRule', moment);
      await assert.rejects(bench.owner.removeRule(id), { code: 'store_unavailable' });
      assert.ok(!bench.mayLeave);
      await bench.owner.watchRules();
      assert.equal(bench.mayLeave, isGone);
      assert.deepEqual(
        bench.resumed.map(({ hasDue }) => hasDue),
        [isGone],
      );
      assert.equal(await bench.owner.removeRule(id), !isGone);
      assert.ok(bench.mayLeave);
    });
  }

  for (const step of ['rules', 'busyLanes', 'endBlocked'] as const) {
    it(`what is left to do is done in the end, however often ${step} fails`, async () => {
      await using bench = await Bench.open();
      const hold = await bench.owner.addRule({ ...EVERYTHING, kind: 'hold', app: 'other' });
      const ids = await bench.insert(1);
      bench.flaky.fail('addRule', 'after');
      await assert.rejects(bench.owner.addRule({ ...EVERYTHING, kind: 'block', app: 'app' }));
      bench.flaky.fail('removeRule', 'after');
      await assert.rejects(bench.owner.removeRule(hold.id));
      bench.flaky.fail(step, 'before', 3);
      bench.flaky.fail(step, 'after', 3);
      for (let n = 0; n < 7; n += 1) await bench.owner.watchRules();
      assert.deepEqual(await bench.states(ids), ['blocked']);
      assert.ok(!bench.mayLeave);
      assert.ok(bench.consent.permits({ id: 'any', lane: { ...LANE, client: 'other' } }));
      assert.ok(bench.resumed.length > 0);
    });
  }

  it('one rule too many stops nothing', async () => {
    await using bench = await Bench.open();
    const rule = { ...EVERYTHING, app: 'nobody', kind: 'block', createdAt: 0 } as const;
    const all = Array.from({ length: RULES_MAX }, () =>
      bench.store.owner.addRule({ ...rule, id: randomUUID() }),
    );
    await Promise.all(all);
    const code = 'invalid_request';
    await assert.rejects(bench.owner.addRule({ ...EVERYTHING, kind: 'hold' }), { code });
    assert.ok(bench.mayLeave);
  });

  it('tells of every rule that comes and goes, once, and of those of another instance too', async () => {
    await using bench = await Bench.open();
    await bench.owner.start();
    const other = { ...EVERYTHING, id: randomUUID(), kind: 'hold', createdAt: 0 } as const;
    await bench.store.owner.addRule(other);
    const [one, two] = await Promise.all([
      bench.owner.addRule({ ...EVERYTHING, kind: 'hold' }),
      bench.owner.addRule({ ...EVERYTHING, kind: 'hold' }),
    ]);
    await bench.owner.removeRule(one.id);
    const told = [`added ${other.id}`, `added ${one.id}`, `added ${two.id}`, `removed ${one.id}`];
    assert.deepEqual(bench.ruleChanges.toSorted(), told.toSorted());
  });

  it('a submitter whose name was not known in time has it looked up when it is shown, for a while', async () => {
    await using bench = await Bench.open();
    const [id] = (await bench.insert(1, '172.18.0.5')) as [string];
    await bench.insert(1, '172.18.0.6 (mood.databox)');
    await bench.insert(1);
    const query = { app: null, destination: null, phase: null, before: null, limit: 10 };
    const { items } = await bench.owner.list(query);
    assert.deepEqual(
      items.map(({ peer }) => peer),
      [null, '172.18.0.6 (mood.databox)', '172.18.0.5 (steps.databox)'],
    );
    assert.equal((await bench.owner.find(id)).peer, '172.18.0.5 (steps.databox)');
    bench.clock.advance(PEER_NAMED_MS_MAX);
    assert.equal((await bench.owner.find(id)).peer, '172.18.0.5', 'another may have the address by now');
    assert.deepEqual(bench.named, ['172.18.0.5', '172.18.0.5']);
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
