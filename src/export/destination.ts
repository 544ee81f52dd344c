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

/**
 * Whether some export may ever go there, as far as the text tells: a rule about anything else would match nothing, and its
 * owner believe that it does. A port without a scheme reads as a scheme (`lab.example:443`); patterns are no URLs of ours.
 */
export function canBeDestination(text: string): boolean {
  if (Buffer.byteLength(text) > DESTINATION_BYTES_MAX || CONTROL_OR_BLANK.test(text) || !text.isWellFormed())
    return false;
  const url = URL.parse(text);
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return false;
  const beforeQuery = text.replace(/[?#].*$/s, '');
  const isPlain = beforeQuery.includes('://') && !beforeQuery.includes('\\') && !url.hostname.includes('*');
  return isPlain && url.username === '' && url.password === '';
}

/** Decides before an export is taken whether its destination can ever be connected to. */
export interface DestinationPolicy {
  /** Why `url` is refused, as a sentence for the app's developer; null when it is not. */
  refusal(url: URL): string | null;
}
