/**
 * Arithmetic on places in a tree. JavaScript's shifts and masks cut numbers to 32 bits, and its logarithm rounds; a log
 * may be larger, and a checkpoint from outside may say anything.
 */

/** A whole number from 0 that is held without loss. */
export function isCount(n: unknown): n is number {
  return Number.isSafeInteger(n) && (n as number) >= 0;
}

export function isOdd(n: number): boolean {
  return n % 2 === 1;
}

/** `n` without its lowest bit. */
export function half(n: number): number {
  return Math.floor(n / 2);
}

/** The level of the largest complete subtree among `n` leaves, which are at least 1. */
export function levelOf(n: number): number {
  let level = 0;
  for (let rest = half(n); rest > 0; rest = half(rest)) level += 1;
  return level;
}

/** The largest power of two below `n`, which is at least 2: how many leaves the left half of a tree has. */
export function splitPoint(n: number): number {
  return 2 ** levelOf(n - 1);
}

/** How many complete subtrees `n` leaves make up: the bits set. */
export function subtreeCount(n: number): number {
  let count = 0;
  for (let rest = n; rest > 0; rest = half(rest)) if (isOdd(rest)) count += 1;
  return count;
}
