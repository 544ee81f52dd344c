import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryLedger } from '../../test/support/ledger/memory-ledger.ts';
import { ORIGIN, sampleEvent } from '../../test/support/ledger/sample-events.ts';
import { CheckpointSigner } from './checkpoint.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import { noteSigner, parseVerifierKey } from './note-key.ts';
import {
  PROOF_FILE_CHARACTERS_MAX,
  parseProofFile,
  printProofFile,
  printReceipt,
  verifyProofFile,
  verifyReceipt,
} from './receipt.ts';
import { UntrustedNoteError } from './signed-note.ts';
import vectors from './vectors/ledger.json' with { type: 'json' };

const signer = noteSigner(ORIGIN, Buffer.alloc(32, 3));
const verifiers = [parseVerifierKey(signer.verifierKey)];

const ledger = new MemoryLedger();
for (let n = 0; n < 77; n += 1) ledger.append(sampleEvent(n));
const checkpoint = new CheckpointSigner(signer, null).sign(ledger.head);

function receiptOf(index: number): string {
  const entry = ledger.rows[index]?.text ?? '';
  return printReceipt({ entry, index, proof: ledger.proveInclusion(index), checkpoint });
}

describe('the vectors, made by an implementation that is not ours', () => {
  it('every proof file: ours is the same to the byte, theirs is accepted', () => {
    const theirs = [parseVerifierKey(vectors.vkey)];
    assert.equal(vectors.tlog_proofs.length, 3);
    for (const { entry, index, proof, size } of vectors.tlog_proofs) {
      const proven = verifyProofFile(proof, entry, theirs);
      assert.equal(proven.index, index);
      assert.equal(proven.checkpoint.size, size);
      assert.equal(printProofFile(parseProofFile(proof)), proof);
      assert.throws(() => verifyProofFile(proof, `${entry} `, theirs), UntrustedNoteError);
    }
  });
});

describe('a receipt', () => {
  it('proves each entry of a log, with nothing but the key', () => {
    for (const { index, text } of ledger.rows) {
      const proven = verifyReceipt(receiptOf(index), verifiers);
      assert.equal(proven.entry, text);
      assert.equal(proven.index, index);
      assert.equal(proven.checkpoint.origin, ORIGIN);
    }
  });

  it('with any one character changed proves nothing', () => {
    const receipt = receiptOf(20);
    for (let at = 0; at < receipt.length; at += 1) {
      for (const character of ['A', 'b', '\n']) {
        if (receipt[at] === character) continue;
        const changed = receipt.slice(0, at) + character + receipt.slice(at + 1);
        assert.throws(() => verifyReceipt(changed, verifiers), /./, `${at} ${JSON.stringify(character)}`);
      }
      assert.throws(() => verifyReceipt(receipt.slice(0, at), verifiers), /./, `cut at ${at}`);
    }
  });

  it('of another log proves nothing', () => {
    const stranger = noteSigner(ORIGIN, Buffer.alloc(32, 4));
    assert.throws(
      () => verifyReceipt(receiptOf(0), [parseVerifierKey(stranger.verifierKey)]),
      UntrustedNoteError,
    );
  });

  it('without its entry proves only what the verifier has at hand', () => {
    const file = printProofFile({ ...parseProofFile(receiptOf(5)), extra: null });
    assert.throws(() => verifyReceipt(file, verifiers), MalformedLedgerError);
    assert.equal(verifyProofFile(file, ledger.rows[5]?.text ?? '', verifiers).index, 5);
  });

  it('with an entry that is not UTF-8 is malformed', () => {
    const file = printProofFile({ ...parseProofFile(receiptOf(5)), extra: Buffer.of(0xff) });
    assert.throws(() => verifyReceipt(file, verifiers), MalformedLedgerError);
  });

  const hash = `${'A'.repeat(43)}=`;
  for (const [why, file] of [
    ['nothing', ''],
    ['another format', 'c2sp.org/tlog-proof@v2\nindex 0\n\na\n'],
    ['no index', 'c2sp.org/tlog-proof@v1\n\na\n'],
    ['the index before the extra line', 'c2sp.org/tlog-proof@v1\nindex 0\nextra AA==\n\na\n'],
    ['an index with a zero in front', 'c2sp.org/tlog-proof@v1\nindex 00\n\na\n'],
    ['a hash that is too short', 'c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\na\n'],
    ['too many hashes', `c2sp.org/tlog-proof@v1\nindex 0\n${`${hash}\n`.repeat(54)}\na\n`],
    ['no checkpoint', 'c2sp.org/tlog-proof@v1\nindex 0\n'],
    ['carriage returns', 'c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\na\n'],
  ] as const) {
    it(`with ${why} is malformed`, () => {
      assert.throws(() => parseProofFile(file), MalformedLedgerError);
    });
  }

  it('longer than the bound is not read; one with as many hashes as there can be is', () => {
    const head = `c2sp.org/tlog-proof@v1\nindex 0\n${`${hash}\n`.repeat(53)}\n`;
    assert.equal(parseProofFile(head).proof.length, 53);
    assert.ok(parseProofFile(head.padEnd(PROOF_FILE_CHARACTERS_MAX, 'a')));
    assert.throws(() => parseProofFile(head.padEnd(PROOF_FILE_CHARACTERS_MAX + 1, 'a')), /longer than/);
  });
});
