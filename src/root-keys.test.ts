/** The arbiter's key on its way into the store: a real arbiter's socket, and a store that is slow when the test says so. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TestArbiter } from '../test/support/arbiter/test-arbiter.ts';
import { ManualClock } from '../test/support/manual-clock.ts';
import { MemorySecrets } from '../test/support/memory-secrets.ts';
import { until } from '../test/support/until.ts';
import { parseConfig } from './config.ts';
import { MasterKey } from './keys/master-key.ts';
import { findRootKeySource } from './root-keys.ts';
import { createLog } from './telemetry/log.ts';

/** Writes that have begun end when the test lets them. */
class SlowSecrets extends MemorySecrets {
  readonly #gate = Promise.withResolvers<void>();
  begun = 0;

  open(): void {
    this.#gate.resolve();
  }

  override async replace(name: string, expected: Uint8Array | null, value: Uint8Array): Promise<boolean> {
    this.begun += 1;
    await this.#gate.promise;
    return super.replace(name, expected, value);
  }
}

it('a key that the arbiter gave checks no token, and makes nobody ready, before the store has it', async () => {
  await using arbiter = await TestArbiter.start();
  const clock = new ManualClock();
  const secrets = new SlowSecrets();
  const log = createLog('silent', { write: () => {} });
  const names = { first: () => assert.fail('an address is no name') };
  const open = await findRootKeySource(parseConfig(arbiter.flags, {}), clock, names);
  await using rootKeys = await open({
    secrets,
    masterKey: new MasterKey(Buffer.alloc(32, 7)),
    clock,
    random: () => 0.5,
    log,
  });
  rootKeys.start();
  clock.advance(0);
  await until(() => secrets.begun === 1);
  assert.deepEqual(rootKeys.keys(), []);
  assert.match(rootKeys.whyNone(), /gave one, which is not in the store yet/);
  secrets.open();
  await until(() => rootKeys.keys().length === 1);
  assert.equal(secrets.writes, 1);
});
