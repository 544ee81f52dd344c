import { MalformedMacaroonError } from './malformed-macaroon-error.ts';

const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * Reads base64 in either alphabet, mixed too, padded or not. Node's own decoder skips what it does not
 * know, stops at the first `=` and drops left-over bits; here each of these is malformed, so that one
 * token is not also a thousand other texts.
 */
export function decodeBase64(text: string): Uint8Array {
  if (!BASE64.test(text)) throw new MalformedMacaroonError('The token is not base64.');
  const digits = text.replace(/=+$/, '');
  if (digits !== text && text.length % 4 !== 0) {
    throw new MalformedMacaroonError('The base64 padding of the token is wrong.');
  }
  const bytes = Buffer.from(digits, 'base64');
  if (encodeBase64Url(bytes) !== digits.replaceAll('+', '-').replaceAll('/', '_')) {
    throw new MalformedMacaroonError('The base64 of the token ends in the middle of a byte.');
  }
  return bytes;
}

/** base64url without padding, as libmacaroons writes it. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
