import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LaneSum, OwnedExport, Rule } from '../wire.ts';
import { concernsOf, type Known } from './attention.ts';
import { type BudgetRule, budgetUse } from './rules.ts';

const X = 'https://x.example/in';
const NOTHING_KNOWN: Known = {
  rules: [],
  unfinished: [],
  isMore: false,
  today: [],
  budgets: [],
  entries: [],
  todayStart: Date.UTC(2026, 10, 24),
};

function waiting(
  app: string,
  error: string | null,
  minute = 0,
  changes: Partial<OwnedExport> = {},
): OwnedExport {
  const at = `2026-11-24T12:0${minute}:00.000Z`;
  const attempt = { number: 1, started_at: at, ended_at: at, address: null };
  const failure = error === null ? [] : [{ ...attempt, status: null, error: { code: error, detail: '' } }];
  return {
    id: app,
    app,
    peer: null,
    destination: X,
    state: 'Processing',
    outcome: null,
    bytes: 1,
    accepted_at: at,
    finished_at: null,
    attempts: failure,
    held_by: null,
    redelivery_of: null,
    ...changes,
  };
}

function refusal(time: string, changes: object = {}): { index: number; entry: string; leaf_hash: string } {
  const entry = {
    kind: 'refused',
    time,
    code: 'budget_exhausted',
    app: 'a',
    destination: X,
    count: 3,
    ...changes,
  };
  return { index: 0, entry: JSON.stringify(entry), leaf_hash: '' };
}

const concerns = (known: Partial<Known>) => concernsOf({ ...NOTHING_KNOWN, ...known });

describe('what is worth a look', () => {
  it('is nothing when all is well', () => {
    const [sending, queued] = [waiting('a', null), waiting('b', null, 0, { state: 'Pending' })];
    assert.deepEqual(concerns({ unfinished: [sending, queued] }), []);
  });

  it('is a destination that takes nothing, once, with its last error', () => {
    const unfinished = [
      waiting('b', 'timeout', 1),
      waiting('a', 'dns_failed', 5),
      waiting('a', 'timeout', 3),
      waiting('a', null, 6, { state: 'Pending' }),
      waiting('a', null, 6, { held_by: '1' }),
    ];
    const [concern, ...others] = concerns({ unfinished, isMore: true });
    assert.deepEqual(others, []);
    assert.deepEqual(concern, {
      kind: 'stuck',
      destination: X,
      apps: ['b', 'a'],
      count: 4,
      isMore: true,
      error: 'dns_failed',
      status: null,
      since: Date.UTC(2026, 10, 24, 12, 1),
    });
  });

  it('is what waits for the owner; a hold of everything stands for all others', () => {
    const one: Rule = { id: '1', kind: 'hold', app: 'a', created_at: '' };
    const all: Rule = { id: '2', kind: 'hold', created_at: '' };
    const unfinished = [waiting('a', null, 0, { held_by: '1' })];
    assert.deepEqual(concerns({ rules: [one], unfinished }), [{ kind: 'held', rule: one, count: 1 }]);
    assert.deepEqual(concerns({ rules: [one], unfinished: [] }), []);
    assert.deepEqual(concerns({ rules: [one, all], unfinished }), [
      { kind: 'all-held', rule: all, count: 1 },
    ]);
  });

  it('is what did not arrive today, and a budget that is nearly used', () => {
    const outcomes = { delivered: 9, undeliverable: 2, blocked: 0, cancelled: 0, open: 0 };
    const at = '2026-11-24T12:00:00.000Z';
    const sum: LaneSum = {
      app: 'a',
      destination: X,
      accepted: 11,
      outcomes,
      bytes: 1,
      first_at: at,
      last_at: at,
    };
    const rule: BudgetRule = {
      id: '1',
      kind: 'budget',
      limit: 12,
      unit: 'exports',
      per: 'day',
      created_at: at,
    };
    const [failed, budget] = concerns({ today: [sum], budgets: [budgetUse(rule, [sum])] });
    assert.deepEqual(failed, { kind: 'failed', app: 'a', destination: X, count: 2 });
    assert.equal(budget?.kind, 'budget');
    assert.deepEqual(concerns({ budgets: [budgetUse({ ...rule, limit: 100 }, [sum])] }), []);
  });

  it('is what was refused today, the same kind once', () => {
    const entries = [
      refusal('2026-11-24T12:05:00.000Z'),
      refusal('2026-11-24T12:04:00.000Z', { count: 4 }),
      refusal('2026-11-24T12:03:00.000Z', { app: 'b', code: 'destination_refused' }),
      refusal('2026-11-23T12:03:00.000Z'),
      { index: 0, entry: null, leaf_hash: '' },
      { index: 0, entry: '{"kind":"accepted","app":"\\"kind\\":\\"refused\\""}', leaf_hash: '' },
    ];
    const found = concerns({ entries }).map(
      (one) => one.kind === 'refused' && [one.app, one.code, one.count],
    );
    assert.deepEqual(found, [
      ['a', 'budget_exhausted', 7],
      ['b', 'destination_refused', 3],
    ]);
  });
});
