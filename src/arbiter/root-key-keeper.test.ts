/** When the arbiter is asked, over a clock that stands still and an arbiter that answers when the test says so. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { ArbiterError } from './arbiter-error.ts';
import { RECONNECTION_PAUSE_MS, RootKeyKeeper } from './root-key-keeper.ts';

const UNAUTHORIZED = new ArbiterError('129');
const OUT_OF_REACH = new ArbiterError('nobody there', { wasReached: false });

interface Ask {
  readonly signal: AbortSignal;
  readonly resolve: (key: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

class Fixture implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly keys: string[] = [];
  readonly failures: [error: unknown, retryMs: number][] = [];
  /** Every ask so far, and when it began. */
  readonly askedAt: number[] = [];
  isWatched = false;
  readonly keeper: RootKeyKeeper;
  #ask: Ask | null = null;
  #onConnected = (): void => {};
  readonly #startedAt = this.clock.steady();

  constructor() {
    this.keeper = new RootKeyKeeper({
      ask: (signal) => this.#begin(signal),
      watch: (onConnected) => {
        this.isWatched = true;
        this.#onConnected = onConnected;
        const isConnected = (): boolean => this.isWatched;
        return {
          get isConnected() {
            return isConnected();
          },
          [Symbol.dispose]: () => {
            this.isWatched = false;
          },
        };
      },
      clock: this.clock,
      random: () => 0.5,
      observer: {
        gotKey: (key) => this.keys.push(Buffer.from(key).toString()),
        gotNone: (error, retryMs) => this.failures.push([error, retryMs]),
      },
    });
  }

  get asks(): number {
    return this.askedAt.length;
  }

  get isAsking(): boolean {
    return this.#ask !== null;
  }

  /** Milliseconds since the start. */
  get time(): number {
    return this.clock.steady() - this.#startedAt;
  }

  async start(): Promise<void> {
    this.keeper.start();
    await this.wait(0);
  }

  async wait(ms: number): Promise<void> {
    this.clock.advance(ms);
    await setImmediate();
  }

  /** The ask under way brings a key. */
  async answer(key = `key ${this.asks}`): Promise<void> {
    this.#take().resolve(Buffer.from(key));
    await setImmediate();
  }

  async fail(error: unknown = UNAUTHORIZED): Promise<void> {
    this.#take().reject(error);
    await setImmediate();
  }

  /** A connection to the arbiter has come about. */
  async connect(): Promise<void> {
    this.#onConnected();
    await this.wait(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.keeper[Symbol.asyncDispose]();
  }

  #begin(signal: AbortSignal): Promise<Uint8Array> {
    assert.equal(this.#ask, null, 'two asks at once');
    this.askedAt.push(this.time);
    return new Promise((resolve, reject) => {
      this.#ask = { signal, resolve, reject };
      signal.addEventListener('abort', () => {
        this.#ask = null;
        reject(signal.reason);
      });
    });
  }

  #take(): Ask {
    const ask = this.#ask ?? assert.fail('nothing is asked');
    this.#ask = null;
    return ask;
  }
}

/** Started, connected and with a key, at time 0. */
async function withKey(): Promise<Fixture> {
  const fixture = new Fixture();
  await fixture.start();
  await fixture.connect();
  await fixture.answer();
  return fixture;
}

