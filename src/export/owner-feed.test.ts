/** What the owner is told as it happens: in one order, once for all, and bounded. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { ExportJob } from './job.ts';
import { OwnerFeed, type OwnerFeedLimits, type OwnerNews } from './owner-feed.ts';
import type { OwnedExport } from './owner-store.ts';

const LIMITS: OwnerFeedLimits = {
  eventsMax: 5,
  charactersMax: 1_000,
  changedMax: 4,
  readMax: 2,
  paceMs: 100,
};
const RULE = { id: 'r', kind: 'hold', app: null, destination: null, note: null, createdAt: 0 } as const;

class Bench {
  readonly clock = new ManualClock();
  /** What was read, in order. */
  readonly reads: string[] = [];
  /** By id: what an export is now. */
  readonly states = new Map<string, string>();
  failure: Error | null = null;
  readonly feed: OwnerFeed;
  wakes = 0;

  constructor(limits: Partial<OwnerFeedLimits> = {}) {
    this.feed = new OwnerFeed({
      find: (id) => this.#find(id),
      render,
      clock: this.clock,
      life: 'life',
      limits: { ...LIMITS, ...limits },
    });
  }

  async #find(id: string): Promise<OwnedExport | null> {
    this.reads.push(id);
    const now = this.states.get(id) ?? 'queued';
    await turn();
    if (this.failure !== null) throw this.failure;
    return now === 'gone' ? null : ({ job: { id, state: now } as ExportJob } as OwnedExport);
  }

  follow(): () => void {
    return this.feed.follow(() => {
      this.wakes += 1;
    });
  }

  async change(...ids: string[]): Promise<void> {
    this.feed.changed(ids);
    await settled();
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settled();
  }

  after(place: number): string[] | null {
    return this.feed.after(place)?.map(({ text }) => text) ?? null;
  }
}

function render(news: OwnerNews): string {
  return news.kind === 'export'
    ? `${news.export.job.id} ${news.export.job.state}`
    : `${news.change} ${news.rule.id}`;
}

async function settled(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await turn();
}

describe('OwnerFeed', () => {
  it('reads a change once, however many follow', async () => {
    const bench = new Bench();
    for (let n = 0; n < 3; n += 1) bench.follow();
    await bench.change('a');
    bench.feed.ruleChanged('added', RULE);
    assert.deepEqual(bench.after(0), ['a queued', 'added r']);
    assert.deepEqual(bench.reads, ['a']);
    assert.equal(bench.wakes, 6);
  });

  it('reads nothing while nobody follows, and tells whoever comes back what changed meanwhile', async () => {
    const bench = new Bench();
    const leave = bench.follow();
    await bench.change('a');
    leave();
    await bench.pass(1_000);
    await bench.change('b');
    bench.states.set('b', 'delivered');
    await bench.change('b');
    assert.deepEqual(bench.reads, ['a']);
    bench.follow();
    await settled();
    assert.deepEqual(bench.after(1), ['b delivered']);
  });

  it('keeps a pace: what changes faster is told of as it is in the end', async () => {
    const bench = new Bench();
    bench.follow();
    await bench.change('a');
    for (const state of ['sending', 'waiting', 'delivered']) {
      bench.states.set('a', state);
      await bench.change('a', 'b', 'c');
    }
    await bench.pass(99);
    assert.deepEqual(bench.after(0), ['a queued']);
    await bench.pass(1);
    assert.deepEqual(bench.after(1), ['a delivered', 'b queued'], 'two at a time');
    await bench.pass(100);
    assert.deepEqual(bench.after(3), ['c queued']);
  });

  it('reads again what changes while it is read', async () => {
    const bench = new Bench();
    bench.follow();
    bench.feed.changed(['a']);
    bench.states.set('a', 'delivered');
    await bench.change('a');
    await bench.pass(100);
    assert.deepEqual(bench.after(0), ['a queued', 'a delivered']);
  });

  it('an export that was read before a rule came is read again, and told of after it as it is under the rule', async () => {
    const bench = new Bench();
    bench.follow();
    bench.feed.changed(['a']);
    bench.states.set('a', 'held');
    bench.feed.ruleChanged('added', RULE);
    await settled();
    assert.deepEqual(bench.after(0), ['added r']);
    await bench.pass(100);
    assert.deepEqual(bench.after(0), ['added r', 'a held']);
    assert.deepEqual(bench.reads, ['a', 'a']);
  });

  it('a place is named within one life of the service only', async () => {
    const bench = new Bench();
    bench.feed.ruleChanged('added', RULE);
    const name = bench.feed.nameOf(1);
    assert.equal(bench.feed.placeOf(name), 1);
    for (const other of ['life-2', 'other-1', 'life', 'life-', 'life-x', '-1', '', '1'])
      assert.equal(bench.feed.placeOf(other), null, other);
    assert.equal(bench.after(-1), null);
  });

  it('keeps so many events and so many characters: who missed older ones is told so', async () => {
    const bench = new Bench();
    for (let n = 0; n < 6; n += 1) bench.feed.ruleChanged('added', RULE);
    assert.equal(bench.after(0), null);
    assert.equal(bench.after(1)?.length, 5);
    assert.deepEqual(bench.after(6), []);
    const narrow = new Bench({ charactersMax: 'added r'.length * 2 });
    for (let n = 0; n < 3; n += 1) narrow.feed.ruleChanged('added', RULE);
    assert.equal(narrow.after(0), null);
    assert.equal(narrow.after(1)?.length, 2);
  });

  it('when too much has changed everybody is told to read anew, and not again at once', async () => {
    const bench = new Bench();
    bench.follow();
    await bench.change('a', 'b', 'c', 'd');
    await bench.change('e', 'f', 'g');
    assert.deepEqual(bench.after(0), ['a queued', 'b queued'], 'at its time');
    await bench.pass(100);
    const place = bench.feed.newest;
    assert.equal(bench.after(place - 1), null);
    assert.deepEqual(bench.after(place), []);
    await bench.change('h', 'i', 'j', 'k', 'l');
    await bench.pass(999);
    assert.equal(bench.feed.newest, place);
    await bench.pass(1);
    assert.equal(bench.after(place), null);
    await bench.change('m');
    await bench.pass(1_000);
    assert.deepEqual(bench.after(bench.feed.newest - 1), ['m queued']);
  });

  it('what was read before everybody reads anew is not told after it', async () => {
    const bench = new Bench();
    bench.follow();
    bench.feed.changed(['a']);
    bench.states.set('a', 'delivered');
    await bench.change('a', 'b', 'c', 'd', 'e');
    await bench.pass(100);
    assert.equal(bench.after(0), null);
    assert.deepEqual(bench.after(bench.feed.newest), []);
    assert.equal(bench.feed.newest, 1, 'no older state of it comes after');
  });

  it('when the store cannot be read the changes wait', async () => {
    const bench = new Bench();
    bench.follow();
    bench.failure = new Error('busy');
    await bench.change('a');
    bench.failure = null;
    assert.deepEqual(bench.after(0), []);
    await bench.pass(1_000);
    assert.deepEqual(bench.after(0), ['a queued']);
  });

  it('what is gone is not told of', async () => {
    const bench = new Bench();
    bench.follow();
    bench.states.set('a', 'gone');
    await bench.change('a', 'b');
    assert.deepEqual(bench.after(0), ['b queued']);
  });
});
