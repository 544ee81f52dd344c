import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemorySecrets } from '../../test/support/memory-secrets.ts';
import { openTemporaryStore } from '../../test/support/temporary-store.ts';
import type { PublicSigningKey, SignedMessage } from '../export/signer.ts';
import { MasterKey } from './master-key.ts';
import { SIGNING_KEYS_MAX, thumbprint } from './signing-key-set.ts';
import { readPublicSigningKeys, SigningKeys } from './signing-keys.ts';

/** What the interface and the docs promise receivers. */
const DAY_MS = 86_400_000;
const MASTER_KEY = new MasterKey(Buffer.alloc(32, 7));
const MESSAGE: SignedMessage = {
  id: '0197a3c5-0000-7000-8000-000000000001',
  timestampSeconds: 1_767_225_600,
  body: Buffer.from('{"a": 1.10}'),
};

class Fixture {
  readonly secrets = new MemorySecrets();
  readonly clock = new ManualClock();

  /** One instance of the service on this store. */
  open(masterKey = MASTER_KEY): Promise<SigningKeys> {
    return SigningKeys.open({ secrets: this.secrets, masterKey, clock: this.clock });
  }
}

const ids = (keys: SigningKeys): string[] => keys.publicKeys.map(({ id }) => id);

function isSignedWith({ publicKey }: PublicSigningKey, signature: string, message = MESSAGE): boolean {
  const key = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(publicKey).toString('base64url') };
  const signed = Buffer.concat([Buffer.from(`${message.id}.${message.timestampSeconds}.`), message.body]);
  assert.ok(signature.startsWith('v1a,'));
  return verify(
    null,
    signed,
    createPublicKey({ key, format: 'jwk' }),
    Buffer.from(signature.slice(4), 'base64'),
  );
}

describe('a signature', () => {
  it('is that of the reference implementation for the same key and message', async () => {
    // TestAsymmetricWebhookSign of the Go library of standard-webhooks, whose key is a seed in base64.
    const seed = Buffer.from('VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=', 'base64');
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    const { d, x } = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
    const fixture = new Fixture();
    const stored = JSON.stringify([{ d, x, made_at: 0, valid_until: null }]);
    await fixture.secrets.putIfAbsent('signing keys', MASTER_KEY.seal('signing keys', Buffer.from(stored)));
    const keys = await fixture.open();
    const message = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestampSeconds: 1_614_265_330,
      body: Buffer.from('{"test": 2432232314}'),
    };
    assert.equal(
      await keys.sign(message),
      'v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==',
    );
  });

  it('covers id, time and every byte of the body', async () => {
    const keys = await new Fixture().open();
    const [key] = keys.publicKeys;
    assert.ok(key);
    for (const body of [Buffer.alloc(0), Buffer.from([0, 0xff]), Buffer.alloc(1 << 20, 'x')]) {
      assert.ok(isSignedWith(key, await keys.sign({ ...MESSAGE, body }), { ...MESSAGE, body }));
    }
    const signature = await keys.sign(MESSAGE);
    assert.ok(isSignedWith(key, signature));
    for (const other of [{ id: 'x' }, { timestampSeconds: 1 }, { body: Buffer.from('{"a": 1.1}') }]) {
      assert.ok(!isSignedWith(key, signature, { ...MESSAGE, ...other }), JSON.stringify(other));
    }
  });
});

