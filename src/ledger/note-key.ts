import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { checkName } from './note-name.ts';
import { keyId, PUBLIC_KEY_BYTES, printVerifierKey, readVerifierKey, withType } from './verifier-key.ts';

export { readVerifierKey } from './verifier-key.ts';

/** Of an Ed25519 private key (RFC 8032). */
export const SEED_BYTES = 32;

/** What stands before the seed in PKCS #8, and before the public key in SPKI (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Whose signature, by name and key, one line of a note is. */
export interface NoteKey {
  readonly name: string;
  /** Tells keys of one name apart; no secret, and no proof of anything. */
  readonly id: Uint8Array;
}

/** Checks signatures of one key. */
export interface NoteVerifier extends NoteKey {
  verifies(text: string, signature: Uint8Array): boolean;
}

/** Makes signatures. */
export interface NoteSigner extends NoteKey {
  sign(text: string): Uint8Array;
  /** The key for verifiers: `NAME+ID+KEY`. */
  readonly verifierKey: string;
}

/**
 * A signer by Ed25519.
 *
 * @throws MalformedLedgerError when a key cannot have this name
 */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  if (seed.byteLength !== SEED_BYTES) throw new TypeError(`A seed has ${SEED_BYTES} bytes.`);
  checkName(name);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const typedKey = withType(publicKey.subarray(SPKI_PREFIX.byteLength));
  const id = keyId(name, typedKey);
  return {
    name,
    id,
    verifierKey: printVerifierKey(name, id, typedKey),
    sign: (text) => sign(null, Buffer.from(text), privateKey),
  };
}

/** A verifier for a public key of 32 bytes, under any name: the key of a log that went on under another one. */
export function noteVerifier(name: string, publicKey: Uint8Array): NoteVerifier {
  if (publicKey.byteLength !== PUBLIC_KEY_BYTES)
    throw new TypeError(`A public key has ${PUBLIC_KEY_BYTES} bytes.`);
  checkName(name);
  const key = importPublicKey(publicKey);
  return {
    name,
    id: keyId(name, withType(publicKey)),
    verifies: (text, signature) => verify(null, Buffer.from(text), key, signature),
  };
}

/**
 * Reads a key for verifiers, `NAME+ID+KEY`: the ID in 8 hex digits, the key in base64 with its type in front.
 *
 * @throws MalformedLedgerError
 */
export function parseVerifierKey(text: string): NoteVerifier {
  const { name, publicKey } = readVerifierKey(text);
  return noteVerifier(name, publicKey);
}

function importPublicKey(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
}
