import { decodeBase64, encodeBase64 } from './base64.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import { checkName } from './note-name.ts';
import { sha256 } from './sha256.ts';

export const PUBLIC_KEY_BYTES = 32;
const KEY_ID_BYTES = 4;

/** The first byte of a key: which signatures it makes. Others are cosignatures of witnesses (0x04, 0x06). */
const ED25519 = 0x01;

/**
 * The name and the 32 bytes of a key for verifiers.
 *
 * @throws MalformedLedgerError
 */
export function readVerifierKey(text: string): { name: string; publicKey: Uint8Array } {
  // The base64 may hold plus signs, the name may not.
  const [, name = '', id = '', base64 = ''] = /^([^+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text) ?? [];
  if (name === '') throw new MalformedLedgerError('The key is not NAME+ID+KEY, with an ID of 8 hex digits.');
  checkName(name);
  const typedKey = decodeBase64(base64, 'The key');
  if (typedKey[0] !== ED25519 || typedKey.byteLength !== 1 + PUBLIC_KEY_BYTES) {
    throw new MalformedLedgerError('The key is not one of Ed25519: type 1 and 32 bytes.');
  }
  if (hex(keyId(name, typedKey)) !== id) {
    throw new MalformedLedgerError('The ID of the key is not the one of this name and key.');
  }
  return { name, publicKey: typedKey.subarray(1) };
}

export function printVerifierKey(name: string, id: Uint8Array, typedKey: Uint8Array): string {
  return `${name}+${hex(id)}+${encodeBase64(typedKey)}`;
}

export function keyId(name: string, typedKey: Uint8Array): Uint8Array {
  return sha256(concatenated(new TextEncoder().encode(`${name}\n`), typedKey)).subarray(0, KEY_ID_BYTES);
}

export function withType(publicKey: Uint8Array): Uint8Array {
  return concatenated(Uint8Array.of(ED25519), publicKey);
}

function concatenated(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.byteLength + other.byteLength);
  both.set(one);
  both.set(other, one.byteLength);
  return both;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
