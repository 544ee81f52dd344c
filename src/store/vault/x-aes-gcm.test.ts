import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { randomBytes, SEAL_BYTES, XAesGcm } from './x-aes-gcm.ts';

const NONCE = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
const MESSAGE = Buffer.from('XAES-256-GCM');

describe('XAesGcm', () => {
  // The specification's own vectors: one for each branch of the doubling that CMAC's subkey needs.
  const vectors = [
    {
      key: Buffer.alloc(32, 1),
      context: '',
      sealed: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271',
    },
    {
      key: Buffer.alloc(32, 3),
      context: 'c2sp.org/XAES-256-GCM',
      sealed: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d',
    },
  ];
  for (const { key, context, sealed } of vectors) {
    it(`seals as the specification's example does, with the context "${context}"`, () => {
      const bytes = Buffer.concat([Buffer.of(1), NONCE, Buffer.from(sealed, 'hex')]);
      assert.deepEqual(Buffer.from(new XAesGcm(key).seal(context, MESSAGE, NONCE)), bytes);
      assert.deepEqual(Buffer.from(new XAesGcm(key).open(context, bytes)), MESSAGE);
    });
  }

  const key = new XAesGcm(Buffer.alloc(32, 7));

  it('seals the same message differently each time, and nothing is read off it', () => {
    const sealed = Array.from({ length: 1_000 }, () => key.seal('a', MESSAGE));
    assert.equal(new Set(sealed.map((each) => Buffer.from(each).toString('hex'))).size, 1_000);
    assert.ok(sealed.every((each) => !Buffer.from(each).includes(MESSAGE)));
    assert.ok(sealed.every((each) => each.byteLength === MESSAGE.byteLength + SEAL_BYTES));
  });

  it('opens nothing that was sealed under another key or context', () => {
    const sealed = key.seal('a', MESSAGE);
    assert.throws(() => new XAesGcm(Buffer.alloc(32, 8)).open('a', sealed));
    assert.throws(() => key.open('b', sealed));
    assert.deepEqual(Buffer.from(key.open('a', sealed)), MESSAGE);
  });

  it('opens nothing that was changed or cut, wherever that was', () => {
    const sealed = key.seal('a', MESSAGE);
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Uint8Array.from(sealed);
      (changed[at] as number) ^= 1;
      assert.throws(() => key.open('a', changed), Error, `byte ${at}`);
      assert.throws(() => key.open('a', sealed.slice(0, at)), Error, `cut at ${at}`);
    }
  });

  it('takes a key of 32 bytes only', () => {
    for (const bytes of [0, 16, 31, 33]) assert.throws(() => new XAesGcm(Buffer.alloc(bytes)), TypeError);
  });

  it('random bytes do not repeat, also where they come from the next draw', () => {
    const drawn = Array.from({ length: 1_000 }, () => randomBytes(32).toString('hex'));
    assert.equal(new Set(drawn).size, drawn.length);
    assert.ok(drawn.every((each) => !/^0+$/.test(each)));
  });
});
