import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENTRIES_READ_MAX, RefusalReader } from './refusal-reader.ts';

const DAY = Date.UTC(2026, 10, 24);
const NO_END = new AbortController().signal;

/** Logs as a service has them, and what was asked for. */
class Logs {
  readonly entries = new Map<string, object[]>();
  readonly asked: string[] = [];
  isAway = false;

  readonly source = {
    logs: async () =>
      [...this.entries].map(([origin, { length }]) => ({ origin, verifier_key: '', size: length })),
    entries: async (log: string, from: number, limit: number) => {
      if (this.isAway) throw new Error('no answer');
      this.asked.push(`${log} ${from}+${limit}`);
      const items = (this.entries.get(log) ?? []).slice(from, from + limit);
      return {
        items: items.map((entry, at) => ({ index: from + at, entry: JSON.stringify(entry), leaf_hash: '' })),
        next: null,
      };
    },
  };

  write(log: string, count: number, entry: object = {}, at = DAY): void {
    const known = this.entries.get(log) ?? [];
    const time = new Date(at).toISOString();
    this.entries.set(log, [
      ...known,
      ...Array.from({ length: count }, () => ({ kind: 'accepted', time, ...entry })),
    ]);
  }
}

const REFUSED = {
  kind: 'refused',
  code: 'budget_exhausted',
  rule: '1',
  app: 'a',
  destination: 'https://x.example/in',
  others: false,
  count: 3,
};

describe('reading what was refused today', () => {
  it('adds up what is alike in every log, and nothing of yesterday', async () => {
    const logs = new Logs();
    logs.write('one', 1, REFUSED, DAY - 1);
    logs.write('one', 2, REFUSED);
    logs.write('one', 1, { app: '"kind":"refused"' });
    logs.write('other', 1, { ...REFUSED, app: 'b' });
    const { sums, isWhole } = await new RefusalReader(logs.source).read(DAY, NO_END);
    assert.deepEqual(
      sums.map(({ app, count }) => [app, count]),
      [
        ['a', 6],
        ['b', 3],
      ],
    );
    assert.equal(isWhole, true);
  });

  it('asks only for what was added, and counts nothing twice when a question failed', async () => {
    const logs = new Logs();
    const reader = new RefusalReader(logs.source);
    logs.write('one', 700, REFUSED);
    await reader.read(DAY, NO_END);
    logs.write('one', 2, REFUSED);
    logs.write('other', 1, REFUSED);
    logs.isAway = true;
    await assert.rejects(reader.read(DAY, NO_END), /no answer/);
    logs.isAway = false;
    const { sums } = await reader.read(DAY, NO_END);
    assert.deepEqual(logs.asked, ['one 200+500', 'one 0+200', 'one 700+2', 'other 0+1']);
    assert.deepEqual(
      sums.map(({ count }) => count),
      [702 * 3, 3],
    );
    assert.deepEqual((await reader.read(DAY, NO_END)).sums, sums);
    assert.deepEqual((await reader.read(DAY + 86_400_000, NO_END)).sums, [], 'the next day begins anew');
  });

  it('goes back to yesterday and no further', async () => {
    const logs = new Logs();
    logs.write('one', 5_000, REFUSED, DAY - 1);
    logs.write('one', 501);
    const { isWhole } = await new RefusalReader(logs.source).read(DAY, NO_END);
    assert.deepEqual(logs.asked, ['one 5001+500', 'one 4501+500']);
    assert.equal(isWhole, true);
  });

  for (const [what, count, isWhole] of [
    ['as many as are read', ENTRIES_READ_MAX, true],
    ['one more', ENTRIES_READ_MAX + 1, false],
  ] as const)
    it(`with ${what}, ${isWhole ? 'has seen all of the day' : 'says that it has not'}`, async () => {
      const logs = new Logs();
      logs.write('one', count);
      const reader = new RefusalReader(logs.source);
      assert.equal((await reader.read(DAY, NO_END)).isWhole, isWhole);
      logs.write('one', 1);
      assert.equal(
        (await reader.read(DAY, NO_END)).isWhole,
        isWhole,
        'and what it has not seen stays unseen',
      );
    });
});
