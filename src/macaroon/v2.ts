import { CAVEATS_MAX, SIGNATURE_BYTES } from './bounds.ts';
import type { Macaroon, MacaroonCaveat } from './macaroon.ts';
import { MalformedMacaroonError } from './malformed-macaroon-error.ts';
import { lossyTextOf } from './text.ts';

/**
 * The v2 binary format: the byte 2, then sections of fields, each section closed by an end mark. A field
 * is its number, its length and its bytes; numbers and lengths are varints (seven bits a byte, low first).
 */
export const V2_MARK = 2;

const END = 0;
const FIELD = { location: 1, identifier: 2, verificationId: 4, signature: 6 } as const;
type FieldName = keyof typeof FIELD;

/** Two bytes hold every length up to 16383, and no token is that long. */
const VARINT_BYTES_MAX = 2;

/** Reads `bytes` or throws a {@link MalformedMacaroonError}. */
export function decodeV2(bytes: Uint8Array): Macaroon {
  const fields = new FieldReader(bytes);
  const location = lossyTextOf(fields.takeIfNext('location') ?? new Uint8Array());
  const identifier = fields.take('identifier');
  fields.takeEnd();
  const caveats: MacaroonCaveat[] = [];
  while (!fields.endIsNext) {
    if (caveats.length === CAVEATS_MAX) {
      throw new MalformedMacaroonError(`The token has more than ${CAVEATS_MAX} caveats.`);
    }
    caveats.push(takeCaveat(fields));
  }
  fields.takeEnd();
  const signature = fields.take('signature');
  if (signature.length !== SIGNATURE_BYTES) {
    throw new MalformedMacaroonError(`The signature of the token is not ${SIGNATURE_BYTES} bytes long.`);
  }
  if (!fields.atEnd) throw new MalformedMacaroonError('The token goes on after its signature.');
  return { location, identifier, caveats, signature };
}

function takeCaveat(fields: FieldReader): MacaroonCaveat {
  const location = fields.takeIfNext('location');
  const identifier = fields.take('identifier');
  const verificationId = fields.takeIfNext('verificationId');
  fields.takeEnd();
  if (verificationId === undefined) {
    if (location !== undefined) {
      throw new MalformedMacaroonError('A caveat of the token has a location and no verification id.');
    }
    return { identifier };
  }
  // Some libraries take an empty one for a first-party caveat and sign it differently: no guessing.
  if (verificationId.length === 0) {
    throw new MalformedMacaroonError('A verification id of the token is empty.');
  }
  return { identifier, thirdParty: { verificationId, location: lossyTextOf(location ?? new Uint8Array()) } };
}

class FieldReader {
  readonly #bytes: Uint8Array;
  #offset = 1; // behind V2_MARK

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  get endIsNext(): boolean {
    return this.#bytes[this.#offset] === END;
  }

  takeEnd(): void {
    if (!this.endIsNext)
      throw new MalformedMacaroonError('A section of the token does not end where it must.');
    this.#offset += 1;
  }

  takeIfNext(name: FieldName): Uint8Array | undefined {
    return this.#bytes[this.#offset] === FIELD[name] ? this.take(name) : undefined;
  }

  take(name: FieldName): Uint8Array {
    if (this.#bytes[this.#offset] !== FIELD[name]) {
      throw new MalformedMacaroonError(`The token has no ${name} where one must be.`);
    }
    this.#offset += 1;
    const length = this.#takeVarint();
    const start = this.#offset;
    if (length > this.#bytes.length - start) {
      throw new MalformedMacaroonError('A field of the token is longer than the token.');
    }
    this.#offset = start + length;
    return this.#bytes.subarray(start, this.#offset);
  }

  #takeVarint(): number {
    let value = 0;
    for (let index = 0; index < VARINT_BYTES_MAX; index += 1) {
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) throw new MalformedMacaroonError('The token ends in the middle of a length.');
      this.#offset += 1;
      value += (byte & 0x7f) << (7 * index);
      if (byte < 0x80) {
        if (byte === 0 && index > 0) break; // A longer way to write a shorter number.
        return value;
      }
    }
    throw new MalformedMacaroonError('A length in the token is written in more bytes than it can need.');
  }
}

/** Writes the macaroon; an empty location is left out. */
export function encodeV2(macaroon: Macaroon): Uint8Array {
  return Buffer.concat([
    Buffer.of(V2_MARK),
    ...encodeLocation(macaroon.location),
    encodeField('identifier', macaroon.identifier),
    Buffer.of(END),
    ...macaroon.caveats.flatMap(encodeCaveat),
    Buffer.of(END),
    encodeField('signature', macaroon.signature),
  ]);
}

function encodeCaveat(caveat: MacaroonCaveat): Uint8Array[] {
  const identifier = encodeField('identifier', caveat.identifier);
  if (caveat.thirdParty === undefined) return [identifier, Buffer.of(END)];
  const { verificationId, location } = caveat.thirdParty;
  return [
    ...encodeLocation(location),
    identifier,
    encodeField('verificationId', verificationId),
    Buffer.of(END),
  ];
}

function encodeLocation(location: string): Uint8Array[] {
  return location === '' ? [] : [encodeField('location', Buffer.from(location, 'utf8'))];
}

function encodeField(name: FieldName, value: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(FIELD[name]), encodeVarint(value.length), value]);
}

function encodeVarint(value: number): Uint8Array {
  return value < 0x80
    ? Buffer.of(value)
    : Buffer.concat([Buffer.of((value & 0x7f) | 0x80), encodeVarint(value >>> 7)]);
}
