import { CAVEATS_MAX, PACKET_BYTES_MAX, SIGNATURE_BYTES } from './bounds.ts';
import type { Macaroon, MacaroonCaveat } from './macaroon.ts';
import { MalformedMacaroonError } from './malformed-macaroon-error.ts';
import { lossyTextOf } from './text.ts';

/**
 * The v1 binary format. A packet is its own length in four lower-case hex digits, a key, one blank, the
 * value and a newline. Read to the letter: other readers were made to loop for ever by a length of 0000,
 * took `0x0e` for a length, or passed over a missing newline.
 */
type Key = 'location' | 'identifier' | 'cid' | 'vid' | 'cl' | 'signature';

interface Packet {
  readonly key: string;
  readonly value: Uint8Array;
}

const LENGTH_DIGITS = 4;
/** Length, a key of one letter, a blank, an empty value, a newline. */
const PACKET_BYTES_MIN = LENGTH_DIGITS + 3;
const BLANK = 0x20;
const NEWLINE = 0x0a;

/** Reads `bytes` or throws a {@link MalformedMacaroonError}. */
export function decodeV1(bytes: Uint8Array): Macaroon {
  const packets = new PacketReader(bytes);
  const location = lossyTextOf(packets.take('location'));
  const identifier = packets.take('identifier');
  const caveats: MacaroonCaveat[] = [];
  while (packets.nextKey !== 'signature') {
    if (caveats.length === CAVEATS_MAX) {
      throw new MalformedMacaroonError(`The token has more than ${CAVEATS_MAX} caveats.`);
    }
    caveats.push(takeCaveat(packets));
  }
  const signature = packets.take('signature');
  if (signature.length !== SIGNATURE_BYTES) {
    throw new MalformedMacaroonError(`The signature of the token is not ${SIGNATURE_BYTES} bytes long.`);
  }
  if (packets.nextKey !== undefined) {
    throw new MalformedMacaroonError('The token goes on after its signature.');
  }
  return { location, identifier, caveats, signature };
}

/**
 * A third-party caveat is `cid vid cl`, except from the OCaml writer: `vid cl cid`. After a `cid`, a `vid`
 * is read as belonging to it. That misreads an OCaml token with a first-party caveat in front, which then
 * fails its signature; read rightly it would be refused for the third-party caveat all the same.
 */
function takeCaveat(packets: PacketReader): MacaroonCaveat {
  if (packets.nextKey === 'vid') {
    const thirdParty = takeThirdParty(packets);
    return { identifier: packets.take('cid'), thirdParty };
  }
  const identifier = packets.take('cid');
  return packets.nextKey === 'vid' ? { identifier, thirdParty: takeThirdParty(packets) } : { identifier };
}

function takeThirdParty(packets: PacketReader): { verificationId: Uint8Array; location: string } {
  const verificationId = packets.take('vid');
  if (verificationId.length === 0) throw new MalformedMacaroonError('A vid packet of the token is empty.');
  return { verificationId, location: lossyTextOf(packets.take('cl')) };
}

/** Steps through the packets, one ahead, so that what follows can be decided by its key. */
class PacketReader {
  readonly #bytes: Uint8Array;
  #offset = 0;
  #next: Packet | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#next = this.#read();
  }

  /** The key of the packet that comes next; undefined at the end. */
  get nextKey(): string | undefined {
    return this.#next?.key;
  }

  /** The value of the next packet, which must have this key. */
  take(key: Key): Uint8Array {
    if (this.#next?.key !== key) {
      throw new MalformedMacaroonError(`The token has no ${key} packet where one must be.`);
    }
    const { value } = this.#next;
    this.#next = this.#read();
    return value;
  }

  #read(): Packet | undefined {
    const left = this.#bytes.subarray(this.#offset);
    if (left.length === 0) return undefined;
    const length = packetLength(left);
    this.#offset += length;
    return parsePacket(left.subarray(0, length));
  }
}

function packetLength(bytes: Uint8Array): number {
  const digits = lossyTextOf(bytes.subarray(0, LENGTH_DIGITS));
  if (!/^[0-9a-f]{4}$/.test(digits)) {
    throw new MalformedMacaroonError('A packet of the token does not start with four lower-case hex digits.');
  }
  const length = Number.parseInt(digits, 16);
  if (length < PACKET_BYTES_MIN || length > bytes.length) {
    throw new MalformedMacaroonError('A packet of the token is shorter or longer than it can be.');
  }
  return length;
}

function parsePacket(packet: Uint8Array): Packet {
  if (packet.at(-1) !== NEWLINE) {
    throw new MalformedMacaroonError('A packet of the token does not end in a newline.');
  }
  const blank = packet.indexOf(BLANK);
  if (blank < 0) throw new MalformedMacaroonError('A packet of the token has no blank after its key.');
  return { key: lossyTextOf(packet.subarray(LENGTH_DIGITS, blank)), value: packet.subarray(blank + 1, -1) };
}

/** Writes the macaroon; throws a `RangeError` when a value does not fit into a packet. */
export function encodeV1(macaroon: Macaroon): Uint8Array {
  return Buffer.concat([
    encodePacket('location', Buffer.from(macaroon.location, 'utf8')),
    encodePacket('identifier', macaroon.identifier),
    ...macaroon.caveats.flatMap(encodeCaveat),
    encodePacket('signature', macaroon.signature),
  ]);
}

function encodeCaveat(caveat: MacaroonCaveat): Uint8Array[] {
  const cid = encodePacket('cid', caveat.identifier);
  if (caveat.thirdParty === undefined) return [cid];
  const { verificationId, location } = caveat.thirdParty;
  return [cid, encodePacket('vid', verificationId), encodePacket('cl', Buffer.from(location, 'utf8'))];
}

function encodePacket(key: Key, value: Uint8Array): Uint8Array {
  const length = LENGTH_DIGITS + key.length + 1 + value.length + 1;
  if (length > PACKET_BYTES_MAX) throw new RangeError(`A ${key} of ${value.length} bytes fits no packet.`);
  const head = `${length.toString(16).padStart(LENGTH_DIGITS, '0')}${key} `;
  return Buffer.concat([Buffer.from(head, 'latin1'), value, Buffer.of(NEWLINE)]);
}
