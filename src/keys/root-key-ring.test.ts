import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemorySecrets } from '../../test/support/memory-secrets.ts';
import { MasterKey } from './master-key.ts';
import { RING_KEYS_MAX, RING_UNUSED_MS_MAX } from './ring.ts';
import { RootKeyRing, readStoredRing } from './root-key-ring.ts';

const HOUR = 3_600_000;
const keyOf = (name: string): Uint8Array => Buffer.from(name);
const names = (ring: { readonly keys: readonly Uint8Array[] }): string[] =>
  ring.keys.map((key) => Buffer.from(key).toString());

/** A store, and rings of several instances on it. */
class Fixture {
  readonly secrets = new MemorySecrets();
  readonly clock = new ManualClock();
  readonly masterKey = new MasterKey(Buffer.alloc(32, 7));
  readonly errors: unknown[] = [];

  open(masterKey = this.masterKey): Promise<RootKeyRing> {
    const { secrets, clock, errors } = this;
    return RootKeyRing.open({ secrets, masterKey, clock, onError: (error) => errors.push(error) });
  }

  /** Lets what is scheduled for now run to its end. */
  async settle(): Promise<void> {
    this.clock.advance(0);
    await setImmediate();
  }
}

describe('the ring in the store', () => {
  it('outlives the service: what was added is there at the next start, newest first', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    assert.deepEqual(names(ring), []);
    assert.deepEqual(await ring.add(keyOf('one')), { keys: 1, dropped: 0 });
    assert.deepEqual(await ring.add(keyOf('two')), { keys: 2, dropped: 0 });
    assert.deepEqual(names(await fixture.open()), ['two', 'one']);
  });

  it('has a new key only when the store has it: whoever is killed before that has used none', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    const duringWrite: string[][] = [];
    fixture.secrets.duringWrite = () => {
      duringWrite.push(names(ring));
    };
    await ring.add(keyOf('one'));
    await ring.add(keyOf('two'));
    assert.deepEqual(duringWrite, [[], ['one']]);
  });

  it('leaves a record of each key that came, was dropped, or left', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    const recorded = (): string[] =>
      fixture.secrets.records.splice(0).flatMap(({ changes }) => changes.map(({ change }) => change));
    for (let n = 0; n < RING_KEYS_MAX; n += 1) await ring.add(keyOf(`key ${n}`));
    assert.deepEqual(recorded(), Array(RING_KEYS_MAX).fill('fetched'));

    await ring.add(keyOf('one too many'));
    assert.deepEqual(recorded(), ['fetched', 'retired'], 'the one unused for longest made room');

    fixture.clock.advance(RING_UNUSED_MS_MAX);
    fixture.secrets.failure = new Error('the disk is full');
    await assert.rejects(ring.upkeep(), /the disk is full/);
    assert.deepEqual(recorded(), []);
    fixture.secrets.failure = null;
    await ring.upkeep();
    assert.deepEqual(
      recorded(),
      Array(RING_KEYS_MAX - 1).fill('retired'),
      'written later, and with its record',
    );
    await ring.upkeep();
    assert.deepEqual(recorded(), [], 'once');

    await ring.add(keyOf('the only one'), { isOnly: true });
    assert.deepEqual(recorded(), ['dropped', 'fetched']);
  });

  it('is encrypted under the master key, and no other opens it', async () => {
    const fixture = new Fixture();
    await (await fixture.open()).add(keyOf('very secret'));
    const stored = Buffer.from((await fixture.secrets.get('arbiter root keys')) ?? []);
    assert.ok(stored.length > 0);
    for (const form of ['very secret', keyOf('very secret')] as const) assert.ok(!stored.includes(form));
    await assert.rejects(fixture.open(new MasterKey(Buffer.alloc(32, 8))), /does not open with this key/);
  });

  it('is read beside the service, newest first', async () => {
    const fixture = new Fixture();
    const read = () => readStoredRing(fixture.secrets, () => fixture.masterKey);
    assert.deepEqual(await read(), []);
    const ring = await fixture.open();
    for (const name of ['one', 'two']) await ring.add(keyOf(name));
    assert.deepEqual(names({ keys: await read() }), ['two', 'one']);
  });

  it('has 16 keys, and says how many left', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    for (let n = 1; n <= RING_KEYS_MAX; n += 1) {
      fixture.clock.advance(1);
      assert.deepEqual(await ring.add(keyOf(`${n}`)), { keys: n, dropped: 0 });
    }
    fixture.clock.advance(1);
    ring.used(ring.keys.at(-1) ?? assert.fail());
    assert.deepEqual(await ring.add(keyOf('17')), { keys: 16, dropped: 1 });
    assert.deepEqual(names(ring).slice(-2), ['3', '1'], '1 was used, so 2 left');
  });

  it('an only key ends all others, also at the next start', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    for (const name of ['one', 'two']) await ring.add(keyOf(name));
    assert.deepEqual(await ring.add(keyOf('three'), { isOnly: true }), { keys: 1, dropped: 2 });
    assert.deepEqual(names(ring), ['three']);
    assert.deepEqual(names(await fixture.open()), ['three']);
  });

  it('loses a key that was unused for 30 days of running, and not the newest', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    for (const name of ['one', 'two', 'three']) await ring.add(keyOf(name));
    fixture.clock.advance(RING_UNUSED_MS_MAX - 1);
    ring.used(ring.keys[2] ?? assert.fail());
    await ring.upkeep();
    assert.deepEqual(names(ring), ['three', 'two', 'one']);
    fixture.clock.advance(1);
    await ring.upkeep();
    assert.deepEqual(names(ring), ['three', 'one']);
    assert.deepEqual(names(await fixture.open()), ['three', 'one']);
  });

  it('days that the service did not run do not count, nor does a wrong clock', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    for (const name of ['one', 'two']) await ring.add(keyOf(name));
    fixture.clock.advance(RING_UNUSED_MS_MAX / 2);
    await ring[Symbol.asyncDispose]();
    fixture.clock.advance(RING_UNUSED_MS_MAX * 10);
    const next = await fixture.open();
    fixture.clock.advance(RING_UNUSED_MS_MAX / 2 - 1);
    await next.upkeep();
    assert.deepEqual(names(next), ['two', 'one']);
    fixture.clock.advance(1);
    await next.upkeep();
    assert.deepEqual(names(next), ['two']);
  });
});

