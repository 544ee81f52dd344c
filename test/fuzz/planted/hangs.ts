import type { FuzzTarget } from '../target.ts';

/** A parser with a mistake: a length of zero makes it read for ever. */

export function open(): FuzzTarget {
  return {
    seeds: [Buffer.from('seed')],
    dictionary: ['word'],
    check: (input) => {
      let at = 0;
      while (at < input.length) at += input[at] ?? 1;
      return 'read';
    },
  };
}
