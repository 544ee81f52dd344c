import type { JsonWritable } from './json-writable.ts';
import type { JsonValue, WireNewExport } from './wire.ts';

/** What is exported: a value that the client writes as JSON, or JSON text that travels byte for byte. */
export type ExportContent<Data = JsonValue> =
  | {
      /**
       * A value that JSON can hold; one that it cannot is a compile error. A string becomes a JSON string; for JSON
       * text use `json`.
       */
      data: Data & JsonWritable<Data>;
      json?: never;
    }
  | {
      /** JSON text, or its UTF-8 bytes. The destination receives exactly these bytes. */
      json: string | Uint8Array;
      data?: never;
    };

/** An export to be handed over; `Data` is the type of its value, and is inferred in calls. */
export type NewExport<Data = JsonValue> = ExportContent<Data> & {
  /** The URL, exactly as the token names it. */
  destination: string;
  /** Attempts at the delivery: 1 to the service's own maximum, which is the default. */
  attemptsMax?: number;
  /**
   * 1 to 255 visible characters. Two submissions with the same key and destination are one export. Default: a random
   * one for each submission. Give your own when you want to submit again after the client gave up, or after a crash.
   */
  idempotencyKey?: string;
};

/** A `NewExport` of whatever; what it holds is checked when it is written. */
export interface AnyExport {
  destination: string;
  attemptsMax?: number;
  idempotencyKey?: string;
  data?: unknown;
  json?: unknown;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * A submission as it travels.
 *
 * @throws TypeError for what can never be right
 */
export function wireExport(submission: AnyExport): WireNewExport & { idempotency_key: string } {
  const { destination, attemptsMax, idempotencyKey = crypto.randomUUID() } = submission;
  if (typeof destination !== 'string' || destination === '') {
    throw new TypeError('An export needs a destination: the URL, exactly as the token names it.');
  }
  if (!IDEMPOTENCY_KEY.test(idempotencyKey)) {
    throw new TypeError('An idempotency key has 1 to 255 visible ASCII characters.');
  }
  return {
    uri: destination,
    data: jsonText(submission),
    ...(attemptsMax === undefined ? {} : { attempts_max: attemptsMax }),
    idempotency_key: idempotencyKey,
  };
}

/** Always text: the service sends text on as it is, so what arrives is decided here and nowhere else. */
function jsonText({ data, json }: { data?: unknown; json?: unknown }): string {
  if ((data === undefined) === (json === undefined)) {
    throw new TypeError('An export has either data (a value) or json (JSON text).');
  }
  if (typeof json === 'string') return json;
  if (json instanceof Uint8Array) return decodeUtf8(json);
  if (json !== undefined) throw new TypeError('json is JSON text or its UTF-8 bytes; a value goes in data.');
  const text: string | undefined = JSON.stringify(data);
  if (text === undefined) throw new TypeError('The data is nothing that JSON can write.');
  return text;
}

function decodeUtf8(bytes: Uint8Array): string {
  // A byte order mark stays, so that the service can refuse it: taking it away would change the bytes.
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}
