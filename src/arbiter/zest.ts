/**
 * Zest, the protocol of a Databox's arbiter: one frame asks, one frame answers. Big endian throughout:
 *
 *     code:8 options:8 tokenBytes:16 | token | { number:16 bytes:16 value } for each option | payload to the end
 *
 * Pure, both ways, and to the letter: a length that points past the frame's end is malformed. (Of the readers that are
 * about, some panic there and some read an empty answer.)
 */

/** What a frame holds, whichever way it goes. A frame has exactly one such reading, and each such message one frame. */
export interface ZestMessage {
  /** A method, or how it went. */
  readonly code: number;
  /** What the sender proves itself with; answers leave it empty. */
  readonly token: Uint8Array;
  readonly options: readonly ZestOption[];
  readonly payload: Uint8Array;
}

export interface ZestOption {
  readonly number: number;
  readonly value: Uint8Array;
}

/** What is asked of an arbiter. */
export interface ZestRequest {
  readonly method: ZestMethod;
  readonly path: string;
  /** Who asks: the name the box knows it by. */
  readonly identity: string;
  readonly contentFormat: number;
  readonly token: Uint8Array;
  readonly payload: Uint8Array;
}

/** How it went. */
export interface ZestAnswer {
  /** One of {@link ZEST_CODES}, or one that we do not know. */
  readonly code: number;
  /** Null where there is none. */
  readonly contentFormat: number | null;
  readonly payload: Uint8Array;
}

export type ZestMethod = keyof typeof METHOD_CODES;

const METHOD_CODES = { GET: 1, POST: 2, DELETE: 4 } as const;

/** What arbiters answer with. */
export const ZEST_CODES = {
  created: 65,
  deleted: 66,
  content: 69,
  badRequest: 128,
  unauthorized: 129,
  notAcceptable: 134,
  tooLarge: 141,
  unsupportedFormat: 143,
  internalError: 160,
  unavailable: 163,
} as const;

export const CONTENT_FORMATS = { text: 0, binary: 42, json: 50 } as const;

const OPTIONS = { uriHost: 3, uriPath: 11, contentFormat: 12 } as const;

/** Largest frame that is read or written. A secret's has 46 bytes, a token's a few hundred. */
export const ZEST_FRAME_BYTES_MAX = 64 * 1_024;
const HEADER_BYTES = 4;
const OPTION_HEADER_BYTES = 4;
const CONTENT_FORMAT_BYTES = 2;
const OPTIONS_MAX = 0xff;
const LENGTH_MAX = 0xffff;

/** The frame is no Zest, or not what is expected of one. The message says what is wrong and holds nothing of the frame. */
export class MalformedZestError extends Error {
  override readonly name = 'MalformedZestError';
}

/** @throws RangeError for a message that no frame can hold */
export function encodeMessage({ code, token, options, payload }: ZestMessage): Uint8Array {
  assertFits('code', code, 0xff);
  assertFits('number of options', options.length, OPTIONS_MAX);
  assertFits('length of the token', token.length, LENGTH_MAX);
  const header = Buffer.of(code, options.length, ...bigEndian(token.length));
  const frame = Buffer.concat([header, token, ...options.flatMap(optionParts), payload]);
  assertFits('length of the frame', frame.length, ZEST_FRAME_BYTES_MAX);
  return frame;
}

function optionParts({ number, value }: ZestOption): Uint8Array[] {
  assertFits('number of an option', number, LENGTH_MAX);
  assertFits('length of an option', value.length, LENGTH_MAX);
  return [Buffer.of(...bigEndian(number), ...bigEndian(value.length)), value];
}

function assertFits(what: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new RangeError(`The ${what} must be 0 to ${max}, not ${value}.`);
  }
}

function bigEndian(value: number): [high: number, low: number] {
  return [value >> 8, value & 0xff];
}

/** @throws MalformedZestError */
export function decodeMessage(frame: Uint8Array): ZestMessage {
  if (frame.length > ZEST_FRAME_BYTES_MAX) {
    throw new MalformedZestError(`The frame is longer than ${ZEST_FRAME_BYTES_MAX} bytes.`);
  }
  const reader = new FrameReader(frame);
  const [code = 0, optionCount = 0, high = 0, low = 0] = reader.take(HEADER_BYTES, 'header');
  const token = reader.take((high << 8) | low, 'token');
  const options = Array.from({ length: optionCount }, () => takeOption(reader));
  return { code, token, options, payload: reader.rest };
}

