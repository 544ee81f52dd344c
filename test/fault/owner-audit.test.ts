/** What the owner asked for against what the ledger says of it: each case is one wrong in an otherwise sound run. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SAMPLES } from '../support/ledger/sample-events.ts';
import type { LedgerJob } from './ledger.ts';
import { OWNER, type OwnerAct } from './owner.ts';
import { compareOwner, type OwnerEvidence } from './owner-audit.ts';
import type { Record, RecordedExport } from './record.ts';

const RULE = 'rule-1';
const ID = 'export-1';
const NEW_ID = 'export-2';

const act = (change: Partial<OwnerAct>): OwnerAct => ({
  kind: 'cancel',
  target: null,
  rule: null,
  fate: 'done',
  made: null,
  ...change,
});
const made = act({ kind: 'add rule', rule: { kind: 'hold', destination: 'd' }, made: RULE });
const takenAway = act({ kind: 'remove rule', target: RULE });
const cancel = act({ kind: 'cancel', target: ID });
const redeliver = act({ kind: 'redeliver', target: ID, made: NEW_ID });

const added = { ...SAMPLES.rule, rule: RULE, type: 'hold', destination: 'd', by: OWNER } as const;
const removed = { ...added, change: 'removed' } as const;
const cancelled = { ...SAMPLES.cancel, export: ID, by: OWNER };
const redelivered = { ...SAMPLES.redelivery, export: NEW_ID, redelivery_of: ID, by: OWNER };
const NOTHING: RecordedExport = { taken: [], attempts: [], cancels: [], outcomes: [] };

interface Case {
  readonly acts?: readonly OwnerAct[];
  readonly rules?: Record['rules'];
  readonly exports?: [string, Partial<RecordedExport>][];
  /** Ids of rules that are in the store. */
  readonly there?: readonly string[];
  readonly jobs?: readonly string[];
  readonly isErased?: boolean;
  readonly hasDeleted?: boolean;
}

function wrongsOf(given: Case): string[] {
  const {
    acts = [],
    rules = [],
    exports = [],
    there = [],
    jobs = [],
    isErased = false,
    hasDeleted = false,
  } = given;
  const recorded = new Map(exports.map(([id, each]) => [id, { ...NOTHING, ...each }]));
  const evidence: OwnerEvidence = {
    acts,
    record: { exports: recorded, rules, kinds: [], isErased, logs: 1 },
    ledger: { jobs: new Map(jobs.map((id) => [id, {} as LedgerJob])), rules: new Set(there) },
    hasDeleted,
  };
  return compareOwner(evidence);
}

const SOUND = {
  acts: [made, takenAway, cancel, redeliver],
  rules: [added, removed],
  exports: [
    [ID, { cancels: [cancelled] }],
    [NEW_ID, { taken: [redelivered] }],
  ],
  jobs: [NEW_ID],
} satisfies Case;

describe('what the owner asked for', () => {
  it('and what the ledger says of it are the same in a sound run', () => {
    assert.deepEqual(wrongsOf(SOUND), []);
    assert.deepEqual(wrongsOf({ acts: [made], rules: [added], there: [RULE] }), []);
  });

  it('may be there or not where the answer was lost, and is not where it was refused', () => {
    const withFate = (fate: OwnerAct['fate']): OwnerAct[] =>
      SOUND.acts.map((each) => ({ ...each, fate, made: null }));
    for (const fate of ['unknown', 'sent'] as const) {
      assert.deepEqual(wrongsOf({ ...SOUND, acts: withFate(fate) }), []);
      assert.deepEqual(wrongsOf({ acts: withFate(fate) }), []);
    }
    assert.equal(wrongsOf({ ...SOUND, acts: withFate('refused') }).length, 4);
    assert.deepEqual(wrongsOf({ acts: withFate('refused') }), []);
  });

  for (const [what, given, wrong] of [
    ['a rule without its entry', { ...SOUND, rules: [removed] }, /does not have the new rule rule-1/],
    [
      'another rule',
      { acts: [made], rules: [{ ...added, type: 'block' }], there: [RULE] },
      /has another rule/,
    ],
    [
      'another place',
      { acts: [made], rules: [{ ...added, destination: 'e' }], there: [RULE] },
      /has another rule/,
    ],
    ['a rule that nobody made', { rules: [added], there: [RULE] }, /1 rules that nobody made/],
    ['a rule that the store has not', { acts: [made], rules: [added] }, /rule-1 is not there/],
    ['a rule that the ledger has not', { there: [RULE] }, /knows nothing of the rule rule-1/],
    [
      'a rule made twice',
      { acts: [made], rules: [added, added], there: [RULE] },
      /twice that the rule rule-1 was made/,
    ],
    [
      'a removal without its entry',
      { acts: [made, takenAway], rules: [added], there: [RULE] },
      /does not have it that/,
    ],
    ['a removal that nobody asked for', { acts: [made], rules: [added, removed] }, /and nobody did/],
    ['a rule that was taken away and is there', { ...SOUND, there: [RULE] }, /was taken away, and is there/],
    ['a rule taken away twice', { ...SOUND, rules: [added, removed, removed] }, /twice .* was taken away/],
    ['another owner of a rule', { ...SOUND, rules: [{ ...added, by: null }, removed] }, /another owner/],
    [
      'a cancel without its entry',
      { acts: [cancel] },
      /the owner took it back, and the ledger does not say so/,
    ],
    ['a cancel that nobody asked for', { exports: [[ID, { cancels: [cancelled] }]] }, /asked for 0/],
    [
      'more cancels than were asked for',
      { acts: [cancel], exports: [[ID, { cancels: [cancelled, cancelled] }]] },
      /has 2 cancels, and the owner asked for 1/,
    ],
    [
      'another owner of a cancel',
      { acts: [cancel], exports: [[ID, { cancels: [{ ...cancelled, by: 'x' }] }]] },
      /another owner/,
    ],
    [
      'a redelivery without its entry',
      { acts: [redeliver], jobs: [NEW_ID] },
      /not have it as a redelivery of export-1/,
    ],
    [
      'a redelivery of another',
      {
        acts: [redeliver, { ...redeliver, target: 'x', fate: 'unknown', made: null }],
        exports: [[NEW_ID, { taken: [{ ...redelivered, redelivery_of: 'x' }] }]],
        jobs: [NEW_ID],
      },
      /not have it as a redelivery of export-1/,
    ],
    ['a redelivery that is lost', { ...SOUND, jobs: [] }, /export-2: a redelivery is lost/],
    [
      'a redelivery that nobody asked for',
      { exports: [[NEW_ID, { taken: [redelivered] }]] },
      /has 1 redeliveries, and the owner asked for 0/,
    ],
    [
      'another owner of a redelivery',
      { acts: [redeliver], exports: [[NEW_ID, { taken: [{ ...redelivered, by: null }] }]], jobs: [NEW_ID] },
      /another owner/,
    ],
  ] as const satisfies readonly [string, Case, RegExp][]) {
    it(`is not what the ledger says: ${what}`, () => {
      const wrongs = wrongsOf(given);
      assert.ok(
        wrongs.some((each) => wrong.test(each)),
        wrongs.join('\n') || 'nothing was found',
      );
    });
  }

  it('may be missing where texts were erased, and what was deleted from the store', () => {
    assert.deepEqual(wrongsOf({ acts: SOUND.acts, isErased: true, hasDeleted: true }), []);
    assert.deepEqual(wrongsOf({ acts: [made], there: [RULE], isErased: true }), []);
    assert.deepEqual(wrongsOf({ rules: [added], there: [RULE], isErased: true }).length, 1);
  });
});
