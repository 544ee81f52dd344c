import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemorySecrets } from '../../test/support/memory-secrets.ts';
import { MasterKey } from './master-key.ts';
import { noteRootKeys, type RootKeyOrigin } from './root-key-note.ts';

const given = (key: string): RootKeyOrigin => ({ from: 'setting', key: Buffer.from(key) });
const stored = (from: 'service' | 'arbiter'): RootKeyOrigin => ({ from, hasKeys: true });
const none = (from: 'service' | 'arbiter'): RootKeyOrigin => ({ from, hasKeys: false });

class Fixture {
  readonly secrets = new MemorySecrets();
  readonly clock = new ManualClock();
  readonly masterKey = new MasterKey(Buffer.alloc(32, 7));

  /** What a start with such keys records. */
  async start(origin: RootKeyOrigin): Promise<string[]> {
    await noteRootKeys(this, origin);
    return this.recorded();
  }

  recorded(): string[] {
    return this.secrets.records.splice(0).flatMap(({ changes, now }) =>
      changes.map((each) =>
        Object.values({ ...each, at: now - this.clock.now() })
          .filter(Boolean)
          .join(' '),
      ),
    );
  }
}

describe('a start', () => {
  it('with a key that a setting gives records it once, and each other one', async () => {
    const fixture = new Fixture();
    assert.deepEqual(await fixture.start(given('one')), ['root given']);
    assert.deepEqual(await fixture.start(given('one')), []);
    assert.deepEqual(await fixture.start(given('two')), ['root retired', 'root given']);
    assert.deepEqual(await fixture.start(given('two')), []);
    assert.deepEqual(
      await fixture.start(given('one')),
      ['root retired', 'root given'],
      'also an earlier one',
    );
  });

  for (const from of ['service', 'arbiter'] as const) {
    it(`with keys of the ${from} records a change of where they come from, and whether there are any`, async () => {
      const fixture = new Fixture();
      assert.deepEqual(await fixture.start(none(from)), []);
      assert.deepEqual(await fixture.start(stored(from)), []);
      assert.deepEqual(await fixture.start(given('one')), ['root retired', 'root given']);
      assert.deepEqual(await fixture.start(stored(from)), ['root retired', 'root resumed']);
      const other = from === 'service' ? 'arbiter' : 'service';
      assert.deepEqual(
        await fixture.start(none(other)),
        ['root retired'],
        'what comes is recorded when it does',
      );
    });
  }

  it('that is the first to note anything, over a store of before, takes its keys for those of before', async () => {
    assert.deepEqual(await new Fixture().start(stored('service')), []);
    assert.deepEqual(await new Fixture().start(stored('arbiter')), []);
  });

  it('that meets another instance at the note records what that one has not', async () => {
    const fixture = new Fixture();
    await fixture.start(given('one'));
    await Promise.all([noteRootKeys(fixture, given('two')), noteRootKeys(fixture, given('two'))]);
    assert.deepEqual(fixture.recorded(), ['root retired', 'root given']);
  });
});

it('the note holds neither the key nor its hash in clear', async () => {
  const fixture = new Fixture();
  let written = Buffer.alloc(0);
  const { secrets } = fixture;
  const { replace } = MemorySecrets.prototype;
  secrets.replace = async (...args) => {
    written = Buffer.from(args[2]);
    return replace.apply(secrets, args);
  };
  await fixture.start(given('very secret'));
  assert.ok(written.length > 0);
  assert.doesNotMatch(written.toString('latin1'), /secret|setting/);
});
