import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryLedger, NOON, type Row } from '../../test/support/ledger/memory-ledger.ts';
import { sampleEvent } from '../../test/support/ledger/sample-events.ts';
import { Frontier } from './frontier.ts';
import type { FlawKind, Verification } from './ledger-verifier.ts';
import type { TreeHead } from './proof.ts';
import { isStoredLevel } from './stored-hashes.ts';
import { EMPTY_ROOT, leafHash } from './tree-hash.ts';

const SIZE = 300;
/** Heads that were signed on the way, and the last one; kept where the attacker cannot write. */
const HEADS_AT = [64, 200, SIZE];

const honest = new MemoryLedger();
const allHeads: TreeHead[] = [honest.head];
for (let n = 0; n < SIZE; n += 1) {
  honest.append(sampleEvent(n));
  allHeads.push(honest.head);
}
const heads = HEADS_AT.map((size) => allHeads[size] as TreeHead);

/**
 * How far an attacker goes:
 * - `text`: changes texts, and leaves the hashes.
 * - `rows`: whole rows, each text with the hash of that text.
 * - `numbers`: also the places within the texts, so that each text says where it is now.
 * - `nodes`: also the hashes of the subtrees above: everything but what is signed.
 */
type Effort = 'text' | 'rows' | 'numbers' | 'nodes';
const EFFORTS: readonly Effort[] = ['text', 'rows', 'numbers', 'nodes'];

/** The ledger after `change` was made to its rows, and everything else that the effort says was made to fit. */
function tampered(effort: Effort, change: (rows: Row[]) => Row[]): MemoryLedger {
  const ledger = new MemoryLedger();
  const copies = honest.rows.map((row) => ({ ...row }));
  const rows = change(copies).map((row, index) => fitted(row, index, effort));
  ledger.rows.push(...rows);
  const nodes = effort === 'nodes' ? nodesAbove(rows) : honest.nodes;
  for (const [place, hash] of nodes) ledger.nodes.set(place, hash);
  return ledger;
}