describe('the use of a key', () => {
  it('is written down soon after its first, then at most once an hour, and never while it is told', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    await ring.add(keyOf('one'));
    fixture.clock.advance(HOUR);
    const written = fixture.secrets.writes;
    const [key = assert.fail()] = ring.keys;
    ring.used(key);
    assert.equal(fixture.secrets.writes, written);
    await fixture.settle();
    assert.equal(fixture.secrets.writes, written + 1);
    for (let minute = 0; minute < 59; minute += 1) {
      fixture.clock.advance(60_000);
      ring.used(key);
      await fixture.settle();
      await ring.upkeep();
    }
    assert.equal(fixture.secrets.writes, written + 1);
    fixture.clock.advance(60_000);
    ring.used(key);
    await fixture.settle();
    assert.equal(fixture.secrets.writes, written + 2);
  });

  it('keeps a key through any number of kills within an hour, each of which brings another key', async () => {
    const fixture = new Fixture();
    await (await fixture.open()).add(keyOf('in use'));
    for (let kills = 1; kills <= 2 * RING_KEYS_MAX; kills += 1) {
      // Not disposed of: what it had not written is gone.
      const ring = await fixture.open();
      await ring.add(keyOf(`${kills}`));
      fixture.clock.advance(1_000);
      const inUse = ring.keys.find((key) => Buffer.from(key).toString() === 'in use');
      ring.used(inUse ?? assert.fail(`after ${kills} kills`));
      await fixture.settle();
    }
    assert.ok(names(await fixture.open()).includes('in use'));
  });

  it('is written down at the stop, so that the next start knows which key is needed', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    for (const name of ['one', 'two', 'three']) await ring.add(keyOf(name));
    fixture.clock.advance(HOUR / 2);
    ring.used(ring.keys[2] ?? assert.fail());
    await ring[Symbol.asyncDispose]();
    const next = await fixture.open();
    for (let n = 0; n < RING_KEYS_MAX - 2; n += 1) await next.add(keyOf(`n${n}`));
    assert.deepEqual(names(next).slice(-2), ['three', 'one'], 'two was unused for longest');
  });

  it('a quiet ring is written once an hour, so that days unused add up over crashes', async () => {
    const fixture = new Fixture();
    await (await fixture.open()).add(keyOf('one'));
    for (let hour = 0; hour <= RING_UNUSED_MS_MAX / HOUR; hour += 1) {
      const ring = await fixture.open();
      if (hour === 0) await ring.add(keyOf('two'));
      fixture.clock.advance(HOUR);
      await ring.upkeep();
    }
    assert.deepEqual(names(await fixture.open()), ['two']);
  });

  it('a key that is in the ring no more is nobody', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    ring.used(keyOf('gone'));
    await fixture.settle();
    assert.equal(fixture.secrets.writes, 0);
  });
});

