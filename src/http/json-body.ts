import { isUtf8 } from 'node:buffer';
import { ExportError } from '../export/errors.ts';
import { isTooDeep, JSON_DEPTH_MAX } from './json-depth.ts';

/** The body as text; `invalid_json` when it has none, since JSON is UTF-8. */
export function bodyText(body: Uint8Array | undefined): string {
  if (body === undefined || body.length === 0) {
    throw new ExportError('invalid_json', 'The body is empty. Send a JSON object or an array of them.');
  }
  if (!isUtf8(body)) {
    throw new ExportError('invalid_json', 'The body is not UTF-8. Send JSON in UTF-8, not compressed.');
  }
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
}

/** Throws `invalid_json`, and `invalid_request` for what is nested too deeply. */
export function parseBody(text: string): unknown {
  if (isTooDeep(text)) {
    throw new ExportError(
      'invalid_request',
      `The body is nested deeper than ${JSON_DEPTH_MAX} levels. Send flatter JSON.`,
    );
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, and a payload must not come back in an error.
    throw new ExportError(
      'invalid_json',
      'The body is not valid JSON. Send a JSON object or an array of them.',
    );
  }
}

export type Members = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The members of a JSON object that may be left out as a whole.
 *
 * @throws ExportError `invalid_json`, `invalid_request`
 */
export function readMembers(body: unknown): Members {
  const bytes = body as Uint8Array | undefined;
  if (bytes === undefined || bytes.length === 0) return {};
  const json = parseBody(bodyText(bytes));
  if (!isObject(json)) throw new ExportError('invalid_request', 'The body is no JSON object.');
  return json;
}
