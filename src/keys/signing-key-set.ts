import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { PublicSigningKey } from '../export/signer.ts';

/** How long a key that was replaced goes on signing beside the new one: receivers have that long to learn the new one. */
export const OVERLAP_MS = 24 * 60 * 60 * 1_000;

/** Each signs every delivery. Who rotates more often than this within a day ends the oldest early. */
export const SIGNING_KEYS_MAX = 4;

const PUBLIC_KEY_BYTES = 32;

/** An Ed25519 key pair, ready to sign. */
export interface SigningKeyPair extends PublicSigningKey {
  readonly privateKey: KeyObject;
  /** Whether the ledger says that it has ended. It stays all the same: a clock that was wrong may be set back. */
  readonly isEndRecorded: boolean;
}

/** All keys, newest first. Only the first has no end. */
export type SigningKeySet = readonly SigningKeyPair[];

/** A pair as it is sealed into the store; `d` and `x` as in a JSON web key (RFC 8037). */
interface StoredPair {
  readonly d: string;
  readonly x: string;
  readonly made_at: number;
  readonly valid_until: number | null;
  readonly is_end_recorded?: boolean;
}

/** Makes a key pair. @param now wall clock */
export function makeKeyPair(now: number): SigningKeyPair {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return readPair({ d, x, made_at: now, valid_until: null });
}

/** The set with `added` as its newest key; the others go on for {@link OVERLAP_MS} from now, or as long as they had. */
export function withNewest(set: SigningKeySet, added: SigningKeyPair, now: number): SigningKeySet {
  const retired = validAt(set, now).map((pair) => ({
    ...pair,
    validUntil: pair.validUntil ?? now + OVERLAP_MS,
  }));
  return [added, ...retired].slice(0, SIGNING_KEYS_MAX);
}

/** The keys that sign at `now` (wall clock). Never empty: the newest has no end. */
export function validAt(set: SigningKeySet, now: number): SigningKeySet {
  return set.filter(({ validUntil }) => validUntil === null || now < validUntil);
}

/** Those whose end is yet to be recorded at `now` (wall clock); with the `next` set, those too that are not in it. */
export function endedAt(set: SigningKeySet, now: number, next: SigningKeySet = set): SigningKeySet {
  const stay = new Set(validAt(next, now).map(({ id }) => id));
  return set.filter(({ id, isEndRecorded }) => !isEndRecorded && !stay.has(id));
}

/** The set with it on record that these have ended. */
export function withRecordedEnds(set: SigningKeySet, ended: SigningKeySet): SigningKeySet {
  return set.map((pair) => (ended.includes(pair) ? { ...pair, isEndRecorded: true } : pair));
}

/** The set as bytes. They are secret. */
export function encodeSet(set: SigningKeySet): Uint8Array {
  const stored: StoredPair[] = set.map(({ privateKey, madeAt, validUntil, isEndRecorded }) => {
    const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
    return {
      d,
      x,
      made_at: madeAt,
      valid_until: validUntil,
      ...(isEndRecorded && { is_end_recorded: true }),
    };
  });
  return Buffer.from(JSON.stringify(stored));
}

/** @throws Error when these bytes are no set: they come out of a sealed secret, so that is our own mistake */
export function decodeSet(bytes: Uint8Array): SigningKeySet {
  const set = (JSON.parse(Buffer.from(bytes).toString()) as StoredPair[]).map(readPair);
  const [newest, ...retired] = set;
  if (newest?.validUntil !== null || retired.some(({ validUntil }) => validUntil === null)) {
    throw new Error('The signing keys in the store are of an unknown form.');
  }
  return set;
}

function readPair(pair: StoredPair): SigningKeyPair {
  const { d, x, made_at: madeAt, valid_until: validUntil, is_end_recorded: isEndRecorded = false } = pair;
  const publicKey = Buffer.from(x, 'base64url');
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new Error('A signing key in the store is of an unknown form.');
  const key = { kty: 'OKP', crv: 'Ed25519', d, x };
  return {
    id: thumbprint(x),
    publicKey,
    privateKey: createPrivateKey({ key, format: 'jwk' }),
    madeAt,
    validUntil,
    isEndRecorded,
  };
}

/** The name that follows from a public key (RFC 7638; its members for this kind of key are in RFC 8037, section 2). */
export function thumbprint(x: string): string {
  return createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
}
