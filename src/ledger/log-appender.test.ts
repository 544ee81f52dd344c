import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { countingBytes, MemoryLedger, NOON } from '../../test/support/ledger/memory-ledger.ts';
import { SAMPLES, sampleEvent } from '../../test/support/ledger/sample-events.ts';
import { eventText, type LedgerEvent, parseEntry } from './entry.ts';
import { Frontier } from './frontier.ts';
import { LogAppender } from './log-appender.ts';
import { Salts } from './salts.ts';
import { EMPTY_ROOT, leafHash } from './tree-hash.ts';

const appenderAt = (frontier = new Frontier()): LogAppender =>
  new LogAppender(frontier, new Salts(countingBytes()));

describe('a log that is written in transactions', () => {
  it('gives for each entry what a store has to write', () => {
    const appender = appenderAt();
    const entries = Array.from({ length: 256 }, (_, n) =>
      appender.append(eventText(sampleEvent(n)), NOON + n),
    );
    for (const [n, { index, text, leafHash: leaf, nodes }] of entries.entries()) {
      assert.equal(index, n);
      const entry = parseEntry(text);
      assert.deepEqual([entry.n, Date.parse(entry.time), entry.kind], [n, NOON + n, sampleEvent(n).kind]);
      assert.deepEqual(leaf, leafHash(text));
      const levels = nodes.map(({ level, index: place }) => [level, place]);
      const expected =
        n === 255
          ? [
              [4, 15],
              [8, 0],
            ]
          : n % 16 === 15
            ? [[4, (n - 15) / 16]]
            : [];
      assert.deepEqual(levels, expected);
    }
    assert.equal(new Set(entries.map(({ text }) => parseEntry(text).salt)).size, 256);
  });

  it('has the head of its last commit, and of nothing that was rolled back', () => {
    const batches = fc.array(fc.record({ size: fc.nat(40), isCommitted: fc.boolean() }), { maxLength: 30 });
    fc.assert(
      fc.property(batches, (all) => {
        const appender = appenderAt();
        const committed: Uint8Array[] = [];
        for (const { size, isCommitted } of all) {
          const before = appender.head;
          const entries = Array.from({ length: size }, (_, n) =>
            appender.append(eventText(sampleEvent(n)), NOON),
          );
          assert.deepEqual(
            entries.map(({ index }) => index),
            entries.map((_, n) => committed.length + n),
          );
          assert.deepEqual(appender.head, before, 'nothing uncommitted can be signed');
          if (isCommitted) {
            appender.commit();
            committed.push(...entries.map((entry) => entry.leafHash));
          } else {
            appender.rollback();
          }
          const frontier = new Frontier();
          for (const leaf of committed) frontier.append(leaf);
          assert.deepEqual(appender.head, { size: committed.length, root: frontier.root() });
        }
      }),
      { numRuns: 50 },
    );
  });

  it('goes on after a restart from what the store has', () => {
    const ledger = new MemoryLedger();
    for (let n = 0; n < 333; n += 1) ledger.append(sampleEvent(n));
    const all = { start: 0, end: 333 };
    const appender = appenderAt(new Frontier(333, ledger.storedHashes([all]).peaksOf(all)));
    assert.deepEqual(appender.head, ledger.head);
    assert.equal(appender.append(eventText(SAMPLES.start), NOON).index, 333);
  });

  it('appends nothing for an event that cannot be written', () => {
    const appender = appenderAt();
    const event = { ...SAMPLES.start, version: 1 } as unknown as LedgerEvent;
    assert.throws(() => appender.append(eventText(event), NOON), /"version"/);
    assert.throws(() => appender.append(eventText(SAMPLES.start), -1e14), /"time"/);
    appender.commit();
    assert.deepEqual(appender.head, { size: 0, root: EMPTY_ROOT });
  });
});
