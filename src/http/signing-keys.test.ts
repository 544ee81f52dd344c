import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HttpFixture } from '../../test/support/http/http-fixture.ts';
import type { PublicSigningKey } from '../export/signer.ts';

const NEW: PublicSigningKey = { id: 'new', publicKey: Buffer.alloc(32, 0xfb), madeAt: 0, validUntil: null };
const OLD: PublicSigningKey = {
  id: 'old',
  publicKey: Buffer.alloc(32, 1),
  madeAt: 0,
  validUntil: 86_400_999,
};

it('whoever asks is told the public keys as a JWK set, the newest first, without a token', async () => {
  await using fixture = await HttpFixture.start({ signingKeys: () => [NEW, OLD] });
  const answer = await fixture.send({ method: 'GET', path: '/.well-known/export-signing-keys', token: null });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/jwk-set+json');
  assert.equal(answer.headers['cache-control'], 'public, max-age=300');
  const common = { kty: 'OKP', crv: 'Ed25519', use: 'sig', alg: 'EdDSA' };
  assert.deepEqual(JSON.parse(answer.text), {
    keys: [
      { ...common, kid: 'new', x: '-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s' },
      { ...common, kid: 'old', x: 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE', exp: 86_400 },
    ],
  });
});

it('the path takes no other method', async () => {
  await using fixture = await HttpFixture.start({ signingKeys: () => [NEW] });
  const answer = await fixture.send({ method: 'POST', path: '/.well-known/export-signing-keys', body: {} });
  assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD']);
});
