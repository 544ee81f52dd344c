import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LaneSum, OwnedExport, Rule } from '../wire.ts';
import { concernsOf, type Known, laneKey, reasonOf } from './attention.ts';
import type { RefusalSum } from './refusals.ts';
import { type BudgetRule, budgetUse } from './rules.ts';

const X = 'https://x.example/in';
const NOTHING_KNOWN: Known = {
  rules: [],
  unfinished: [],
  isMore: false,
  today: [],
  budgets: [],
  refusals: { day: Date.UTC(2026, 10, 24), sums: [], isWhole: true },
  reasons: new Map(),
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

const REFUSED: RefusalSum = {
  code: 'budget_exhausted',
  rule: '1',
  app: 'a',
  others: false,
  destination: X,
  count: 3,
  lastAt: Date.UTC(2026, 10, 24, 12, 5),
};

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
    const reason = { error: 'address_refused', status: null };
    const reasons = new Map([[laneKey('a', X), reason]]);
    const [failed, budget] = concerns({ today: [sum], reasons, budgets: [budgetUse(rule, [sum])] });
    assert.deepEqual(failed, { kind: 'failed', app: 'a', destination: X, count: 2, reason });
    assert.equal(budget?.kind, 'budget');
    assert.deepEqual(concerns({ budgets: [budgetUse({ ...rule, limit: 100 }, [sum])] }), []);
  });

  it('is what was refused today: an app once for each reason, however many places it tried', () => {
    const sums = [
      REFUSED,
      { ...REFUSED, destination: 'https://y.example/', count: 4, lastAt: REFUSED.lastAt + 1 },
      { ...REFUSED, app: 'b', code: 'destination_refused' },
      { ...REFUSED, app: 'b', code: 'destination_refused', rule: null },
      { ...REFUSED, app: null, destination: null, others: true },
    ];
    const day = NOTHING_KNOWN.todayStart;
    const found = concerns({ refusals: { day, sums, isWhole: true } });
    assert.deepEqual(
      found.map((one) => one.kind === 'refused' && [one.app, one.isByRule, one.others, one.count]),
      [
        ['a', true, false, 7],
        ['b', true, false, 3],
        ['b', false, false, 3],
        [null, true, true, 3],
      ],
    );
    assert.deepEqual(found[0]?.kind === 'refused' && found[0].destinations, [X, 'https://y.example/']);
    assert.deepEqual(
      concerns({ refusals: { day: day - 86_400_000, sums, isWhole: true } }),
      [],
      'yesterday’s',
    );
  });

  it('says why something did not arrive: as the newest that did not tells', () => {
    const arrived = waiting('a', null, 0, { state: 'Finished', outcome: 'delivered' });
    const newest = waiting('a', 'address_refused', 2, { state: 'Finished', outcome: 'undeliverable' });
    const older = waiting('a', 'timeout', 1, { state: 'Finished', outcome: 'undeliverable' });
    assert.deepEqual(reasonOf([arrived, newest, older]), { error: 'address_refused', status: null });
    assert.equal(reasonOf([arrived]), null);
  });
});
