import type { FastifyInstance } from 'fastify';
import type { WireSigningKey, WireSigningKeys } from '../../client/wire.ts';
import type { PublicSigningKey } from '../export/signer.ts';
import { sendJson } from './reply.ts';

const PATH = '/.well-known/export-signing-keys';
/** RFC 7517, section 8.5.2. */
const JWK_SET_CONTENT_TYPE = 'application/jwk-set+json';
/** A key signs for a day after it was replaced, so an answer may be kept for a while. */
const CACHE_CONTROL = 'public, max-age=300';

/** The route that tells receivers which keys deliveries are signed with. It asks for no token: the keys are public. */
export function addSigningKeys(app: FastifyInstance, publicKeys: () => readonly PublicSigningKey[]): void {
  app.get(PATH, (_request, reply) =>
    sendJson(
      reply.header('cache-control', CACHE_CONTROL),
      200,
      JWK_SET_CONTENT_TYPE,
      JSON.stringify(signingKeySet(publicKeys())),
    ),
  );
}

/** Public keys as a set of JSON web keys. */
export function signingKeySet(keys: readonly PublicSigningKey[]): WireSigningKeys {
  return { keys: keys.map(toWire) };
}

function toWire({ id, publicKey, validUntil }: PublicSigningKey): WireSigningKey {
  return {
    kty: 'OKP',
    crv: 'Ed25519',
    x: Buffer.from(publicKey).toString('base64url'),
    kid: id,
    use: 'sig',
    alg: 'EdDSA',
    ...(validUntil === null ? {} : { exp: Math.floor(validUntil / 1_000) }),
  };
}
