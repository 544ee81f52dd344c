import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { STORE_KEYS } from '../../../test/support/store-keys.ts';
import { PAYLOAD_SEAL_BYTES, type PayloadOwner, Vault, WRAPPED_KEY_BYTES } from './vault.ts';

const OWNER: PayloadOwner = {
  id: '01a20c90-f17f-75f7-955c-98f8321f0c24',
  lane: { client: 'app', destination: 'https://a.example/in' },
};
const vault = new Vault(STORE_KEYS);
const bytes = (text: string): Uint8Array => Buffer.from(text);

describe('Vault: payloads', () => {
  it('an empty one and a large one come back byte for byte', () => {
    for (const data of [bytes(''), bytes('"a"'), Buffer.alloc(1 << 20, 'ä€')]) {
      const sealed = vault.sealPayload(OWNER, data);
      assert.ok(Buffer.from(vault.openPayload(OWNER, sealed)).equals(data));
      assert.equal(sealed.data.byteLength, data.byteLength + PAYLOAD_SEAL_BYTES);
      assert.equal(sealed.wrappedKey.byteLength, WRAPPED_KEY_BYTES);
    }
  });

  it('each has a key of its own: the same data is sealed differently, under keys that do not open each other', () => {
    const [one, two] = [vault.sealPayload(OWNER, bytes('"a"')), vault.sealPayload(OWNER, bytes('"a"'))];
    assert.notDeepEqual(one.data, two.data);
    assert.throws(() => vault.openPayload(OWNER, { wrappedKey: one.wrappedKey, data: two.data }));
  });

  it('does not open for another export, client or destination', () => {
    const sealed = vault.sealPayload(OWNER, bytes('"a"'));
    for (const other of [
      { ...OWNER, id: '01a20c90-f17f-75f7-955c-98f8321f0c25' },
      { ...OWNER, lane: { ...OWNER.lane, client: 'app2' } },
      { ...OWNER, lane: { ...OWNER.lane, destination: 'https://a.example/im' } },
      { ...OWNER, lane: { client: 'apph', destination: 'ttps://a.example/in' } },
    ])
      assert.throws(() => vault.openPayload(other, sealed));
  });

  it('does not open when a byte of it or of its key was changed or cut off', () => {
    const { wrappedKey, data } = vault.sealPayload(OWNER, bytes('"some data"'));
    const spoil = (whole: Uint8Array): Uint8Array[] =>
      [...whole.keys()].flatMap((at) => [
        whole.map((byte, n) => (n === at ? byte ^ 1 : byte)),
        whole.slice(0, at),
      ]);
    for (const spoiled of spoil(data))
      assert.throws(() => vault.openPayload(OWNER, { wrappedKey, data: spoiled }));
    for (const spoiled of spoil(wrappedKey))
      assert.throws(() => vault.openPayload(OWNER, { wrappedKey: spoiled, data }));
  });

  it('a key that was unwrapped and wrapped under another master key still opens the payload', () => {
    const { wrappedKey, data } = vault.sealPayload(OWNER, bytes('"a"'));
    const other = new Vault({ payloadKeys: STORE_KEYS.answers, answers: STORE_KEYS.payloadKeys });
    const anew = other.wrap(OWNER, vault.unwrap(OWNER, wrappedKey));
    assert.deepEqual(Buffer.from(other.openPayload(OWNER, { wrappedKey: anew, data })), bytes('"a"'));
    assert.throws(() => vault.openPayload(OWNER, { wrappedKey: anew, data }));
  });

  it('its digest is the same whenever its key is opened, and another for other data and other keys', () => {
    const { key, wrappedKey } = vault.sealPayload(OWNER, bytes('"a"'));
    const digest = Buffer.from(key.digest(bytes('"a"'))).toString('hex');
    assert.equal(digest.length, 64);
    assert.equal(Buffer.from(vault.unwrap(OWNER, wrappedKey).digest(bytes('"a"'))).toString('hex'), digest);
    assert.notEqual(Buffer.from(key.digest(bytes('"b"'))).toString('hex'), digest);
    const { key: other } = vault.sealPayload(OWNER, bytes('"a"'));
    assert.notEqual(Buffer.from(other.digest(bytes('"a"'))).toString('hex'), digest);
  });
});

describe('Vault: what destinations said', () => {
  it('comes back as it was', () => {
    for (const text of ['', 'thanks', 'ä€𝄞\u0000'.repeat(10_000)])
      assert.equal(vault.openText('answer', OWNER.id, vault.sealText('answer', OWNER.id, text)), text);
  });

  it('does not open for another export, as something else, or under another key', () => {
    const sealed = vault.sealText('answer', OWNER.id, 'thanks');
    assert.throws(() => vault.openText('detail', OWNER.id, sealed));
    assert.throws(() => vault.openText('answer', '01a20c90-f17f-75f7-955c-98f8321f0c25', sealed));
    const other = new Vault({ ...STORE_KEYS, answers: STORE_KEYS.payloadKeys });
    assert.throws(() => other.openText('answer', OWNER.id, sealed));
  });
});
