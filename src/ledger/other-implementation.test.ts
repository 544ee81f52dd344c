import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryLedger } from '../../test/support/ledger/memory-ledger.ts';
import { ORIGIN, sampleEvent } from '../../test/support/ledger/sample-events.ts';
import { checkWithSigstore } from '../../test/support/ledger/sigstore.ts';
import { CheckpointSigner } from './checkpoint.ts';
import { noteSigner } from './note-key.ts';
import { parseProofFile, printReceipt } from './receipt.ts';

const signer = noteSigner(ORIGIN, Buffer.alloc(32, 3));

function check(receipt: string, verifierKey = signer.verifierKey): void {
  checkWithSigstore(receipt, verifierKey);
}

const ledger = new MemoryLedger();
const signed = new CheckpointSigner(signer, null);
const receipts: string[] = [];
for (let size = 1; size <= 70; size += 1) {
  ledger.append(sampleEvent(size));
  const checkpoint = signed.sign(ledger.head);
  for (const index of new Set([0, size >> 1, size - 1])) {
    const entry = ledger.rows[index]?.text ?? '';
    receipts.push(printReceipt({ entry, index, proof: ledger.proveInclusion(index), checkpoint }));
  }
}

describe('an implementation that is not ours', () => {
  it('accepts our receipts from logs of every size up to 70', () => {
    assert.equal(receipts.length, 207);
    for (const receipt of receipts) check(receipt);
  });

  it('refuses them with another entry, index, hash, checkpoint or key, so its yes means something', () => {
    const receipt = receipts.at(-2) ?? '';
    check(receipt);
    const { checkpoint } = parseProofFile(receipts.at(-5) ?? '');
    const head = receipt.slice(0, receipt.indexOf('\n\n') + 2);
    const stranger = noteSigner(ORIGIN, Buffer.alloc(32, 4));
    assert.throws(() => check(receipt.replace(/extra .../, 'extra AAA')), /root hash/);
    assert.throws(() => check(receipt.replace('index 35', 'index 34')), /root hash/);
    assert.throws(() => check(receipt.replace(/(index 35\n)..../, '$1AAAA')), /root hash/);
    assert.throws(() => check(head + checkpoint), /root hash|hash count/);
    assert.throws(
      () => check(receipt.replace(`${ORIGIN}\n70\n`, `${ORIGIN}\n71\n`)),
      /invalid checkpoint signature/,
    );
    assert.throws(() => check(receipt, stranger.verifierKey), /invalid checkpoint signature/);
  });
});
