import type { Random } from '../fault/random.ts';

/** Larger inputs are cut: what goes wrong with long ones goes wrong with these too, or is a bound's own test. */
export const INPUT_BYTES_MAX = 64 * 1_024;
const CHANGES_MAX = 8;
const REPEATS_MAX = 300;
/** Edges of signs, lengths, digits, quotes, line ends, brackets, and bytes that are no UTF-8. */
const TELLING_BYTES = Buffer.from([
  0x00, 0x01, 0x7f, 0x80, 0xff, 0xc0, 0xed, 0xf4, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x2f, 0x30, 0x39, 0x3a, 0x3d,
  0x5b, 0x5c, 0x5d, 0x7b, 0x7d,
]);

type Change = (bytes: Buffer, random: Random, words: readonly Uint8Array[]) => Buffer;

const splice = (bytes: Buffer, start: number, end: number, put: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(end)]);

/** A stretch of `bytes`, its end excluded. */
function stretch(bytes: Buffer, random: Random): [start: number, end: number] {
  const start = random.int(0, bytes.length);
  return [
    start,
    Math.min(bytes.length, start + random.int(1, Math.max(1, bytes.length >> random.int(0, 6)))),
  ];
}

const CHANGES: readonly Change[] = [
  function flipBit(bytes, random) {
    const at = random.int(0, Math.max(0, bytes.length - 1));
    return splice(bytes, at, at + 1, Buffer.of((bytes[at] ?? 0) ^ (1 << random.int(0, 7))));
  },
  function setByte(bytes, random) {
    const at = random.int(0, Math.max(0, bytes.length - 1));
    const byte = random.chance(0.5) ? random.pick([...TELLING_BYTES]) : random.int(0, 255);
    return splice(bytes, at, at + 1, Buffer.of(byte));
  },
  function insertBytes(bytes, random) {
    const at = random.int(0, bytes.length);
    return splice(bytes, at, at, randomBytes(random.int(1, 8), random));
  },
  function leaveOut(bytes, random) {
    const [start, end] = stretch(bytes, random);
    return splice(bytes, start, end, Buffer.alloc(0));
  },
  function repeatStretch(bytes, random) {
    const [start, end] = stretch(bytes, random);
    const times = random.chance(0.9) ? 1 : random.int(2, REPEATS_MAX);
    const repeated = Buffer.concat(Array.from({ length: times }, () => bytes.subarray(start, end)));
    return splice(bytes, end, end, repeated.subarray(0, INPUT_BYTES_MAX));
  },
  function moveStretch(bytes, random) {
    const [start, end] = stretch(bytes, random);
    const rest = splice(bytes, start, end, Buffer.alloc(0));
    const at = random.int(0, rest.length);
    return splice(rest, at, at, bytes.subarray(start, end));
  },
  function insertWord(bytes, random, words) {
    const at = random.int(0, bytes.length);
    return splice(bytes, at, at, random.pick(words));
  },
  function replaceByWord(bytes, random, words) {
    const [start, end] = stretch(bytes, random);
    return splice(bytes, start, end, random.pick(words));
  },
  function cut(bytes, random) {
    return bytes.subarray(0, random.int(0, bytes.length));
  },
  function changeDigit(bytes, random) {
    const digits = [...bytes.keys()].filter((at) => isDigit(bytes[at]));
    if (digits.length === 0) return bytes;
    const at = random.pick(digits);
    return splice(bytes, at, at + 1, Buffer.from(String(random.int(0, random.chance(0.8) ? 9 : 99_999))));
  },
];

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** A good input with one to eight changes; now and then two of them joined, or noise. */
export function mutate(seeds: readonly Uint8Array[], dictionary: readonly string[], random: Random): Buffer {
  if (random.chance(0.02)) return randomBytes(random.int(0, 200), random);
  const words = [...wordsOf(dictionary), ...seeds];
  let bytes: Buffer = Buffer.from(random.pick(seeds));
  if (random.chance(0.1)) bytes = joined(bytes, Buffer.from(random.pick(seeds)), random);
  for (let left = random.int(1, CHANGES_MAX); left > 0; left -= 1) {
    bytes = random.pick(CHANGES)(bytes, random, words).subarray(0, INPUT_BYTES_MAX);
  }
  return bytes;
}

const KNOWN_WORDS = new WeakMap<readonly string[], readonly Buffer[]>();

/** Made once for a target, not for each of its millions of inputs. */
function wordsOf(dictionary: readonly string[]): readonly Buffer[] {
  const known = KNOWN_WORDS.get(dictionary) ?? dictionary.map((word) => Buffer.from(word));
  KNOWN_WORDS.set(dictionary, known);
  return known;
}

function joined(one: Buffer, other: Buffer, random: Random): Buffer {
  return Buffer.concat([
    one.subarray(0, random.int(0, one.length)),
    other.subarray(random.int(0, other.length)),
  ]);
}

export function randomBytes(length: number, random: Random): Buffer {
  return Buffer.from(Array.from({ length }, () => random.int(0, 255)));
}
