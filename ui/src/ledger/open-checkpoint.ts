import { type Checkpoint, parseCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { parseNote, UntrustedNoteError } from '../../../src/ledger/signed-note.ts';
import { equalHashes } from '../../../src/ledger/tree-hash.ts';
import { keyId, readVerifierKey, withType } from '../../../src/ledger/verifier-key.ts';

/** This browser, or the way in which the page was opened, has no signatures to check with. */
export class NoSignaturesError extends Error {
  override readonly name = 'NoSignaturesError';
}

/**
 * Reads a checkpoint that its log must have signed, as `src/ledger` does, but with the browser's own Ed25519.
 *
 * @param verifierKey `NAME+ID+KEY`
 * @throws MalformedLedgerError, UntrustedNoteError, NoSignaturesError
 */
export async function openCheckpoint(note: string, verifierKey: string): Promise<Checkpoint> {
  const { name, publicKey } = readVerifierKey(verifierKey);
  const id = keyId(name, withType(publicKey));
  const { text, signatures } = parseNote(note);
  const ours = signatures.filter((one) => one.name === name && equalHashes(one.keyId, id));
  if (ours.length === 0) throw new UntrustedNoteError(`The log "${name}" has not signed this checkpoint.`);
  const verifies = await verifierOf(publicKey);
  for (const { signature } of ours) {
    if (!(await verifies(text, signature)))
      throw new UntrustedNoteError(`The signature of "${name}" is not one of this text.`);
  }
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== name)
    throw new UntrustedNoteError(`The checkpoint is of "${checkpoint.origin}", not of "${name}".`);
  return checkpoint;
}

async function verifierOf(publicKey: Uint8Array) {
  // Only a page that came over HTTPS, or from this very machine, has it.
  const subtle: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (subtle === undefined) throw new NoSignaturesError('There is no Web Crypto on a page without HTTPS.');
  const key = await subtle
    .importKey('raw', Uint8Array.from(publicKey), 'Ed25519', false, ['verify'])
    .catch(() => {
      throw new NoSignaturesError('This browser has no Ed25519.');
    });
  return (text: string, signature: Uint8Array): Promise<boolean> =>
    subtle.verify('Ed25519', key, Uint8Array.from(signature), new TextEncoder().encode(text));
}
