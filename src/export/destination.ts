import { ExportError } from './errors.ts';

/** Longest destination URL taken, in UTF-8 bytes: no token of 8 KiB can name a longer one. */
export const DESTINATION_BYTES_MAX = 8_192;

/** Characters that URL parsers drop or turn: with them, what was agreed to would not be what is connected to. */
const CONTROL_OR_BLANK = /[\p{Cc}\p{Z}]/u;

/** Where an export goes, parsed and checked once. */
export interface Destination {
  /** The text as the app gave it: what is compared, stored and shown. */
  readonly uri: string;
  /** The same, parsed: tells where to connect, and nothing else. */
  readonly url: URL;
}

/**
 * Reads `uri` as a destination.
 *
 * @throws ExportError `invalid_request` when it is no absolute URL
 */
export function parseDestination(uri: string): Destination {
  if (Buffer.byteLength(uri) > DESTINATION_BYTES_MAX) {
    throw new ExportError('invalid_request', `"uri" is longer than ${DESTINATION_BYTES_MAX} bytes.`);
  }
  const url = CONTROL_OR_BLANK.test(uri) || !uri.isWellFormed() ? null : URL.parse(uri);
  if (url === null) {
    throw new ExportError(
      'invalid_request',
      '"uri" is not a URL. Give an absolute one, such as "https://example.org/in".',
    );
  }
  return { uri, url };
}

/** Decides before an export is taken whether its destination can ever be connected to. */
export interface DestinationPolicy {
  /** Why `url` is refused, as a sentence for the app's developer; null when it is not. */
  refusal(url: URL): string | null;
}
