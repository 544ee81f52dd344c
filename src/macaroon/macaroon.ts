import { createHmac, timingSafeEqual } from 'node:crypto';
import { CAVEATS_MAX } from './bounds.ts';
import { bytesOf } from './text.ts';

/**
 * A bearer token that anyone can narrow and nobody can widen: the signature is a chain of HMACs over the
 * identifier and every caveat in turn, so adding a caveat needs only the present signature and taking
 * one away needs the root key.
 */
export interface Macaroon {
  /** A hint where the token comes from. It is not signed: never decide anything by it. */
  readonly location: string;
  /** Bytes, because that is what is signed; they need not be UTF-8. */
  readonly identifier: Uint8Array;
  readonly caveats: readonly MacaroonCaveat[];
  readonly signature: Uint8Array;
}

/** One condition on the token's use. What it says is none of this folder's business. */
export interface MacaroonCaveat {
  readonly identifier: Uint8Array;
  /** There for a third-party caveat, which only a discharge from elsewhere could clear. */
  readonly thirdParty?: ThirdParty;
}

export interface ThirdParty {
  /** Who could discharge it. Not signed. */
  readonly location: string;
  /** The key for the discharge, encrypted; it is part of the signature. */
  readonly verificationId: Uint8Array;
}

export interface MintOptions {
  readonly rootKey: Uint8Array;
  readonly identifier: string | Uint8Array;
  readonly location?: string;
  readonly caveats?: readonly (string | Uint8Array)[];
}

/** Makes a token. Throws a `TypeError` for an empty root key and a `RangeError` for too many caveats. */
export function mint(options: MintOptions): Macaroon {
  const identifier = toBytes(options.identifier);
  const bare: Macaroon = {
    location: options.location ?? '',
    identifier,
    caveats: [],
    signature: hmac(deriveKey(options.rootKey), identifier),
  };
  return (options.caveats ?? []).reduce(attenuate, bare);
}

/** The same token with one more first-party caveat; the given one stays as it is. Needs no key. */
export function attenuate(macaroon: Macaroon, caveat: string | Uint8Array): Macaroon {
  return appendCaveat(macaroon, { identifier: toBytes(caveat) });
}

/** Like {@link attenuate}, for a caveat of either kind. */
export function appendCaveat(macaroon: Macaroon, caveat: MacaroonCaveat): Macaroon {
  if (macaroon.caveats.length >= CAVEATS_MAX) {
    throw new RangeError(`A token has at most ${CAVEATS_MAX} caveats.`);
  }
  return {
    ...macaroon,
    caveats: [...macaroon.caveats, caveat],
    signature: chain(macaroon.signature, caveat),
  };
}

/**
 * Whether `rootKey` signed this token and nobody took a caveat away. It says nothing about what the
 * caveats allow: they are still to be cleared, the third-party ones too, for no discharge is looked at.
 * Throws a `TypeError` for an empty root key, under which anybody could sign.
 */
export function verify(macaroon: Macaroon, rootKey: Uint8Array): boolean {
  const signature = macaroon.caveats.reduce(chain, hmac(deriveKey(rootKey), macaroon.identifier));
  // Constant time: an ordinary comparison would tell a guesser how many bytes are right.
  return signature.length === macaroon.signature.length && timingSafeEqual(signature, macaroon.signature);
}

/** How many HMACs {@link verify} computes, for one key. */
export function hmacsToVerify({ caveats }: Macaroon): number {
  const thirdParty = caveats.filter((caveat) => caveat.thirdParty !== undefined).length;
  return 2 + caveats.length + 2 * thirdParty;
}

/** Every macaroon library derives its key like this, so a secret may be of any length. */
const KEY_GENERATOR = Buffer.alloc(32);
KEY_GENERATOR.write('macaroons-key-generator', 'latin1');

function deriveKey(rootKey: Uint8Array): Uint8Array {
  if (rootKey.length === 0) throw new TypeError('The root key is empty.');
  return hmac(KEY_GENERATOR, rootKey);
}

function chain(signature: Uint8Array, caveat: MacaroonCaveat): Uint8Array {
  if (caveat.thirdParty === undefined) return hmac(signature, caveat.identifier);
  const verificationId = hmac(signature, caveat.thirdParty.verificationId);
  const identifier = hmac(signature, caveat.identifier);
  return hmac(signature, Buffer.concat([verificationId, identifier]));
}

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(data).digest();
}

function toBytes(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? bytesOf(value) : value;
  if (bytes === undefined) throw new TypeError('The text has a lone surrogate, so it has no UTF-8.');
  return bytes;
}
