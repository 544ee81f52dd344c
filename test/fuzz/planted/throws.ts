import type { FuzzTarget } from '../target.ts';

/** A parser with a mistake: it does not expect two zero bytes in a row. */

export function open(): FuzzTarget {
  return {
    seeds: [Buffer.from('seed')],
    dictionary: ['word'],
    check: (input) => {
      const at = Buffer.from(input).indexOf(Buffer.from([0, 0]));
      if (at >= 0) throw new TypeError('a mistake that nobody foresaw');
      return 'read';
    },
  };
}
