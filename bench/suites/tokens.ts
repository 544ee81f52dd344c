import { Authorizer } from '../../src/auth/authorizer.ts';
import { ROOT_KEY, tokenFor } from '../../test/support/service.ts';
import { type Bench, ratio, rowsOf } from '../support/bench.ts';
import { type Figures, inTurns } from '../support/statistics.ts';

const TOKENS = 5_000;
const TURNS = 10;
const WAYS = ['repeated', 'fresh'] as const;

/** What a service with its defaults does with a token at every request: the caveats cleared too. */
function measure(way: (typeof WAYS)[number], scale: number): Figures {
  const key = Buffer.from(ROOT_KEY);
  const keys = [key];
  const cache = way === 'fresh' ? { cacheMax: 0 } : {};
  const authorizer = new Authorizer({
    keys: () => keys,
    target: 'export-service',
    requireDestination: true,
    hmacsPerSecond: 0,
    ...cache,
  });
  const tokens = Array.from({ length: way === 'fresh' ? TOKENS : 1 }, (_, n) =>
    tokenFor({ destination: `https://collector.example/in/${n}` }),
  );
  const verifyAll = (): void => {
    for (let n = 0; n < TOKENS; n += 1) authorizer.authenticate(tokens[n % tokens.length]);
  };
  verifyAll();
  const before = process.threadCpuUsage();
  const turns = Math.ceil(TURNS * scale * (way === 'fresh' ? 1 : 20));
  for (let turn = 0; turn < turns; turn += 1) verifyAll();
  const { user, system } = process.threadCpuUsage(before);
  const us = (user + system) / (turns * TOKENS);
  return { 'verified/s': 1e6 / us, 'µs CPU': us };
}

export const tokens: Bench = {
  name: 'tokens',
  question: 'How many tokens a second are verified, fresh ones and one that comes again?',
  async run({ rounds, scale }) {
    const results = await inTurns(WAYS, rounds, async (way) => measure(way, scale));
    const findings = ratio(results, WAYS, 'verified/s', { target: 'tokens' });
    return [{ title: 'verifying a token of four caveats', findings, rows: rowsOf(results) }];
  },
};
