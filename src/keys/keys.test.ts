import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { openTemporaryStore, TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { configuredRootKey } from './configured-root-key.ts';
import { keyedDigest } from './digest.ts';
import { MasterKey, readMasterKey, readOrMakeMasterKey } from './master-key.ts';
import { findRootKey, openMasterKey, openRootKey } from './store-keys.ts';

const NOW = 1_000_000;

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('MasterKey', () => {
  const key = new MasterKey(Buffer.alloc(32, 1));

  it('opens what it sealed, and seals the same secret differently each time', () => {
    const [one, two] = [key.seal('a', Buffer.from('secret')), key.seal('a', Buffer.from('secret'))];
    assert.equal(text(key.open('a', one)), 'secret');
    assert.notDeepEqual(one, two);
    assert.ok(!text(one).includes('secret'));
  });

  it('does not open what another key sealed, nor under another name', () => {
    const sealed = key.seal('a', Buffer.from('secret'));
    assert.throws(() => new MasterKey(Buffer.alloc(32, 2)).open('a', sealed), /does not open/);
    assert.throws(() => key.open('b', sealed), /does not open/);
  });

  it('does not open what was changed or cut, wherever that was', () => {
    const sealed = key.seal('a', Buffer.from('secret'));
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.throws(() => key.open('a', changed), Error, `byte ${at}`);
      assert.throws(() => key.open('a', sealed.slice(0, at)), Error, `cut at ${at}`);
    }
  });

  it('every purpose has a key of its own, and every master key others', () => {
    const keysOf = ({ storeKeys, firstDigestKey }: MasterKey) => [
      storeKeys.payloadKeys,
      storeKeys.answers,
      firstDigestKey,
    ];
    const keys = [key, new MasterKey(Buffer.alloc(32, 2))].flatMap(keysOf);
    assert.equal(new Set(keys.map((each) => Buffer.from(each).toString('hex'))).size, 6);
    assert.deepEqual(keysOf(new MasterKey(Buffer.alloc(32, 1))), keysOf(key));
  });
});

describe('keyedDigest', () => {
  it('depends on the key, on every part, and on where one part ends', () => {
    const digest = keyedDigest(Buffer.alloc(32, 1));
    const digests = [
      digest('a', 'bc'),
      digest('ab', 'c'),
      digest('abc'),
      keyedDigest(Buffer.alloc(32, 2))('abc'),
    ].map((each) => Buffer.from(each).toString('hex'));
    assert.equal(new Set(digests).size, digests.length);
    assert.deepEqual(digest('a', Buffer.from('bc')), digest('a', 'bc'));
  });
});

describe('the key file', () => {
  it('is made once, with 32 random bytes that only its owner can read', () => {
    using directory = new TemporaryDirectory();
    const file = directory.file('store.key');
    readOrMakeMasterKey(file);
    const made = readFileSync(file);
    readOrMakeMasterKey(file);
    assert.deepEqual(readFileSync(file), made);
    assert.equal(made.byteLength, 32);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  it('that is not there, empty or too short is refused by name', () => {
    using directory = new TemporaryDirectory();
    assert.throws(() => readMasterKey(directory.file('none.key')), /none\.key cannot be read/);
    for (const bytes of [0, 31, 33]) {
      writeFileSync(directory.file('odd.key'), Buffer.alloc(bytes));
      assert.throws(
        () => readMasterKey(directory.file('odd.key')),
        new RegExp(`odd\\.key has ${bytes} bytes`),
      );
    }
  });
});

describe('a given root key', () => {
  const given = (content: string) => {
    using directory = new TemporaryDirectory();
    const secretFile = directory.file('secret');
    writeFileSync(secretFile, content);
    return text(configuredRootKey({ secret: null, secretFile }) ?? new Uint8Array());
  };

  it('is the content of the file, without the newline that an editor leaves', () => {
    for (const content of ['key', 'key\n', 'key\r\n']) assert.equal(given(content), 'key');
    assert.equal(given(' key \n\n'), ' key \n');
  });

  it('that is empty or not there is refused by name', () => {
    assert.throws(() => given('\n'), /secret is empty/);
    assert.throws(
      () => configuredRootKey({ secret: null, secretFile: '/nowhere/key' }),
      /nowhere\/key cannot be read/,
    );
  });
});

describe('the keys of a store', () => {
  it('a new store gets a key file; the same file opens it again', async () => {
    using directory = new TemporaryDirectory();
    await using temporary = await openTemporaryStore();
    const { secrets } = temporary.store;
    const first = await openMasterKey(secrets, directory.file('store.key'), NOW);
    const again = await openMasterKey(secrets, directory.file('store.key'), NOW);
    assert.deepEqual(first.storeKeys, again.storeKeys);
  });

  it('with a store that exists, a missing key file is an error and is not made anew', async () => {
    using directory = new TemporaryDirectory();
    await using temporary = await openTemporaryStore();
    const { secrets } = temporary.store;
    await openMasterKey(secrets, directory.file('store.key'), NOW);
    await assert.rejects(openMasterKey(secrets, directory.file('lost.key'), NOW), /lost\.key cannot be read/);
    assert.throws(() => readFileSync(directory.file('lost.key')), { code: 'ENOENT' });
  });

  it("another store's key is refused", async () => {
    using directory = new TemporaryDirectory();
    await using temporary = await openTemporaryStore();
    const { secrets } = temporary.store;
    await openMasterKey(secrets, directory.file('store.key'), NOW);
    readOrMakeMasterKey(directory.file('other.key'));
    await assert.rejects(
      openMasterKey(secrets, directory.file('other.key'), NOW),
      /does not belong to this store/,
    );
  });

  it('the root key is made once, is text, and is found beside the running service', async () => {
    using directory = new TemporaryDirectory();
    await using temporary = await openTemporaryStore();
    const { secrets } = temporary.store;
    const file = directory.file('store.key');
    const masterKey = await openMasterKey(secrets, file, NOW);
    assert.equal(await findRootKey(secrets, file), null);
    const rootKey = await openRootKey(secrets, masterKey, NOW);
    assert.match(text(rootKey), /^[\w-]{43}$/);
    assert.deepEqual(await openRootKey(secrets, masterKey, NOW), rootKey);
    assert.deepEqual(await findRootKey(secrets, file), rootKey);
  });

  it('the store does not hold the root key in clear', async () => {
    using directory = new TemporaryDirectory();
    await using temporary = await openTemporaryStore();
    const { secrets } = temporary.store;
    const rootKey = await openRootKey(
      secrets,
      await openMasterKey(secrets, directory.file('store.key'), NOW),
      NOW,
    );
    const sealed = await secrets.get('macaroon root key');
    assert.ok(sealed && !text(sealed).includes(text(rootKey)));
  });
});
