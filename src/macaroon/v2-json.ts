import { decodeBase64, encodeBase64Url } from './base64.ts';
import { CAVEATS_MAX, SIGNATURE_BYTES } from './bounds.ts';
import type { Macaroon, MacaroonCaveat } from './macaroon.ts';
import { MalformedMacaroonError } from './malformed-macaroon-error.ts';
import { bytesOf, lossyTextOf, textOf } from './text.ts';

/**
 * The v2 JSON format. Bytes are a string member, or the same member with `64` at its name's end, in
 * base64. `v` may be left out at the top (the Go and Java libraries do), and so may what is empty.
 */
type Members = Record<string, unknown>;

/** Reads the text itself, not base64 of it, or throws a {@link MalformedMacaroonError}. */
export function decodeV2Json(text: string): Macaroon {
  const members = membersOf(parse(text), ['v', 'l', 'l64', 'i', 'i64', 'c', 's', 's64']);
  if (Object.hasOwn(members, 'v') && members.v !== 2) {
    throw new MalformedMacaroonError('The token has a "v" other than 2.');
  }
  const signature = bytesMember(members, 's');
  if (signature?.length !== SIGNATURE_BYTES) {
    throw new MalformedMacaroonError(`The signature of the token is not ${SIGNATURE_BYTES} bytes long.`);
  }
  return {
    location: lossyTextOf(bytesMember(members, 'l') ?? new Uint8Array()),
    // The identifiers of a Databox's own tokens are empty, so the Go library leaves theirs out.
    identifier: bytesMember(members, 'i') ?? new Uint8Array(),
    caveats: caveatsOf(members),
    signature,
  };
}

function caveatsOf(members: Members): MacaroonCaveat[] {
  if (!Object.hasOwn(members, 'c')) return [];
  const caveats = members.c;
  if (!Array.isArray(caveats)) throw new MalformedMacaroonError('The "c" of the token is not an array.');
  if (caveats.length > CAVEATS_MAX) {
    throw new MalformedMacaroonError(`The token has more than ${CAVEATS_MAX} caveats.`);
  }
  return caveats.map(caveatOf);
}

function caveatOf(value: unknown): MacaroonCaveat {
  const members = membersOf(value, ['i', 'i64', 'l', 'l64', 'v', 'v64']);
  const identifier = bytesMember(members, 'i');
  if (identifier === undefined) throw new MalformedMacaroonError('A caveat of the token has no "i".');
  const location = bytesMember(members, 'l');
  const verificationId = bytesMember(members, 'v');
  if (verificationId === undefined) {
    if (location !== undefined) throw new MalformedMacaroonError('A caveat of the token has "l" and no "v".');
    return { identifier };
  }
  if (verificationId.length === 0) throw new MalformedMacaroonError('A "v" of the token is empty.');
  return { identifier, thirdParty: { verificationId, location: lossyTextOf(location ?? new Uint8Array()) } };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, and the text is a secret.
    throw new MalformedMacaroonError('The token is not JSON.');
  }
}

function membersOf(value: unknown, known: readonly string[]): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MalformedMacaroonError('The token has something else where an object must be.');
  }
  if (Object.keys(value).some((name) => !known.includes(name))) {
    throw new MalformedMacaroonError(`The token has a member that is none of ${known.join(', ')}.`);
  }
  return value as Members;
}

function bytesMember(members: Members, name: string): Uint8Array | undefined {
  const name64 = `${name}64`;
  if (Object.hasOwn(members, name) && Object.hasOwn(members, name64)) {
    throw new MalformedMacaroonError(`The token has both "${name}" and "${name64}".`);
  }
  const text = stringMember(members, name);
  if (text !== undefined) {
    const bytes = bytesOf(text);
    if (bytes === undefined) throw new MalformedMacaroonError(`The "${name}" of the token is not Unicode.`);
    return bytes;
  }
  const base64 = stringMember(members, name64);
  return base64 === undefined ? undefined : decodeBase64(base64);
}

function stringMember(members: Members, name: string): string | undefined {
  if (!Object.hasOwn(members, name)) return undefined;
  const value = members[name];
  if (typeof value !== 'string') throw new MalformedMacaroonError(`The "${name}" of the token is no string.`);
  return value;
}

/** Writes the text; bytes that are not UTF-8, and the signature always, as base64. */
export function encodeV2Json(macaroon: Macaroon): string {
  return JSON.stringify({
    v: 2,
    ...(macaroon.location === '' ? {} : { l: macaroon.location }),
    ...encodeBytes('i', macaroon.identifier),
    c: macaroon.caveats.map(encodeCaveat),
    s64: encodeBase64Url(macaroon.signature),
  });
}

function encodeCaveat(caveat: MacaroonCaveat): Members {
  const identifier = encodeBytes('i', caveat.identifier);
  if (caveat.thirdParty === undefined) return identifier;
  const { verificationId, location } = caveat.thirdParty;
  return {
    ...identifier,
    ...(location === '' ? {} : { l: location }),
    v64: encodeBase64Url(verificationId),
  };
}

function encodeBytes(name: string, bytes: Uint8Array): Members {
  const text = textOf(bytes);
  return text === undefined ? { [`${name}64`]: encodeBase64Url(bytes) } : { [name]: text };
}
