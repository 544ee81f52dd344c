/**
 * Method: the ledger of a store that has taken in, sent and refused, tampered with in the store's own file by whoever can
 * write SQL: at every single entry, each verified anew and then taken back.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { FIRST_ORIGIN, signerOf } from '../../../test/support/ledger/beginning.ts';
import { WriterBench } from '../../../test/support/writer-bench.ts';
import { CheckpointSigner, openCheckpoint } from '../../ledger/checkpoint.ts';
import { type KnownHead, LedgerVerifier, type Verification } from '../../ledger/ledger-verifier.ts';
import { parseVerifierKey } from '../../ledger/note-key.ts';
import { leafHash } from '../../ledger/tree-hash.ts';
import { LedgerReader, LOG_ENTRIES_MAX } from './ledger-reader.ts';

const EXPORTS = 100;
const LOG = 1;
const FIRST = LOG * LOG_ENTRIES_MAX;

using cleanup = new DisposableStack();
const bench = cleanup.use(new WriterBench());
for (let done = 0; done < EXPORTS; done += 1) bench.insert(bench.newJob(10));
for (const job of bench.claim(EXPORTS)) bench.settle(job, 'thanks');
const { size, root } = bench.run({ kind: 'ledgerHead', checkpoint: null });
const signed = new CheckpointSigner(signerOf(FIRST_ORIGIN), null).sign({ size, root });
const { verifierKey } = signerOf(FIRST_ORIGIN);
/** Kept elsewhere. */
const head: KnownHead = { ...openCheckpoint(signed, [parseVerifierKey(verifierKey)]), where: 'elsewhere' };

const db = new DatabaseSync(bench.path);
const reader = new LedgerReader(db);
const all = cleanup.move();
after(() => {
  db.close();
  all[Symbol.dispose]();
});

function verify(heads: readonly KnownHead[] = [head], withNodes = true): Verification {
  const verifier = new LedgerVerifier({
    heads,
    ...(withNodes && { storedNode: (level, index) => reader.node(LOG, level, index) }),
  });
  for (const entry of reader.each(LOG)) verifier.add(entry);
  return verifier.finish();
}

/** The flaw that is found when `tamper` was done, which is taken back then. */
function flawAfter(tamper: () => void, heads?: readonly KnownHead[]): Verification['flaw'] {
  db.exec('BEGIN');
  try {
    tamper();
    return verify(heads).flaw;
  } finally {
    db.exec('ROLLBACK');
  }
}

function sql(statement: string, ...values: (string | number | Uint8Array)[]): void {
  const { changes } = db.prepare(statement).run(...values);
  assert.ok(changes > 0, statement);
}

const rows = reader.entries(LOG, 0, size);
const eachEntry = (test: (index: number) => void): void => {
  for (let index = 0; index < size; index += 1) test(index);
};
const textOf = (index: number): string => rows[index]?.text ?? '';
const otherSalt = (text: string): string =>
  text.replace(/"salt":"(.)/, (_, first) => `"salt":"${first === 'A' ? 'B' : 'A'}`);
const found = (flaw: Verification['flaw']) => (flaw === null ? null : [flaw.kind, flaw.first]);

describe(`the ledger of a store, ${size} entries`, () => {
  it('holds as it was written', () => {
    assert.equal(size, 2 + 3 * EXPORTS);
    const { flaw, covered } = verify();
    assert.deepEqual([flaw, covered], [null, size]);
  });

  it('shows every text that was changed', () => {
    eachEntry((index) => {
      const changed = otherSalt(textOf(index));
      const flaw = flawAfter(() =>
        sql('UPDATE ledger_entries SET text = ? WHERE entry = ?', changed, FIRST + index),
      );
      assert.deepEqual(found(flaw), ['changed', index]);
    });
  });

  it('shows every text that was changed together with its hash', () => {
    eachEntry((index) => {
      const changed = otherSalt(textOf(index));
      const flaw = flawAfter(() =>
        sql(
          'UPDATE ledger_entries SET text = ?, leaf_hash = ? WHERE entry = ?',
          changed,
          leafHash(changed),
          FIRST + index,
        ),
      );
      assert.ok(flaw !== null && flaw.kind === 'rewritten', `entry ${index}`);
      assert.ok(flaw.first <= index && index <= flaw.last, `entry ${index} is among those that are named`);
    });
  });

  it('shows every entry that was removed, also when those after it are moved up', () => {
    eachEntry((index) => {
      const remove = (): void => sql('DELETE FROM ledger_entries WHERE entry = ?', FIRST + index);
      const isLast = index === size - 1;
      assert.deepEqual(found(flawAfter(remove)), [isLast ? 'cut_off' : 'removed', index]);
      const flaw = flawAfter(() => {
        remove();
        for (let after = index + 1; after < size; after += 1)
          sql('UPDATE ledger_entries SET entry = ? WHERE entry = ?', FIRST + after - 1, FIRST + after);
      });
      assert.deepEqual(found(flaw), [isLast ? 'cut_off' : 'removed', index]);
    });
  });

  it('shows every entry that changed places with the next', () => {
    eachEntry((index) => {
      if (index === size - 1) return;
      const flaw = flawAfter(() => {
        sql('UPDATE ledger_entries SET entry = -1 WHERE entry = ?', FIRST + index);
        sql('UPDATE ledger_entries SET entry = ? WHERE entry = ?', FIRST + index, FIRST + index + 1);
        sql('UPDATE ledger_entries SET entry = ? WHERE entry = -1', FIRST + index + 1);
      });
      assert.deepEqual(found(flaw), ['reordered', index]);
    });
  });

  it('shows where it was cut off, wherever that is', () => {
    eachEntry((index) => {
      const flaw = flawAfter(() => sql('DELETE FROM ledger_entries WHERE entry >= ?', FIRST + index));
      assert.deepEqual(found(flaw), ['cut_off', index]);
    });
  });

  it('shows every text that was erased when nothing says so', () => {
    eachEntry((index) => {
      db.exec('BEGIN');
      sql('UPDATE ledger_entries SET text = NULL WHERE entry = ?', FIRST + index);
      const { flaw, unexplainedErasure } = verify();
      db.exec('ROLLBACK');
      assert.deepEqual([flaw, unexplainedErasure], [null, index]);
    });
  });

  it('shows every hash above entries that was changed', () => {
    const nodes = db.prepare('SELECT level, place FROM ledger_nodes WHERE log = ?').all(LOG);
    assert.ok(nodes.length >= 18);
    for (const { level, place } of nodes) {
      const where = [LOG, Number(level), Number(place)];
      const flaw = flawAfter(() =>
        sql(
          'UPDATE ledger_nodes SET hash = zeroblob(32) WHERE log = ? AND level = ? AND place = ?',
          ...where,
        ),
      );
      assert.equal(flaw?.kind, 'wrong_node');
    }
  });

  it('is as it was, after all that', () => {
    assert.equal(verify().flaw, null);
  });
});
