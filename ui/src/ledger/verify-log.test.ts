/** What the page's check finds, over a log that the service's own code wrote. The browser's part of it is in test/e2e. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CheckpointSigner } from '../../../src/ledger/checkpoint.ts';
import { noteSigner } from '../../../src/ledger/note-key.ts';
import { MemoryLedger, type Row } from '../../../test/support/ledger/memory-ledger.ts';
import { sampleEvent } from '../../../test/support/ledger/sample-events.ts';
import { type Verdict, verifyLog } from './verify-log.ts';

const SIZE = 120;
const PAGE = 50;
const signer = noteSigner('box.example/export/1', Buffer.alloc(32, 7));
const stranger = noteSigner('box.example/export/1', Buffer.alloc(32, 8));

const ledger = new MemoryLedger();
const notes: string[] = [];
const log = new CheckpointSigner(signer, null);
for (let n = 0; n < SIZE; n += 1) {
  ledger.append(sampleEvent(n));
  notes.push(log.sign(ledger.head));
}
const newest = notes.at(-1) as string;

function check(rows: readonly Row[], options: { note?: string; kept?: string | null; key?: string } = {}) {
  const { note = newest, kept = null, key = signer.verifierKey } = options;
  const items = rows.map(({ index, text, leafHash }) => ({
    index,
    entry: text,
    leaf_hash: Buffer.from(leafHash).toString('base64'),
  }));
  const progress: number[] = [];
  const read = async (from: number) => {
    const end = from + PAGE;
    return { items: items.slice(from, end), next: end < items.length ? String(end) : null };
  };
  const input = { verifierKey: key, checkpoint: note, kept };
  return verifyLog(input, read, (done) => progress.push(done)).then((verdict) => ({ ...verdict, progress }));
}

describe('the check of the record', () => {
  it('holds for a log as it was written, and tells how far it is', async () => {
    const verdict = await check(ledger.rows, { kept: notes[49] as string });
    assert.equal(verdict.flaw, null);
    assert.deepEqual([verdict.entries, verdict.covered, verdict.keptSize], [SIZE, SIZE, 50]);
    assert.deepEqual(verdict.progress, [50, 100, SIZE]);
  });

  it('names the entry whose text was changed', async () => {
    const rows = ledger.rows.map((row) => ({ ...row }));
    const row = rows[77] as Row;
    row.text = `${row.text}`.replace('"time":"2', '"time":"3');
    const { flaw } = await check(rows);
    assert.deepEqual([flaw?.kind, flaw?.first], ['changed', 77]);
  });

  it('finds a log that ends before its checkpoint', async () => {
    const { flaw } = await check(ledger.rows.slice(0, 100));
    assert.deepEqual([flaw?.kind, flaw?.first], ['cut_off', 100]);
  });

  it('finds another history with a good signature by the checkpoint that the owner kept', async () => {
    const forged = new MemoryLedger();
    for (let n = 0; n < SIZE; n += 1) forged.append(sampleEvent(n === 10 ? 11 : n));
    const note = new CheckpointSigner(signer, null).sign(forged.head);
    assert.equal((await check(forged.rows, { note })).flaw, null, 'nothing else could tell');
    const { flaw } = await check(forged.rows, { note, kept: notes[49] as string });
    assert.deepEqual([flaw?.kind, flaw?.first, flaw?.last], ['rewritten', 0, 49]);
  });

  it('a hash that is none does not fit', async () => {
    const items = [{ index: 0, entry: '{"n":0,', leaf_hash: 'not base64!' }];
    const input = { verifierKey: signer.verifierKey, checkpoint: newest, kept: null };
    const verdict: Verdict = await verifyLog(
      input,
      async () => ({ items, next: null }),
      () => {},
    );
    assert.equal(verdict.flaw?.kind, 'changed');
  });

  for (const [why, options] of [
    ['of another key', { note: new CheckpointSigner(stranger, null).sign(ledger.head) }],
    ['with another size', { note: newest.replace(`\n${SIZE}\n`, `\n${SIZE - 1}\n`) }],
    ['that was kept, of another key', { kept: new CheckpointSigner(stranger, null).sign(ledger.head) }],
  ] as const) {
    it(`a checkpoint ${why} is not relied on`, async () => {
      await assert.rejects(check(ledger.rows, options), { name: 'UntrustedNoteError' });
    });
  }

  it('what is no checkpoint, or no key, is malformed', async () => {
    await assert.rejects(check(ledger.rows, { note: 'hello' }), { name: 'MalformedLedgerError' });
    await assert.rejects(check(ledger.rows, { key: 'a+b' }), { name: 'MalformedLedgerError' });
  });
});
