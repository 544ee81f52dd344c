import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LaneSum, Rule } from '../wire.ts';
import { type BudgetRule, budgetSince, budgetUntil, budgetUse, holdOfAll, ruleFor } from './rules.ts';

const NOON = Date.UTC(2026, 10, 24, 12, 30);

function budget(changes: Partial<BudgetRule> = {}): BudgetRule {
  const made = { id: '1', created_at: '2026-11-20T00:00:00.000Z' };
  return { kind: 'budget', limit: 100, unit: 'exports', per: 'day', ...made, ...changes };
}

function sum(app: string, destination: string, accepted: number): LaneSum {
  const outcomes = { delivered: accepted, undeliverable: 0, blocked: 0, cancelled: 0, open: 0 };
  const at = '2026-11-24T12:00:00.000Z';
  return { app, destination, accepted, outcomes, bytes: accepted * 1_000, first_at: at, last_at: at };
}

describe('a budget', () => {
  const sums = [
    sum('a', 'https://x.example/in', 50),
    sum('a', 'https://y.example/in', 30),
    sum('b', 'https://x.example/in', 7),
  ];

  it('counts what it is about, in its own unit', () => {
    assert.equal(budgetUse(budget(), sums).used, 87);
    assert.equal(budgetUse(budget({ app: 'a' }), sums).used, 80);
    assert.equal(budgetUse(budget({ app: 'a', destination: 'https://x.example' }), sums).used, 50);
    assert.equal(budgetUse(budget({ unit: 'bytes', app: 'b' }), sums).used, 7_000);
  });

  it('is nearly used from four fifths on; one of nothing is used up', () => {
    assert.equal(budgetUse(budget({ app: 'a' }), sums).isNearlyUsed, true);
    assert.equal(budgetUse(budget({ app: 'a', limit: 101 }), sums).isNearlyUsed, false);
    assert.equal(budgetUse(budget({ limit: 0, app: 'c' }), sums).fraction, 1);
  });

  it('begins with its hour or day by UTC, or when it was made', () => {
    assert.equal(budgetSince(budget(), NOON), Date.UTC(2026, 10, 24));
    assert.equal(budgetSince(budget({ per: 'hour' }), NOON), Date.UTC(2026, 10, 24, 12));
    const made = budget({ created_at: '2026-11-24T09:00:00.000Z' });
    assert.equal(budgetSince(made, NOON), Date.UTC(2026, 10, 24, 9));
    assert.equal(budgetUntil(budget(), NOON), Date.UTC(2026, 10, 25));
  });
});

describe('the rule about an app and a destination', () => {
  const rules: Rule[] = [
    { id: '1', kind: 'hold', app: 'a', created_at: '' },
    { id: '2', kind: 'block', destination: 'https://x.example', created_at: '' },
    { id: '3', kind: 'hold', created_at: '' },
  ];

  it('is the first that matches, as the service has it', () => {
    const lane = { app: 'a', destination: 'https://x.example:443/in' };
    assert.equal(ruleFor(rules, 'hold', lane)?.id, '1');
    assert.equal(ruleFor(rules, 'block', lane)?.id, '2');
    assert.equal(ruleFor(rules, 'block', { ...lane, destination: 'https://y.example/' }), undefined);
    assert.equal(ruleFor(rules, 'hold', { app: null, destination: 'https://y.example/' })?.id, '3');
  });

  it('that holds everything names neither', () => {
    assert.equal(holdOfAll(rules)?.id, '3');
    assert.equal(holdOfAll(rules.slice(0, 2)), undefined);
  });
});
