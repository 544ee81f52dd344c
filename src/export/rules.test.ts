import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BudgetRule, costOf, matcherOf, type Rule, rulesFor, windowEnd, windowStart } from './rules.ts';

const BASE = { id: 'r', app: null, destination: null, note: null, createdAt: 0 };
const BUDGET: BudgetRule = { ...BASE, kind: 'budget', limit: 1, unit: 'bytes', per: 'day' };

function isAbout(rule: Partial<Rule>, destination: string, client = 'app'): boolean {
  return matcherOf({ ...BASE, kind: 'block', ...rule } as Rule).matches({ client, destination });
}

describe('a rule', () => {
  it('that names nothing is about everything', () => {
    assert.ok(isAbout({}, 'https://a.example/in', ''));
  });

  it('that names an app is about this app alone, whatever others begin with', () => {
    assert.ok(isAbout({ app: 'app' }, 'https://a.example/in'));
    assert.ok(!isAbout({ app: 'app' }, 'https://a.example/in', 'app2'));
    assert.ok(!isAbout({ app: 'app' }, 'https://a.example/in', ''));
    assert.ok(isAbout({ app: '' }, 'https://a.example/in', ''), 'the app that has no name');
  });

  const table: [rule: string, destination: string, isConcerned: boolean][] = [
    ['https://a.example/in', 'https://a.example/in', true],
    ['https://a.example/in', 'https://a.example/in/more', false],
    ['https://a.example/in', 'https://a.example/in?x=1', false],
    ['https://a.example/in', 'https://A.example/in', true],
    ['https://a.example/in', 'https://a.example:443/in', true],
    ['https://a.example/in', 'https://a.example./in', true],
    ['https://a.example/in', 'https://a.example/./in', true],
    ['https://a.example/in', 'https://a.example/in#part', true],
    ['https://a.example/in', 'https://a.example/in?', true],
    ['https://a.example/in', 'http://a.example/in', false],
    ['https://a.example', 'https://a.example/in', true],
    ['https://a.example', 'https://A.EXAMPLE:443/in?x=1', true],
    ['https://a.example', 'https://a.example:444/in', false],
    ['https://a.example', 'https://b.a.example/in', false],
    ['https://a.example', 'https://a.example.evil/in', false],
    ['https://a.example', 'http://a.example/in', false],
    ['https://a.example/', 'https://a.example/in', false],
    ['https://a.example/', 'https://a.example', true],
    ['https://bücher.example', 'https://xn--bcher-kva.example/in', true],
    ['not a url', 'not a url', true],
    ['not a url', 'https://a.example/in', false],
  ];
  for (const [destination, given, isConcerned] of table) {
    it(`for ${destination} is ${isConcerned ? '' : 'not '}about ${given}`, () => {
      assert.equal(isAbout({ destination }, given), isConcerned);
    });
  }

  it('that names both is about what both name', () => {
    const both = { app: 'app', destination: 'https://a.example' };
    assert.ok(isAbout(both, 'https://a.example/in'));
    assert.ok(!isAbout(both, 'https://a.example/in', 'other'));
    assert.ok(!isAbout(both, 'https://b.example/in'));
  });
});

it('of several rules a lane has the first block, the first hold and every budget', () => {
  const rules: Rule[] = [
    { ...BUDGET, id: '1' },
    { ...BASE, kind: 'hold', id: '2' },
    { ...BASE, kind: 'block', id: '3', app: 'other' },
    { ...BASE, kind: 'block', id: '4' },
    { ...BUDGET, id: '5' },
  ];
  const found = rulesFor(rules.map(matcherOf), { client: 'app', destination: 'https://a.example/in' });
  assert.equal(found.block?.id, '4');
  assert.equal(found.hold?.id, '2');
  assert.deepEqual(
    found.budgets.map(({ id }) => id),
    ['1', '5'],
  );
});

describe('a budget', () => {
  it('counts by the hour or the day of UTC', () => {
    const at = Date.UTC(2026, 10, 24, 23, 59, 59, 999);
    assert.equal(windowStart(BUDGET, at), Date.UTC(2026, 10, 24));
    assert.equal(windowEnd(BUDGET, at), at + 1);
    assert.equal(windowStart({ ...BUDGET, per: 'hour' }, at), Date.UTC(2026, 10, 24, 23));
    assert.equal(windowStart(BUDGET, at + 1), at + 1);
  });

  it('counts exports or the bytes of their data', () => {
    assert.equal(costOf(BUDGET, 17), 17);
    assert.equal(costOf({ ...BUDGET, unit: 'exports' }, 17), 1);
  });
});
