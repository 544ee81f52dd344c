import { MalformedLedgerError } from './malformed-ledger-error.ts';

/**
 * Standard base64 with its padding, as all C2SP formats use it. By `atob` and `btoa`, which browsers have too: the owner's
 * page reads checkpoints with this.
 */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/**
 * Decoders differ in what they put up with; here what is not written as {@link encodeBase64} writes it is malformed, so
 * that nothing has two spellings.
 *
 * @param what for the error
 * @throws MalformedLedgerError
 */
export function decodeBase64(text: string, what: string): Uint8Array {
  const bytes = decoded(text);
  if (bytes === null || encodeBase64(bytes) !== text)
    throw new MalformedLedgerError(`${what} is not base64.`);
  return bytes;
}

function decoded(text: string): Uint8Array | null {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