describe('signing keys', () => {
  it('are made once for a store, sealed, and the same for every instance and after a restart', async () => {
    const fixture = new Fixture();
    const [one, two] = await Promise.all([fixture.open(), fixture.open()]);
    const later = await fixture.open();
    assert.deepEqual(one.publicKeys, two.publicKeys);
    assert.deepEqual(one.publicKeys, later.publicKeys);
    assert.equal(one.publicKeys.length, 1);
    assert.equal(fixture.secrets.writes, 1);
    const stored = Buffer.from((await fixture.secrets.get('signing keys')) ?? []);
    assert.ok(
      !stored.includes('made_at') && !stored.includes(Buffer.from(one.publicKeys[0]?.publicKey ?? '')),
    );
    await assert.rejects(fixture.open(new MasterKey(Buffer.alloc(32, 8))), /does not open/);
  });

  it('are named by what they are (RFC 8037, appendix A.3)', () => {
    assert.equal(
      thumbprint('11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'),
      'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
    );
  });

  it('are two for a day after a rotation, and every delivery has a signature of each', async () => {
    const fixture = new Fixture();
    const keys = await fixture.open();
    const [old] = keys.publicKeys;
    const fresh = await keys.rotate();
    assert.ok(old);
    assert.deepEqual(ids(keys), [fresh.id, old.id]);
    assert.deepEqual(
      keys.publicKeys.map(({ validUntil }) => validUntil),
      [null, fixture.clock.now() + DAY_MS],
    );
    const [first = '', second = '', ...more] = (await keys.sign(MESSAGE)).split(' ');
    assert.ok(isSignedWith(fresh, first) && isSignedWith(old, second));
    assert.deepEqual(more, []);

    fixture.clock.advance(DAY_MS - 1);
    assert.deepEqual(ids(keys), [fresh.id, old.id]);
    fixture.clock.advance(1);
    assert.deepEqual(ids(keys), [fresh.id]);
    assert.equal((await keys.sign(MESSAGE)).split(' ').length, 1);
    assert.deepEqual(ids(await fixture.open()), [fresh.id]);
  });

  it('keep their end when another rotation follows, and are at most four', async () => {
    const fixture = new Fixture();
    const keys = await fixture.open();
    const made = [ids(keys)[0]];
    for (let n = 0; n < SIGNING_KEYS_MAX + 1; n += 1) {
      fixture.clock.advance(1_000);
      made.unshift((await keys.rotate()).id);
    }
    assert.deepEqual(ids(keys), made.slice(0, SIGNING_KEYS_MAX));
    const ends = keys.publicKeys.map(({ validUntil }) => validUntil);
    const end = fixture.clock.now() + DAY_MS;
    assert.deepEqual(ends, [null, end, end - 1_000, end - 2_000]);
  });

  it('are on record in the store when they come and when their time is over, each once, whoever notices it', async () => {
    const fixture = new Fixture();
    const keys = await fixture.open();
    const other = await fixture.open();
    const publicKeyOf = (n: number): string =>
      Buffer.from(keys.publicKeys[n]?.publicKey ?? []).toString('base64url');
    const first = publicKeyOf(0);
    await keys.rotate('anna');
    const second = publicKeyOf(0);
    const recorded = (): unknown[] =>
      fixture.secrets.records
        .splice(0)
        .flatMap(({ changes }) => changes.map((change) => Object.values(change)));
    assert.deepEqual(recorded(), [
      ['signing', 'made', first, null],
      ['signing', 'rotated', second, 'anna'],
    ]);

    fixture.clock.advance(DAY_MS - 1);
    await keys.upkeep();
    assert.deepEqual(recorded(), []);
    fixture.clock.advance(1);
    await Promise.all([keys.upkeep(), other.upkeep()]);
    await (await fixture.open()).upkeep();
    assert.deepEqual(recorded(), [['signing', 'retired', first, null]]);

    fixture.clock.jump(-DAY_MS);
    assert.equal(keys.publicKeys.length, 2, 'a clock that was wrong has cost no key');
    fixture.clock.jump(DAY_MS);
    await keys.rotate();
    assert.deepEqual(recorded(), [['signing', 'rotated', publicKeyOf(0), null]], 'and it leaves in silence');
  });

  it('that make room for newer ones, or whose time was over while nobody looked, are on record too', async () => {
    const fixture = new Fixture();
    const keys = await fixture.open();
    const recorded = (): string[] =>
      fixture.secrets.records.splice(0).flatMap(({ changes }) => changes.map(({ change }) => change));
    recorded();
    for (let n = 1; n < SIGNING_KEYS_MAX; n += 1) await keys.rotate();
    assert.deepEqual(recorded(), Array(SIGNING_KEYS_MAX - 1).fill('rotated'));
    await keys.rotate();
    assert.deepEqual(recorded(), ['rotated', 'retired'], 'the oldest made room');
    fixture.clock.advance(DAY_MS);
    await keys.rotate();
    assert.deepEqual(recorded(), ['rotated', ...Array(SIGNING_KEYS_MAX - 1).fill('retired')]);
  });

  it('that another instance made are taken over at its next upkeep', async () => {
    const fixture = new Fixture();
    const [here, there] = [await fixture.open(), await fixture.open()];
    const fresh = await there.rotate();
    assert.equal(ids(here).length, 1);
    assert.ok((await here.upkeep()) > 0);
    assert.equal(ids(here)[0], fresh.id);
    assert.deepEqual(here.publicKeys, there.publicKeys);
  });

  it('of two instances that rotate at the same moment are all there', async () => {
    const fixture = new Fixture();
    const [here, there] = [await fixture.open(), await fixture.open()];
    const made = await Promise.all([here.rotate(), there.rotate()]);
    await Promise.all([here.upkeep(), there.upkeep()]);
    assert.deepEqual(here.publicKeys, there.publicKeys);
    assert.equal(ids(here).length, 3);
    for (const { id } of made) assert.ok(ids(here).includes(id));
  });

  it('stay as they are when the store fails', async () => {
    const fixture = new Fixture();
    const keys = await fixture.open();
    const before = keys.publicKeys;
    fixture.secrets.failure = new Error('the store is away');
    await assert.rejects(keys.rotate(), /away/);
    await assert.rejects(keys.upkeep(), /away/);
    assert.deepEqual(keys.publicKeys, before);
    assert.ok((await keys.sign(MESSAGE)).startsWith('v1a,'));
    fixture.secrets.failure = null;
    await keys.rotate();
    assert.equal(ids(keys).length, 2);
  });

  for (const [what, stored] of [
    ['no list', '{}'],
    ['an empty one', '[]'],
    ['a key that is cut', '[{"d":"AAAA","x":"AAAA","made_at":0,"valid_until":null}]'],
    ['only keys that end', '[{"d":"AAAA","x":"AAAA","made_at":0,"valid_until":1}]'],
  ] as const) {
    it(`of an unknown form end the start and are not replaced: ${what}`, async () => {
      const fixture = new Fixture();
      await fixture.secrets.putIfAbsent('signing keys', MASTER_KEY.seal('signing keys', Buffer.from(stored)));
      await assert.rejects(fixture.open());
      assert.equal(fixture.secrets.writes, 1);
    });
  }

  it('are read beside a running service, the public part alone', async () => {
    await using temporary = await openTemporaryStore();
    const { secrets } = temporary.store;
    const clock = new ManualClock();
    const read = () => readPublicSigningKeys(secrets, () => MASTER_KEY, clock.now());
    assert.deepEqual(await read(), []);
    const keys = await SigningKeys.open({ secrets, masterKey: MASTER_KEY, clock });
    await keys.rotate();
    assert.deepEqual(await read(), keys.publicKeys);
    assert.deepEqual(Object.keys((await read())[0] ?? {}), ['id', 'publicKey', 'madeAt', 'validUntil']);
  });
});
