/**
 * SHA-256 (FIPS 180-4), one call for one hash. Browsers have one too, but theirs is asked for and waited for, which costs
 * more than hashing when each entry of a ledger needs three; and a page that came over plain HTTP has none.
 */

const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;
const ROUNDS = 64;

/** The first 32 bits behind the point of the cube roots of the first 64 primes (section 4.2.2). */
const ROUND_CONSTANTS = fractions(ROUNDS, Math.cbrt);
/** The same of the square roots of the first eight (section 5.3.3). */
const START = fractions(8, Math.sqrt);

const schedule = new Int32Array(ROUNDS);
const encoder = new TextEncoder();

/** Of bytes, or of a text as UTF-8. */
export function sha256(input: string | Uint8Array): Uint8Array {
  const padded = pad(typeof input === 'string' ? encoder.encode(input) : input);
  const view = new DataView(padded.buffer);
  const state = Int32Array.from(START);
  for (let at = 0; at < padded.byteLength; at += BLOCK_BYTES) compress(state, view, at);
  const digest = new DataView(new ArrayBuffer(state.byteLength));
  state.forEach((word, at) => {
    digest.setInt32(4 * at, word);
  });
  return new Uint8Array(digest.buffer);
}

/** A one, zeros, and the length in bits, up to a whole number of blocks (section 5.1.1). */
function pad(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const blocks = Math.ceil((bytes.byteLength + 1 + LENGTH_BYTES) / BLOCK_BYTES);
  const padded = new Uint8Array(blocks * BLOCK_BYTES);
  padded.set(bytes);
  padded[bytes.byteLength] = 0x80;
  const lengthAt = padded.byteLength - LENGTH_BYTES;
  new DataView(padded.buffer).setBigUint64(lengthAt, BigInt(bytes.byteLength) * 8n);
  return padded;
}

/** Section 6.2.2. Reads beyond typed arrays do not occur: their undefined would count as 0. */
function compress(state: Int32Array, block: DataView, start: number): void {
  fillSchedule(block, start);
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let round = 0; round < ROUNDS; round += 1) {
    const choice = (e & f) ^ (~e & g);
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const one = (h + sum1 + choice + (ROUND_CONSTANTS[round] as number) + (schedule[round] as number)) | 0;
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + sum0 + majority) | 0;
  }
  const added = [a, b, c, d, e, f, g, h];
  for (let at = 0; at < added.length; at += 1)
    state[at] = ((state[at] as number) + (added[at] as number)) | 0;
}

function fillSchedule(block: DataView, start: number): void {
  for (let round = 0; round < 16; round += 1) schedule[round] = block.getInt32(start + 4 * round);
  for (let round = 16; round < ROUNDS; round += 1) {
    const early = schedule[round - 15] as number;
    const late = schedule[round - 2] as number;
    const sigma0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const sigma1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    schedule[round] =
      (sigma1 + (schedule[round - 7] as number) + sigma0 + (schedule[round - 16] as number)) | 0;
  }
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** Doubles are exact enough: the roots are below 20, and 32 bits are wanted of the 52 minus 5 that there are. */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const primes: number[] = [];
  for (let candidate = 2; primes.length < count; candidate += 1)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return Int32Array.from(primes, (prime) => ((root(prime) % 1) * 2 ** 32) | 0);
}