describe('at the start', () => {
  it('the arbiter is asked once, and not again when it gave a key', async () => {
    await using fixture = await withKey();
    assert.deepEqual(fixture.keys, ['key 1']);
    await fixture.wait(30 * 24 * 3_600_000);
    assert.equal(fixture.asks, 1);
    assert.equal(fixture.keeper.lastError, null);
  });

  it('an ask that brought no key is repeated for ever, after 1 s, 6 s, then 24 s each', async () => {
    await using fixture = new Fixture();
    await fixture.start();
    for (let ask = 1; ask <= 20; ask += 1) {
      assert.equal(fixture.asks, ask);
      await fixture.fail();
      assert.equal(fixture.keeper.lastError, UNAUTHORIZED);
      const retryMs = fixture.failures.at(-1)?.[1] ?? assert.fail();
      assert.equal(retryMs, [1_000, 6_000][ask - 1] ?? 24_000);
      await fixture.wait(retryMs - 1);
      assert.equal(fixture.asks, ask);
      await fixture.wait(1);
    }
    await fixture.answer();
    assert.equal(fixture.keeper.lastError, null);
    assert.equal(fixture.keys.length, 1);
    await fixture.wait(3_600_000);
    assert.equal(fixture.asks, 21);
  });

  it('the first connection asks for nothing more, though it comes after the answer', async () => {
    await using fixture = new Fixture();
    await fixture.start();
    await fixture.answer();
    await fixture.connect();
    assert.equal(fixture.asks, 1);
  });

  it('an arbiter that comes up while we wait to ask again is asked at once', async () => {
    await using fixture = new Fixture();
    await fixture.start();
    for (const waitMs of [1_000, 6_000, 10_000]) {
      await fixture.fail(OUT_OF_REACH);
      await fixture.wait(waitMs);
    }
    assert.equal(fixture.asks, 3);
    await fixture.connect();
    assert.equal(fixture.asks, 4);
  });

  it('one that says 129 is not asked sooner because of its first connection', async () => {
    await using fixture = new Fixture();
    await fixture.start();
    await fixture.fail();
    await fixture.connect();
    assert.equal(fixture.asks, 1);
    await fixture.wait(1_000);
    assert.equal(fixture.asks, 2);
  });
});

describe('when the lost connection is back', () => {
  it('the first time after a start the arbiter is asked at once', async () => {
    await using fixture = await withKey();
    await fixture.wait(5);
    await fixture.connect();
    assert.deepEqual(fixture.askedAt, [0, 5]);
  });

  it('after that a minute after the last key at the earliest: sooner, it waits', async () => {
    await using fixture = await withKey();
    await fixture.connect();
    await fixture.answer();
    await fixture.wait(10_000);
    await fixture.connect();
    await fixture.wait(RECONNECTION_PAUSE_MS - 10_000 - 1);
    assert.equal(fixture.asks, 2);
    await fixture.wait(1);
    assert.equal(fixture.asks, 3);
  });

  it('after that and a minute, it asks at once', async () => {
    await using fixture = await withKey();
    await fixture.connect();
    await fixture.answer();
    await fixture.wait(RECONNECTION_PAUSE_MS);
    await fixture.connect();
    assert.equal(fixture.asks, 3);
  });

  it('however often it is lost within the minute, it asks once', async () => {
    await using fixture = await withKey();
    await fixture.connect();
    await fixture.answer();
    for (let second = 0; second < 59; second += 1) {
      await fixture.wait(1_000);
      await fixture.connect();
    }
    assert.equal(fixture.asks, 2);
    await fixture.wait(1_000);
    assert.equal(fixture.asks, 3);
    await fixture.answer();
    await fixture.wait(10 * RECONNECTION_PAUSE_MS);
    assert.equal(fixture.asks, 3);
  });

  it('an ask that then brings no key is repeated with backoff, and further reconnections do not hurry it', async () => {
    await using fixture = await withKey();
    await fixture.wait(10 * RECONNECTION_PAUSE_MS);
    await fixture.connect();
    await fixture.fail();
    for (let tenth = 0; tenth < 9; tenth += 1) {
      await fixture.wait(100);
      await fixture.connect();
    }
    assert.equal(fixture.asks, 2);
    await fixture.wait(100);
    assert.equal(fixture.asks, 3);
  });

  it('in the middle of an ask, whoever answered it is asked once more: at once the first time', async () => {
    await using fixture = await withKey();
    const refreshed = fixture.keeper.refresh();
    await fixture.connect();
    await fixture.answer();
    await refreshed;
    await fixture.wait(0);
    assert.equal(fixture.asks, 3);
    await fixture.connect();
    await fixture.answer();
    await fixture.wait(RECONNECTION_PAUSE_MS - 1);
    assert.equal(fixture.asks, 3);
    await fixture.wait(1);
    assert.equal(fixture.asks, 4);
    await fixture.answer();
    await fixture.wait(10 * RECONNECTION_PAUSE_MS);
    assert.equal(fixture.asks, 4, 'and that is all');
  });

  it('in the middle of an ask that was lost with it, it asks at once the first time, then with backoff', async () => {
    await using fixture = await withKey();
    fixture.keeper.refresh().catch(() => {});
    await fixture.connect();
    await fixture.fail();
    await fixture.wait(0);
    assert.equal(fixture.asks, 3);
    await fixture.connect();
    await fixture.fail();
    await fixture.wait(0);
    assert.equal(fixture.asks, 3);
    await fixture.wait(6_000);
    assert.equal(fixture.asks, 4);
  });

  it('a key that came after it was back is good enough', async () => {
    await using fixture = await withKey();
    await fixture.connect();
    await fixture.answer();
    await fixture.wait(10_000);
    await fixture.connect();
    const refreshed = fixture.keeper.refresh();
    await fixture.answer();
    await refreshed;
    await fixture.wait(10 * RECONNECTION_PAUSE_MS);
    assert.equal(fixture.asks, 3);
  });
});

