import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle.js';
import { MemoryLedger } from '../../test/support/ledger/memory-ledger.ts';
import { ORIGIN, sampleEvent } from '../../test/support/ledger/sample-events.ts';
import { CheckpointSigner } from './checkpoint.ts';
import { noteSigner, parseVerifierKey, readVerifierKey } from './note-key.ts';
import { parseProofFile, printReceipt } from './receipt.ts';

/**
 * Sigstore's verifier, which npm itself uses, checks our checkpoints and receipts. It knows nothing of us: from a receipt
 * it gets the bytes of the entry, the index, the hashes and the checkpoint, and from the verifier key the public key.
 */
const signer = noteSigner(ORIGIN, Buffer.alloc(32, 3));

function authority(verifierKey: string): Parameters<typeof verifyCheckpoint>[1][number] {
  const { name, publicKey } = readVerifierKey(verifierKey);
  const x = Buffer.from(publicKey).toString('base64url');
  return {
    baseURL: `https://${name}`,
    logID: Buffer.concat([parseVerifierKey(verifierKey).id, Buffer.alloc(28)]),
    publicKey: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
    validFor: { start: new Date(0), end: new Date(8e15) },
  };
}

type BundleEntry = Parameters<typeof verifyCheckpoint>[0];

/** A receipt in the form in which a Sigstore bundle holds it. */
function entryOf(receipt: string): BundleEntry {
  const { extra, index, proof, checkpoint } = parseProofFile(receipt);
  const inclusionProof = {
    logIndex: String(index),
    hashes: proof.map((hash) => Buffer.from(hash)),
    checkpoint: { envelope: checkpoint },
  };
  return { canonicalizedBody: Buffer.from(extra ?? ''), inclusionProof } as BundleEntry;
}

function check(receipt: string, verifierKey = signer.verifierKey): void {
  const entry = entryOf(receipt);
  verifyMerkleInclusion(entry, verifyCheckpoint(entry, [authority(verifierKey)]));
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
