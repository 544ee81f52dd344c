import type { FuzzTarget } from '../target.ts';

/** A parser that keeps what it was given, many times over. */
const kept: string[][] = [];

export function open(): FuzzTarget {
  return {
    seeds: [Buffer.from('seed')],
    dictionary: ['word'],
    check: (input) => {
      kept.push(Array.from({ length: 10_000 }, (_, n) => `${n} ${input.length}`));
      return 'read';
    },
  };
}