function fitted(row: Row, index: number, effort: Effort): Row {
  const isNumbered = effort === 'numbers' || effort === 'nodes';
  const text = isNumbered ? (row.text?.replace(/^\{"n":\d+/, `{"n":${index}`) ?? null) : row.text;
  const leaf = effort === 'text' || text === null ? row.leafHash : leafHash(text);
  return { index, text, leafHash: leaf };
}

function nodesAbove(rows: readonly Row[]): Map<string, Uint8Array> {
  const nodes = new Map<string, Uint8Array>();
  const frontier = new Frontier();
  for (const row of rows)
    frontier.append(row.leafHash, (level, index, hash) => {
      if (isStoredLevel(level)) nodes.set(`${level}/${index}`, hash);
    });
  return nodes;
}

const changeAt = (at: number) => (rows: Row[]) =>
  rows.map((row) =>
    row.index === at ? { ...row, text: row.text?.replace('"salt":"', '"salt":"_') ?? null } : row,
  );
const removeAt = (at: number) => (rows: Row[]) => rows.toSpliced(at, 1);
const repeatAt = (at: number) => (rows: Row[]) => rows.toSpliced(at, 0, rows[at] as Row);
const swap = (one: number, other: number) => (rows: Row[]) =>
  rows.with(one, rows[other] as Row).with(other, rows[one] as Row);
const move = (from: number, to: number) => (rows: Row[]) =>
  rows.toSpliced(from, 1).toSpliced(to, 0, rows[from] as Row);

/** With texts alone changed, those move from row to row, and the hashes stay. */
function textsOnly(change: (rows: Row[]) => Row[]): (rows: Row[]) => Row[] {
  return (rows) =>
    change(rows).map((row, index) => ({ ...row, leafHash: rows[index]?.leafHash ?? EMPTY_ROOT }));
}

/** Where the first head that covers `at` ends, and the last one before it. */
function covering(at: number): { first: number; last: number } {
  const end = HEADS_AT.find((size) => size > at) ?? SIZE;
  return { first: HEADS_AT.findLast((size) => size <= at) ?? 0, last: end - 1 };
}

function assertFlaw({ flaw }: Verification, kind: FlawKind, first: number, last = first): void {
  assert.ok(flaw, `${kind} at ${first} was not found`);
  const { detail, ...found } = flaw;
  assert.deepEqual(found, { kind, first, last });
  assert.match(detail, new RegExp(`\\b${first}\\b`));
}

/** It is found, and what comes into question contains the place. */
function assertFound({ flaw, covered }: Verification, at: number, what: string): void {
  assert.ok(flaw, `${what} at ${at} was not found`);
  if (flaw.kind === 'cut_off') assert.ok(covered <= at, `${what} at ${at}: ${JSON.stringify(flaw)}`);
  else assert.ok(flaw.first <= at && at <= flaw.last, `${what} at ${at}: ${JSON.stringify(flaw)}`);
}

describe('a ledger that nobody touched', () => {
  it('holds at every size, against every head', () => {
    const ledger = new MemoryLedger();
    for (let size = 0; size <= SIZE; size += 1) {
      const { flaw, head, covered, erased, unexplainedErasure } = ledger.verify(allHeads.slice(0, size + 1));
      assert.deepEqual(
        { flaw, covered, erased, unexplainedErasure },
        { flaw: null, covered: size, erased: 0, unexplainedErasure: null },
      );
      assert.deepEqual(head, allHeads[size]);
      if (size < SIZE) ledger.append(sampleEvent(size));
    }
  });

  it('says how many entries a head covers: none without one', () => {
    assert.equal(honest.verify([]).covered, 0);
    assert.equal(honest.verify([allHeads[200] as TreeHead]).covered, 200);
    assert.equal(honest.verify([]).flaw, null);
  });
});

describe('every single entry', () => {
  const each = (check: (at: number) => void): void => {
    for (let at = 0; at < SIZE; at += 1) check(at);
  };

  it('changed: named, when its hash was left', () => {
    each((at) => assertFlaw(tampered('text', changeAt(at)).verify(heads), 'changed', at));
  });

  it('changed with its hash: one of 16 by the stored nodes, one of those between two heads without', () => {
    each((at) => {
      const ledger = tampered('rows', changeAt(at));
      const { first, last } = covering(at);
      assertFlaw(ledger.verify(heads, false), 'rewritten', first, last);
      const verification = ledger.verify(heads);
      assertFound(verification, at, 'change');
      // Where a head comes before the next multiple of 16, there is no node yet that would tell more.
      const isNarrowed = Math.floor(at / 16) * 16 + 15 <= last;
      const found = verification.flaw ?? { first: 0, last: SIZE };
      if (isNarrowed) assert.ok(found.last - found.first < 16, JSON.stringify(found));
    });
  });

  it('changed with all that is not signed: one of those between two heads', () => {
    each((at) => {
      const { first, last } = covering(at);
      assertFlaw(tampered('nodes', changeAt(at)).verify(heads), 'rewritten', first, last);
    });
  });

  it('deleted: named as removed; the last one as cut off', () => {
    each((at) => {
      const ledger = new MemoryLedger();
      ledger.rows.push(...honest.rows.toSpliced(at, 1));
      assertFlaw(ledger.verify(heads, false), at === SIZE - 1 ? 'cut_off' : 'removed', at);
    });
  });

  it('deleted, and the others numbered anew: named by their texts', () => {
    each((at) => {
      const kind = at === SIZE - 1 ? 'cut_off' : 'removed';
      assertFlaw(tampered('rows', removeAt(at)).verify(heads), kind, at);
    });
  });

  it('deleted, and everything after it rewritten: found', () => {
    each((at) => {
      assertFound(tampered('numbers', removeAt(at)).verify(heads), at, 'removal');
      assertFound(tampered('nodes', removeAt(at)).verify(heads), at, 'removal');
    });
  });

  it('repeated: named as inserted, where it is seen the second time', () => {
    each((at) => assertFlaw(tampered('rows', repeatAt(at)).verify(heads), 'inserted', at + 1));
  });

  it('swapped with the next one: named as reordered', () => {
    for (let at = 0; at < SIZE - 1; at += 1) {
      assertFlaw(tampered('rows', swap(at, at + 1)).verify(heads), 'reordered', at);
      assertFlaw(tampered('text', textsOnly(swap(at, at + 1))).verify(heads), 'reordered', at);
      assertFound(tampered('nodes', swap(at, at + 1)).verify(heads), at, 'swap');
    }
  });

  it('cut off together with all after it: named by the head that was kept elsewhere', () => {
    each((size) => {
      const ledger = tampered('nodes', (rows) => rows.slice(0, size));
      const next = HEADS_AT.findLast((at) => at > size) ?? SIZE;
      assertFlaw(ledger.verify(heads), 'cut_off', size, next - 1);
      assertFlaw(ledger.verify([allHeads[SIZE] as TreeHead], false), 'cut_off', size, SIZE - 1);
    });
  });

  it('erased: its hash goes on verifying, and a swap of two hashes is still found', () => {
    const erase = (rows: Row[]): Row[] => rows.map((row) => ({ ...row, text: null }));
    assert.equal(tampered('rows', erase).verify(heads).flaw, null);
    for (let at = 0; at < SIZE - 1; at += 1)
      assertFound(tampered('rows', (rows) => swap(at, at + 1)(erase(rows))).verify(heads), at, 'swap');
  });
});

describe('tampering at random', () => {
  const place = fc.nat(SIZE - 1);
  const pair = fc.tuple(place, place).filter(([one, other]) => one !== other);
  const attack = fc.oneof(
    place.map((at) => ({ what: 'change', at, change: changeAt(at) })),
    place.map((at) => ({ what: 'removal', at, change: removeAt(at) })),
    // Not of the last one: what is appended after the last head is nothing that anybody has spoken for.
    fc.nat(SIZE - 2).map((at) => ({ what: 'repetition', at: at + 1, change: repeatAt(at) })),
    pair.map(([one, other]) => ({ what: 'swap', at: Math.min(one, other), change: swap(one, other) })),
    pair.map(([from, to]) => ({ what: 'move', at: Math.min(from, to), change: move(from, to) })),
  );
  const otherHeads = fc.uniqueArray(fc.nat(SIZE), { maxLength: 20 });

  it('is found, whatever it is, however far it goes, and whatever heads there are beside the last', () => {
    fc.assert(
      fc.property(
        attack,
        fc.constantFrom(...EFFORTS),
        otherHeads,
        fc.boolean(),
        (one, effort, at, withNodes) => {
          const change = effort === 'text' ? textsOnly(one.change) : one.change;
          const known = [...at, SIZE].map((size) => allHeads[size] as TreeHead);
          assertFound(tampered(effort, change).verify(known, withNodes), one.at, `${one.what} (${effort})`);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('what else the verifier tells', () => {
  it('a wrong stored node is told apart from a wrong entry, once a head covers the entries', () => {
    for (const wrong of ['4/3', '8/0']) {
      const ledger = tampered('rows', (rows) => rows);
      ledger.nodes.set(wrong, EMPTY_ROOT);
      const [first, last] = wrong === '4/3' ? [48, 63] : [0, 255];
      assertFlaw(ledger.verify(heads), 'wrong_node', wrong === '4/3' ? first : 0, last);
      ledger.nodes.delete(wrong);
      assertFlaw(ledger.verify(heads), 'wrong_node', first, last);
      assert.equal(
        ledger.verify([]).flaw?.kind,
        'rewritten',
        'without a head nobody knows which of the two is wrong',
      );
    }
  });

  it('a head that does not fit the one before it: the log has signed two stories', () => {
    const fork = { size: 100, root: EMPTY_ROOT };
    assertFlaw(honest.verify([...heads, fork]), 'rewritten', 64, 99);
    assertFlaw(honest.verify([{ size: 0, root: leafHash('') }]), 'rewritten', 0, -1);
  });

  describe('of a log that another one went on from', () => {
    const ledger = tampered('nodes', (rows) => rows.slice(0, 250));
    const successor = (kept: number, known: number) => ({
      origin: 'box/next',
      reason: 'store_behind',
      kept,
      known,
    });

    it('entries that were lost and that it admits are no flaw', () => {
      const { flaw, covered } = ledger.verify(heads, true, successor(250, SIZE));
      assert.deepEqual([flaw, covered], [null, 200]);
    });

    it('heads beyond what it admits are: whoever cuts off the end makes the next log begin', () => {
      for (const known of [0, 250, SIZE - 1]) {
        const verification = ledger.verify(heads, true, successor(250, known));
        assertFlaw(verification, 'cut_off', 250, SIZE - 1);
        assert.match(
          verification.flaw?.detail ?? '',
          /^Entries 250 to 299 were signed and are gone: .* The log box\/next.* does not admit that: .*"store_behind", 250 kept/,
        );
      }
    });

    it('fewer entries than it left are a cut, more are put in, whatever the heads', () => {
      for (const known of [0, SIZE, SIZE + 50]) {
        assertFlaw(ledger.verify([], true, successor(251, known)), 'cut_off', 250, 250);
        assertFlaw(ledger.verify([], true, successor(240, known)), 'inserted', 240, 249);
      }
      assertFlaw(ledger.verify([], true, successor(0, 0)), 'inserted', 0, 249);
    });

    it('two heads of what was lost that differ are two stories', () => {
      const fork = { size: SIZE, root: EMPTY_ROOT };
      assertFlaw(ledger.verify([...heads, fork], true, successor(250, SIZE)), 'rewritten', 250, SIZE - 1);
    });
  });

  it('a hash that is none is a change', () => {
    const ledger = tampered('rows', (rows) => rows);
    ledger.rows[3] = { index: 3, text: null, leafHash: new Uint8Array(31) };
    assertFlaw(ledger.verify(heads), 'changed', 3);
  });

  it('a row that comes twice is named', () => {
    const ledger = tampered('rows', (rows) => rows);
    ledger.rows.splice(10, 0, ledger.rows[9] as Row);
    assertFlaw(ledger.verify(heads), 'inserted', 10);
  });
});

describe('erased texts', () => {
  function erasedLedger(recordedBefore: number | null, isErased: (index: number) => boolean): Verification {
    const ledger = new MemoryLedger();
    for (let n = 0; n < 100; n += 1) ledger.append({ kind: 'start', version: '1' });
    if (recordedBefore !== null)
      ledger.append({ kind: 'erasure', log: null, before: recordedBefore }, NOON + 1);
    for (const row of ledger.rows) if (isErased(row.index)) row.text = null;
    const verification = ledger.verify([ledger.head]);
    assert.equal(verification.flaw, null);
    return verification;
  }

  it('are counted, and explained by the entry that says up to where', () => {
    const verification = erasedLedger(60, (index) => index < 60);
    assert.equal(verification.erased, 60);
    assert.equal(verification.unexplainedErasure, null);
  });

  it('that no entry explains are named: the first one', () => {
    assert.equal(
      erasedLedger(60, (index) => index < 60 || index === 70 || index === 80).unexplainedErasure,
      70,
    );
    assert.equal(erasedLedger(60, (index) => index < 62).unexplainedErasure, 60);
    assert.equal(erasedLedger(null, (index) => index === 5).unexplainedErasure, 5);
  });

  it('are not explained by an entry that speaks of its own future', () => {
    assert.equal(erasedLedger(1_000, (index) => index < 60).unexplainedErasure, null);
    const ledger = new MemoryLedger();
    ledger.append({ kind: 'erasure', log: null, before: 1_000 });
    ledger.append({ kind: 'start', version: '1' });
    (ledger.rows[1] as Row).text = null;
    assert.equal(ledger.verify([]).unexplainedErasure, 1);
  });

  it('nor by a name that looks like such an entry', () => {
    const ledger = new MemoryLedger();
    ledger.append({ kind: 'start', version: '1' });
    ledger.append({ kind: 'start', version: ',"kind":"erasure","log":null,"before":1,' });
    (ledger.rows[0] as Row).text = null;
    assert.equal(ledger.verify([]).unexplainedErasure, 0);
  });
});
