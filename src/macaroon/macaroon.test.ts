import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { CAVEATS_MAX } from './bounds.ts';
import { appendCaveat, attenuate, mint, verify } from './macaroon.ts';

const rootKey = Buffer.from('bdcd6cbf-b60e-4b3c-be9f-ff664cbc2372');
const minted = mint({ rootKey, location: 'here', identifier: 'app', caveats: ['path = /export', 'a = b'] });

test('a minted token verifies under its root key and under no other', () => {
  assert.ok(verify(minted, rootKey));
  assert.ok(!verify(minted, Buffer.from('another')));
  assert.ok(!verify(minted, rootKey.subarray(1)));
});

test('the signature is the chain that libmacaroons documents', () => {
  const hmac = (key: Uint8Array, data: string) => createHmac('sha256', key).update(data).digest();
  const generator = Buffer.concat([Buffer.from('macaroons-key-generator'), Buffer.alloc(9)]);
  const derived = createHmac('sha256', generator).update(rootKey).digest();
  const expected = hmac(hmac(hmac(derived, 'app'), 'path = /export'), 'a = b');
  assert.deepEqual(Buffer.from(minted.signature), expected);
});

test('the location may be changed, for it is not signed', () => {
  assert.ok(verify({ ...minted, location: 'elsewhere' }, rootKey));
});

test('taking away, changing, adding or reordering a caveat breaks the signature', () => {
  const [first, second] = minted.caveats;
  assert.ok(first !== undefined && second !== undefined);
  for (const caveats of [[], [first], [second], [second, first], [first, second, second]]) {
    assert.ok(!verify({ ...minted, caveats }, rootKey));
  }
});

test('a signature that is a prefix of the right one does not verify', () => {
  for (const length of [0, 31]) {
    assert.ok(!verify({ ...minted, signature: minted.signature.subarray(0, length) }, rootKey));
  }
});

test('attenuation needs no key, verifies, and leaves the given token as it was', () => {
  const before = minted.caveats.length;
  const narrower = attenuate(minted, 'time < 2030-01-01T00:00:00Z');
  assert.ok(verify(narrower, rootKey));
  assert.equal(narrower.caveats.length, before + 1);
  assert.equal(minted.caveats.length, before);
});

test('a third-party caveat is part of the signature, its location is not', () => {
  const identifier = Buffer.from('who');
  const thirdParty = { location: 'https://auth.example/', verificationId: Buffer.from('sealed') };
  const token = appendCaveat(minted, { identifier, thirdParty });
  const withLast = (last: typeof thirdParty | undefined) => ({
    ...token,
    caveats: [...minted.caveats, last === undefined ? { identifier } : { identifier, thirdParty: last }],
  });
  assert.ok(verify(token, rootKey));
  assert.ok(verify(withLast({ ...thirdParty, location: 'https://other.example/' }), rootKey));
  assert.ok(!verify(withLast({ ...thirdParty, verificationId: Buffer.from('other') }), rootKey));
  assert.ok(!verify(withLast(undefined), rootKey));
});

test('an empty root key neither signs nor verifies: it is a mistake of ours', () => {
  assert.throws(() => mint({ rootKey: Buffer.alloc(0), identifier: '' }), TypeError);
  assert.throws(() => verify(minted, Buffer.alloc(0)), TypeError);
});

test(`a token takes ${CAVEATS_MAX} caveats and not one more`, () => {
  const full = mint({ rootKey, identifier: '', caveats: Array(CAVEATS_MAX).fill('a') });
  assert.ok(verify(full, rootKey));
  assert.throws(() => attenuate(full, 'a'), RangeError);
});

test('a text that has no UTF-8 is not signed as if it were another', () => {
  assert.throws(() => mint({ rootKey, identifier: '\ud800' }), TypeError);
  assert.throws(() => attenuate(minted, 'a\udfff'), TypeError);
});