describe('the owner who wants a new key', () => {
  it('gets one, at any time', async () => {
    await using fixture = await withKey();
    for (const key of ['two', 'three']) {
      const refreshed = fixture.keeper.refresh();
      await fixture.answer(key);
      assert.equal(Buffer.from(await refreshed).toString(), key);
    }
    assert.deepEqual(fixture.keys, ['key 1', 'two', 'three']);
  });

  it('gets the one that is being asked for: there is never more than one ask', async () => {
    await using fixture = new Fixture();
    await fixture.start();
    const refreshed = [fixture.keeper.refresh(), fixture.keeper.refresh()];
    assert.equal(fixture.asks, 1);
    await fixture.answer();
    for (const key of await Promise.all(refreshed)) assert.equal(Buffer.from(key).toString(), 'key 1');
    assert.deepEqual(fixture.keys, ['key 1'], 'it is taken in once');
  });

  it('hears why there is none, and the arbiter is asked again: it may sign with one that we missed', async () => {
    await using fixture = await withKey();
    const refused = assert.rejects(fixture.keeper.refresh(), UNAUTHORIZED);
    await fixture.fail();
    await refused;
    await fixture.wait(1_000);
    assert.equal(fixture.asks, 3);
  });
});

describe('the end', () => {
  it('calls off what is asked, leaves nothing behind, and comes twice without harm', async () => {
    const fixture = new Fixture();
    await fixture.start();
    assert.equal(fixture.isWatched, true);
    const refused = assert.rejects(fixture.keeper.refresh(), /stopping/);
    await fixture.keeper[Symbol.asyncDispose]();
    await refused;
    assert.equal(fixture.isAsking, false);
    assert.equal(fixture.isWatched, false);
    assert.equal(fixture.clock.scheduled, 0);
    assert.deepEqual(fixture.failures, [], 'that is no failure of the arbiter');
    await fixture.keeper[Symbol.asyncDispose]();
    await assert.rejects(fixture.keeper.refresh(), /stopping/);
    assert.equal(fixture.asks, 1);
  });

  it('comes before the start without harm', async () => {
    const fixture = new Fixture();
    await fixture.keeper[Symbol.asyncDispose]();
    assert.equal(fixture.asks, 0);
  });

  it('takes back an ask that was due', async () => {
    const fixture = new Fixture();
    await fixture.start();
    await fixture.fail();
    await fixture.keeper[Symbol.asyncDispose]();
    await fixture.wait(3_600_000);
    assert.equal(fixture.asks, 1);
  });
});

it('whatever happens: one ask at a time, and every loss of the connection is followed by an ask soon enough', async () => {
  const event = fc.oneof(
    fc.constant('connect' as const),
    fc.constant('answer' as const),
    fc.constantFrom(UNAUTHORIZED, OUT_OF_REACH),
    fc.nat(90_000),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      await using fixture = new Fixture();
      await fixture.start();
      for (const one of events) {
        if (typeof one === 'number') await fixture.wait(one);
        else if (one === 'connect') await fixture.connect();
        else if (!fixture.isAsking) continue;
        else if (one === 'answer') await fixture.answer();
        else await fixture.fail(one);
      }
      // Now it answers: after a last loss of the connection comes a key, within the minute.
      if (fixture.isAsking) await fixture.answer();
      await fixture.connect();
      const keys = fixture.keys.length;
      const connections = events.filter((one) => one === 'connect').length + 1;
      for (let second = 0; second <= 60 && !fixture.isAsking; second += 1) await fixture.wait(1_000);
      if (connections > 1) {
        await fixture.answer();
        assert.ok(fixture.keys.length > keys);
      }
    }),
    { numRuns: 200 },
  );
});
