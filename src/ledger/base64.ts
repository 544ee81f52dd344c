import { MalformedLedgerError } from './malformed-ledger-error.ts';

/** Standard base64 with its padding, as all C2SP formats use it. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/**
 * Node's own decoder takes either alphabet, skips what it does not know and drops left-over bits; here what is not
 * written as {@link encodeBase64} writes it is malformed, so that nothing has two spellings.
 *
 * @param what for the error
 * @throws MalformedLedgerError
 */
export function decodeBase64(text: string, what: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) throw new MalformedLedgerError(`${what} is not base64.`);
  return bytes;
}
