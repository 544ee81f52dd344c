import { decodeBase64, encodeBase64Url } from './base64.ts';
import { TOKEN_BYTES_MAX } from './bounds.ts';
import type { Macaroon } from './macaroon.ts';
import { MalformedMacaroonError } from './malformed-macaroon-error.ts';
import { decodeV1, encodeV1 } from './v1.ts';
import { decodeV2, encodeV2, V2_MARK } from './v2.ts';
import { decodeV2Json, encodeV2Json } from './v2-json.ts';

/** v1 and v2 binary, both in base64, and v2 as JSON text. */
export type MacaroonFormat = 'v1' | 'v2' | 'v2j';

/**
 * Reads a token in any of the three formats, or throws a {@link MalformedMacaroonError} and nothing else.
 * Whatever a correct writer would not write is malformed. What comes back is not verified yet.
 */
export function decode(text: string): Macaroon {
  if (Buffer.byteLength(text, 'utf8') > TOKEN_BYTES_MAX) {
    throw new MalformedMacaroonError(`The token is longer than ${TOKEN_BYTES_MAX} bytes.`);
  }
  if (text.startsWith('{')) return decodeV2Json(text);
  const bytes = decodeBase64(text);
  // A v1 token starts with a hex digit, so the first byte tells the two apart.
  return bytes[0] === V2_MARK ? decodeV2(bytes) : decodeV1(bytes);
}

/**
 * Writes a token: base64url without padding, or JSON. Throws a `RangeError` rather than write one that
 * {@link decode} would find too long.
 */
export function encode(macaroon: Macaroon, format: MacaroonFormat): string {
  const text = serialise(macaroon, format);
  if (Buffer.byteLength(text, 'utf8') > TOKEN_BYTES_MAX) {
    throw new RangeError(`The token would be longer than ${TOKEN_BYTES_MAX} bytes.`);
  }
  return text;
}

function serialise(macaroon: Macaroon, format: MacaroonFormat): string {
  switch (format) {
    case 'v1':
      return encodeBase64Url(encodeV1(macaroon));
    case 'v2':
      return encodeBase64Url(encodeV2(macaroon));
    case 'v2j':
      return encodeV2Json(macaroon);
  }
}
