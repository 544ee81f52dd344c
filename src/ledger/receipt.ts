import { decodeBase64, encodeBase64 } from './base64.ts';
import { type Checkpoint, openCheckpoint, parseDecimal } from './checkpoint.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import type { NoteVerifier } from './note-key.ts';
import { rootOfInclusion } from './proof.ts';
import { NOTE_CHARACTERS_MAX, UntrustedNoteError } from './signed-note.ts';
import { equalHashes, HASH_BYTES, leafHash, type TreeHash } from './tree-hash.ts';

const FORMAT = 'c2sp.org/tlog-proof@v1';
const EXTRA = 'extra ';
const INDEX = 'index ';

/** Longest file that is read: the note, an entry in base64, and a proof. */
export const PROOF_FILE_CHARACTERS_MAX = NOTE_CHARACTERS_MAX * 2;
/** A log below 2^53 entries needs no longer one. */
const PROOF_HASHES_MAX = 53;

/** A C2SP tlog-proof file: that an entry is in the log that a checkpoint is about. */
export interface ProofFile {
  /** For us, the entry itself. Not authenticated by itself: it proves nothing until it was hashed. */
  readonly extra: Uint8Array | null;
  readonly index: number;
  /** The sibling's hash first, the root's child last. */
  readonly proof: readonly TreeHash[];
  /** The signed note, verbatim. */
  readonly checkpoint: string;
}

export function printProofFile({ extra, index, proof, checkpoint }: ProofFile): string {
  const lines = [
    FORMAT,
    ...(extra === null ? [] : [EXTRA + encodeBase64(extra)]),
    `${INDEX}${index}`,
    ...proof.map(encodeBase64),
    '',
  ];
  return `${lines.join('\n')}\n${checkpoint}`;
}

/**
 * The reverse of {@link printProofFile}. The checkpoint is taken as it stands there, unread.
 *
 * @throws MalformedLedgerError
 */
export function parseProofFile(file: string): ProofFile {
  if (file.length > PROOF_FILE_CHARACTERS_MAX)
    throw new MalformedLedgerError(`The proof is longer than ${PROOF_FILE_CHARACTERS_MAX} characters.`);
  const headEnd = file.indexOf('\n\n');
  if (headEnd === -1) throw new MalformedLedgerError('The proof has no empty line before its checkpoint.');
  const [format, ...lines] = file.slice(0, headEnd).split('\n');
  if (format !== FORMAT) throw new MalformedLedgerError(`The proof does not begin with ${FORMAT}.`);
  const extra = lines[0]?.startsWith(EXTRA) ? lines.shift()?.slice(EXTRA.length) : undefined;
  const index = lines.shift();
  if (!index?.startsWith(INDEX)) throw new MalformedLedgerError('The proof has no line "index".');
  if (lines.length > PROOF_HASHES_MAX)
    throw new MalformedLedgerError(`The proof has more than ${PROOF_HASHES_MAX} hashes.`);
  return {
    extra: extra === undefined ? null : decodeBase64(extra, 'The extra line'),
    index: parseDecimal(index.slice(INDEX.length), 'The index'),
    proof: lines.map(parseHash),
    checkpoint: file.slice(headEnd + 2),
  };
}

function parseHash(line: string): TreeHash {
  const hash = decodeBase64(line, 'A hash of the proof');
  if (hash.byteLength !== HASH_BYTES)
    throw new MalformedLedgerError(`A hash of the proof is not ${HASH_BYTES} bytes long.`);
  return hash;
}

/** What a proof file proves. */
export interface ProvenEntry {
  readonly index: number;
  readonly checkpoint: Checkpoint;
}

/**
 * Checks a proof file for an entry that is at hand.
 *
 * @throws MalformedLedgerError, UntrustedNoteError
 */
export function verifyProofFile(
  file: string,
  entry: string,
  verifiers: readonly NoteVerifier[],
): ProvenEntry {
  const { index, proof, checkpoint: note } = parseProofFile(file);
  const checkpoint = openCheckpoint(note, verifiers);
  const root = rootOfInclusion({ index, size: checkpoint.size, leaf: leafHash(entry), proof });
  if (root === null || !equalHashes(root, checkpoint.root))
    throw new UntrustedNoteError(`The proof does not lead from the entry to the log's root.`);
  return { index, checkpoint };
}

/** Writes a receipt: a proof file that holds the entry it is about. */
export function printReceipt(receipt: Omit<ProofFile, 'extra'> & { readonly entry: string }): string {
  const { entry, ...proof } = receipt;
  return printProofFile({ ...proof, extra: Buffer.from(entry) });
}

/**
 * Checks a receipt with nothing else at hand but the log's key.
 *
 * @returns the entry's text and what was proven of it
 * @throws MalformedLedgerError, UntrustedNoteError
 */
export function verifyReceipt(
  file: string,
  verifiers: readonly NoteVerifier[],
): ProvenEntry & { readonly entry: string } {
  const { extra } = parseProofFile(file);
  if (extra === null)
    throw new MalformedLedgerError('The proof does not hold its entry: it has no line "extra".');
  const entry = textOf(extra);
  return { entry, ...verifyProofFile(file, entry, verifiers) };
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new MalformedLedgerError('The entry in the proof is not UTF-8.');
  }
}
