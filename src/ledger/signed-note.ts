import { decodeBase64, encodeBase64 } from './base64.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import type { NoteSigner, NoteVerifier } from './note-key.ts';
import { checkName } from './note-name.ts';

/** Longest note that is read. Sixteen post-quantum signatures of 5 kB come to 110 kB. */
export const NOTE_CHARACTERS_MAX = 512 * 1024;
/** Most signatures of a note; the specification wants 16 at least. */
export const SIGNATURES_MAX = 64;

const KEY_ID_BYTES = 4;
const SIGNATURE_LINE = /^— ([^ ]+) ([^ ]+)$/;

/** A text and who signed it, as it stands there: nothing is verified yet. */
export interface SignedNote {
  /** Ends in a newline; these are the signed bytes, as UTF-8. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** The note is well-formed, and nobody who is trusted has signed it. */
export class UntrustedNoteError extends Error {
  override readonly name = 'UntrustedNoteError';
}

/**
 * Reads a signed note: C2SP signed-note, version 1.
 *
 * @throws MalformedLedgerError
 */
export function parseNote(note: string): SignedNote {
  if (note.length > NOTE_CHARACTERS_MAX)
    throw new MalformedLedgerError(`The note is longer than ${NOTE_CHARACTERS_MAX} characters.`);
  if (!note.isWellFormed() || hasControlCharacter(note))
    throw new MalformedLedgerError('The note holds a control character or is not UTF-8.');
  // Empty lines may be in the text as well: the last one separates.
  const textEnd = note.lastIndexOf('\n\n') + 1;
  if (textEnd === 0) throw new MalformedLedgerError('The note has no empty line before its signatures.');
  const lines = note.slice(textEnd + 1).split('\n');
  if (lines.pop() !== '' || lines.length === 0)
    throw new MalformedLedgerError('The note does not end in signature lines.');
  if (lines.length > SIGNATURES_MAX)
    throw new MalformedLedgerError(`The note has more than ${SIGNATURES_MAX} signatures.`);
  return { text: note.slice(0, textEnd), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [, name, base64] = SIGNATURE_LINE.exec(line) ?? [];
  if (name === undefined || base64 === undefined)
    throw new MalformedLedgerError('A signature line is not "— NAME BASE64".');
  checkName(name);
  const bytes = decodeBase64(base64, 'A signature');
  if (bytes.byteLength <= KEY_ID_BYTES) throw new MalformedLedgerError('A signature is too short.');
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

/** Those below the blank. A newline is none here. */
function hasControlCharacter(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 && code !== 0x0a) return true;
  }
  return false;
}

/** Writes a note with the signatures of all signers. */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  return printNote({
    text,
    signatures: signers.map(({ name, id, sign }) => ({ name, keyId: id, signature: sign(text) })),
  });
}

/** The reverse of {@link parseNote}. A cosignature is added to `signatures`. */
export function printNote({ text, signatures }: SignedNote): string {
  const lines = signatures.map(
    ({ name, keyId, signature }) => `— ${name} ${encodeBase64(Buffer.concat([keyId, signature]))}\n`,
  );
  return `${text}\n${lines.join('')}`;
}

/**
 * Reads a note that must be signed by one of `verifiers` at least. Signatures by other keys are ignored; a false one by
 * any of them refuses the note.
 *
 * @returns the text, and the names of those whose signature was verified
 * @throws MalformedLedgerError, UntrustedNoteError
 */
export function openNote(
  note: string,
  verifiers: readonly NoteVerifier[],
): { text: string; signedBy: readonly string[] } {
  const { text, signatures } = parseNote(note);
  const signedBy: string[] = [];
  for (const { name, keyId, signature } of signatures) {
    const verifier = verifiers.find((one) => one.name === name && Buffer.compare(one.id, keyId) === 0);
    if (verifier === undefined) continue;
    if (!verifier.verifies(text, signature))
      throw new UntrustedNoteError(`The signature of "${name}" is not one of this text.`);
    signedBy.push(name);
  }
  if (signedBy.length === 0)
    throw new UntrustedNoteError('None of the keys that are known has signed the note.');
  return { text, signedBy };
}
