/** The arbiter's key on its way into the store: a real arbiter's socket, and a store that is slow when the test says so. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TestArbiter } from '../test/support/arbiter/test-arbiter.ts';
import { ManualClock } from '../test/support/manual-clock.ts';
import { MemorySecrets } from '../test/support/memory-secrets.ts';
import { until } from '../test/support/until.ts';
import { parseConfig } from './config.ts';
import { MasterKey } from './keys/master-key.ts';
import { findRootKeySource, type RootKeys } from './root-keys.ts';
import { createLog } from './telemetry/log.ts';

/** Once it is made slow, writes that have begun end when the test lets them. */
class SlowSecrets extends MemorySecrets {
  #gate = Promise.withResolvers<void>();
  begun = 0;

  constructor() {
    super();
    this.open();
  }

  open(): void {
    this.#gate.resolve();
  }

  close(): void {
    this.#gate = Promise.withResolvers();
    this.begun = 0;
    this.writes = 0;
  }

  override async replace(...args: Parameters<MemorySecrets['replace']>): Promise<boolean> {
    this.begun += 1;
    await this.#gate.promise;
    return super.replace(...args);
  }
}

/** Over the arbiter, on these secrets, and not started. */
async function openRootKeys(
  arbiter: TestArbiter,
  secrets: MemorySecrets,
  clock: ManualClock,
): Promise<RootKeys> {
  const log = createLog('silent', { write: () => {} });
  const names = { first: () => assert.fail('an address is no name') };
  const open = await findRootKeySource(parseConfig(arbiter.flags, {}), clock, names);
  const masterKey = new MasterKey(Buffer.alloc(32, 7));
  return open({ secrets, masterKey, clock, random: () => 0.5, log });
}

it('a key that the arbiter gave checks no token, and makes nobody ready, before the store has it', async () => {
  await using arbiter = await TestArbiter.start();
  const clock = new ManualClock();
  const secrets = new SlowSecrets();
  await using rootKeys = await openRootKeys(arbiter, secrets, clock);
  secrets.close();
  rootKeys.start();
  clock.advance(0);
  await until(() => secrets.begun === 1);
  assert.deepEqual(rootKeys.keys(), []);
  assert.match(rootKeys.whyNone(), /gave one, which is not in the store yet/);
  secrets.open();
  await until(() => rootKeys.keys().length === 1);
  assert.equal(secrets.writes, 1);
});

it('a key that the owner asked for is recorded once, with who asked; those who ask at once share it', async () => {
  await using arbiter = await TestArbiter.start();
  const clock = new ManualClock();
  const secrets = new MemorySecrets();
  await using rootKeys = await openRootKeys(arbiter, secrets, clock);
  rootKeys.start();
  clock.advance(0);
  await until(() => rootKeys.keys().length === 1);
  const recorded = (): [string, string | null][] =>
    secrets.records
      .splice(0)
      .flatMap(({ changes }) => changes.map(({ change, by }): [string, string | null] => [change, by]));
  assert.deepEqual(recorded(), [['fetched', null]]);

  assert.deepEqual(await rootKeys.refresh(false, 'anna'), { keys: 2, dropped: 0 });
  assert.deepEqual(recorded(), [['fetched', 'anna']]);

  const [one, other] = await Promise.all([rootKeys.refresh(false, 'anna'), rootKeys.refresh(true, 'bert')]);
  assert.deepEqual([one, other], Array(2).fill({ keys: 1, dropped: 2 }));
  assert.deepEqual(recorded(), [
    ['dropped', 'bert'],
    ['fetched', 'bert'],
  ]);

  secrets.duringWrite = () => {
    throw new Error('the disk is full');
  };
  await assert.rejects(rootKeys.refresh(false, 'anna'), /There is a new root key, but the store/);
  assert.deepEqual(recorded(), []);
  secrets.duringWrite = () => {};
  assert.deepEqual(await rootKeys.refresh(false, null), { keys: 3, dropped: 0 });
  assert.deepEqual(recorded(), [
    ['fetched', 'anna'],
    ['fetched', null],
  ]);
  assert.equal(arbiter.asks, 5);
});