describe('when the store fails', () => {
  it('a new key is not good until it is in the store, whoever added it hears of it, and it is written later', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    await ring.add(keyOf('one'));
    fixture.secrets.failure = new Error('no room');
    await assert.rejects(ring.add(keyOf('two')), /no room/);
    await assert.rejects(ring.upkeep(), /no room/);
    assert.deepEqual([names(ring), ring.hasUnsavedKey], [['one'], true]);
    fixture.secrets.failure = null;
    await ring.upkeep();
    assert.deepEqual([names(ring), ring.hasUnsavedKey], [['two', 'one'], false]);
    assert.deepEqual(names(await fixture.open()), ['two', 'one']);
  });

  it('dropped keys have ended all the same, and are gone from the store when it can be written again', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    await ring.add(keyOf('one'));
    fixture.secrets.failure = new Error('no room');
    await assert.rejects(ring.add(keyOf('two'), { isOnly: true }), /no room/);
    assert.deepEqual(names(ring), []);
    fixture.secrets.failure = null;
    await ring.upkeep();
    assert.deepEqual(names(ring), ['two']);
    assert.deepEqual(names(await fixture.open()), ['two']);
  });

  it('a key that is in the store already stays good, though it came once more', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    for (const name of ['one', 'two']) await ring.add(keyOf(name));
    fixture.secrets.failure = new Error('no room');
    await assert.rejects(ring.add(keyOf('one')), /no room/);
    assert.deepEqual(names(ring), ['one', 'two']);
  });

  it('a use that could not be written is reported, not thrown, and written at the next chance', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    await ring.add(keyOf('one'));
    fixture.clock.advance(HOUR / 2);
    await ring.add(keyOf('two'));
    fixture.clock.advance(HOUR / 2);
    fixture.secrets.duringWrite = () => {
      throw new Error('no room');
    };
    ring.used(ring.keys[1] ?? assert.fail());
    await fixture.settle();
    assert.match(String(fixture.errors), /no room/);
    fixture.secrets.duringWrite = () => {};
    const written = fixture.secrets.writes;
    await ring.upkeep();
    assert.equal(fixture.secrets.writes, written + 1);
    await ring.upkeep();
    assert.equal(fixture.secrets.writes, written + 1, 'once');
  });

  it('a key that comes in the middle of a write is written too', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    let second: Promise<unknown> = Promise.resolve();
    fixture.secrets.duringWrite = () => {
      fixture.secrets.duringWrite = () => {};
      second = ring.add(keyOf('two'));
    };
    await ring.add(keyOf('one'));
    await second;
    assert.deepEqual(names(await fixture.open()), ['two', 'one']);
  });

  it('a stop ends all the same', async () => {
    const fixture = new Fixture();
    const ring = await fixture.open();
    await ring.add(keyOf('one'));
    fixture.secrets.failure = new Error('no room');
    await ring[Symbol.asyncDispose]();
    assert.equal(fixture.errors.length, 1);
  });
});

describe('several instances on one store', () => {
  it("each takes over the others' keys, and no key of one is lost by another's write", async () => {
    const fixture = new Fixture();
    const [a, b] = [await fixture.open(), await fixture.open()];
    await Promise.all([a.add(keyOf('of a')), b.add(keyOf('of b'))]);
    for (const ring of [a, b]) {
      await ring.upkeep();
      assert.deepEqual(names(ring).toSorted(), ['of a', 'of b']);
    }
    assert.deepEqual(names(a), names(b), 'the newest is the same for all');
  });

  it('a key keeps its object when the ring is read again', async () => {
    const fixture = new Fixture();
    const [a, b] = [await fixture.open(), await fixture.open()];
    await a.add(keyOf('one'));
    const [key] = a.keys;
    await b.add(keyOf('two'));
    await a.upkeep();
    assert.deepEqual(names(a), ['two', 'one']);
    assert.equal(a.keys[1], key);
  });

  it('what one dropped is dropped for all', async () => {
    const fixture = new Fixture();
    const [a, b] = [await fixture.open(), await fixture.open()];
    for (const name of ['one', 'two']) await a.add(keyOf(name));
    await b.add(keyOf('three'), { isOnly: true });
    await a.upkeep();
    assert.deepEqual(names(a), ['three']);
  });

  it('a use that only one of them saw counts for the other', async () => {
    const fixture = new Fixture();
    const [a, b] = [await fixture.open(), await fixture.open()];
    for (const name of ['one', 'two']) await a.add(keyOf(name));
    await b.upkeep();
    fixture.clock.advance(RING_UNUSED_MS_MAX - 1);
    b.used(b.keys[1] ?? assert.fail());
    await fixture.settle();
    fixture.clock.advance(1);
    await a.upkeep();
    assert.deepEqual(names(a), ['two', 'one']);
  });
});