function takeOption(reader: FrameReader): ZestOption {
  const header = reader.take(OPTION_HEADER_BYTES, 'options');
  return { number: uint16(header), value: reader.take(uint16(header.subarray(2)), 'options') };
}

function uint16([high = 0, low = 0]: Uint8Array): number {
  return (high << 8) | low;
}

class FrameReader {
  #rest: Uint8Array;

  constructor(frame: Uint8Array) {
    this.#rest = frame;
  }

  get rest(): Uint8Array {
    return this.#rest;
  }

  take(length: number, what: string): Uint8Array {
    if (length > this.#rest.length) throw new MalformedZestError(`The frame ends inside its ${what}.`);
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/**
 * A request as the box's own libraries write it, to the byte: path, identity, content format.
 *
 * @throws RangeError for one that no frame can hold
 */
export function encodeRequest(request: ZestRequest): Uint8Array {
  return encodeMessage({
    code: METHOD_CODES[request.method],
    token: request.token,
    options: [
      { number: OPTIONS.uriPath, value: Buffer.from(request.path) },
      { number: OPTIONS.uriHost, value: Buffer.from(request.identity) },
      contentFormatOption(request.contentFormat),
    ],
    payload: request.payload,
  });
}

/**
 * Reads a request; its three options may come in any order, and others are passed over.
 *
 * @returns `method` null for a method that we do not know
 * @throws MalformedZestError
 */
export function decodeRequest(
  frame: Uint8Array,
): Omit<ZestRequest, 'method'> & { readonly method: ZestMethod | null } {
  const message = decodeMessage(frame);
  const contentFormat = readContentFormat(message);
  if (contentFormat === null) throw new MalformedZestError('The request has no content format.');
  return {
    method: methodOf(message.code),
    path: textOption(message, OPTIONS.uriPath, 'path'),
    identity: textOption(message, OPTIONS.uriHost, 'identity'),
    contentFormat,
    token: message.token,
    payload: message.payload,
  };
}

function methodOf(code: number): ZestMethod | null {
  const methods = Object.keys(METHOD_CODES) as ZestMethod[];
  return methods.find((method) => METHOD_CODES[method] === code) ?? null;
}

/** @throws RangeError for an answer that no frame can hold */
export function encodeAnswer({ code, contentFormat, payload }: ZestAnswer): Uint8Array {
  const options = contentFormat === null ? [] : [contentFormatOption(contentFormat)];
  return encodeMessage({ code, token: NOTHING, options, payload });
}

/** @throws MalformedZestError */
export function decodeAnswer(frame: Uint8Array): ZestAnswer {
  const message = decodeMessage(frame);
  return { code: message.code, contentFormat: readContentFormat(message), payload: message.payload };
}

const NOTHING = new Uint8Array(0);

function contentFormatOption(contentFormat: number): ZestOption {
  assertFits('content format', contentFormat, LENGTH_MAX);
  return { number: OPTIONS.contentFormat, value: Buffer.of(...bigEndian(contentFormat)) };
}

function readContentFormat(message: ZestMessage): number | null {
  const value = findOption(message, OPTIONS.contentFormat);
  if (value === undefined) return null;
  if (value.length !== CONTENT_FORMAT_BYTES) {
    throw new MalformedZestError(`The content format has ${value.length} bytes and not 2.`);
  }
  return uint16(value);
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOption(message: ZestMessage, number: number, what: string): string {
  const value = findOption(message, number);
  if (value === undefined) throw new MalformedZestError(`The request has no ${what}.`);
  try {
    return utf8.decode(value);
  } catch {
    throw new MalformedZestError(`The ${what} of the request is not UTF-8.`);
  }
}

/** Of repeated options the last counts, as the arbiter reads them. */
function findOption({ options }: ZestMessage, number: number): Uint8Array | undefined {
  return options.findLast((option) => option.number === number)?.value;
}
