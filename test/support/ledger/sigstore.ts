import { createPublicKey } from 'node:crypto';
import { verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle.js';
import { parseVerifierKey, readVerifierKey } from '../../../src/ledger/note-key.ts';
import { parseProofFile } from '../../../src/ledger/receipt.ts';

type BundleEntry = Parameters<typeof verifyCheckpoint>[0];

/**
 * Has Sigstore's verifier, which npm itself uses, check a receipt. It knows nothing of us: from the receipt it gets the
 * bytes of the entry, the index, the hashes and the checkpoint, and from the verifier key the public key.
 *
 * @throws Error when it does not hold
 */
export function checkWithSigstore(receipt: string, verifierKey: string): void {
  const entry = entryOf(receipt);
  verifyMerkleInclusion(entry, verifyCheckpoint(entry, [authority(verifierKey)]));
}

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
