import { decodeBase64, encodeBase64 } from './base64.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import type { NoteSigner, NoteVerifier } from './note-key.ts';
import { checkName } from './note-name.ts';
import type { TreeHead } from './proof.ts';
import { openNote, parseNote, signNote, UntrustedNoteError } from './signed-note.ts';
import { equalHashes, HASH_BYTES } from './tree-hash.ts';

/** The head of a log, as its key signs it: C2SP tlog-checkpoint. */
export interface Checkpoint extends TreeHead {
  /** The log's name, and its key's. */
  readonly origin: string;
}

/** The signed text: three lines. */
export function printCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/**
 * The reverse of {@link printCheckpoint}. Our logs write no extension lines; they are refused, because nobody would
 * look at them.
 *
 * @throws MalformedLedgerError
 */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  const [origin = '', size = '', root = ''] = lines;
  if (lines.length !== 4 || lines[3] !== '')
    throw new MalformedLedgerError('A checkpoint is not three lines: origin, size, root hash.');
  checkName(origin);
  const bytes = decodeBase64(root, 'The root hash');
  if (bytes.byteLength !== HASH_BYTES)
    throw new MalformedLedgerError(`The root hash is not ${HASH_BYTES} bytes long.`);
  return { origin, size: parseDecimal(size, 'The size'), root: bytes };
}

/**
 * A whole number without a sign and without zeroes in front.
 *
 * @throws MalformedLedgerError
 */
export function parseDecimal(text: string, what: string): number {
  const number = Number(text);
  if (!/^(0|[1-9][0-9]*)$/.test(text) || !Number.isSafeInteger(number))
    throw new MalformedLedgerError(`${what} is not a whole number below 2^53.`);
  return number;
}

/**
 * Reads a checkpoint that its log must have signed. Signatures of others, such as witnesses, do not stand in for it.
 *
 * @throws MalformedLedgerError, UntrustedNoteError
 */
export function openCheckpoint(note: string, verifiers: readonly NoteVerifier[]): Checkpoint {
  const { text, signedBy } = openNote(note, verifiers);
  const checkpoint = parseCheckpoint(text);
  if (!signedBy.includes(checkpoint.origin))
    throw new UntrustedNoteError(`The log "${checkpoint.origin}" has not signed its checkpoint.`);
  return checkpoint;
}

/**
 * Reads a checkpoint without asking who signed it: for what is said about it, never for what is relied on.
 *
 * @throws MalformedLedgerError
 */
export function readUnverifiedCheckpoint(note: string): Checkpoint {
  return parseCheckpoint(parseNote(note).text);
}

/**
 * Signs the heads of one log. It refuses to sign what would contradict what it signed before: a smaller head, or another
 * one of the same size. (That a larger head has the same beginning is the frontier's doing: it only ever appends.)
 */
export class CheckpointSigner {
  readonly #signer: NoteSigner;
  #last: TreeHead | null;

  /** @param last the head that was signed last, before this process began; null when none was */
  constructor(signer: NoteSigner, last: TreeHead | null) {
    this.#signer = signer;
    this.#last = last;
  }

  get origin(): string {
    return this.#signer.name;
  }

  /**
   * To be called only with what is durable.
   *
   * @returns the signed note
   * @throws Error when this head and the last one are not of one log
   */
  sign(head: TreeHead): string {
    const last = this.#last;
    if (
      last !== null &&
      (head.size < last.size || (head.size === last.size && !equalHashes(head.root, last.root)))
    ) {
      throw new Error(
        `The log "${this.origin}" has signed a head of ${last.size} entries; one of ${head.size} contradicts it.`,
      );
    }
    const note = signNote(printCheckpoint({ ...head, origin: this.origin }), [this.#signer]);
    this.#last = head;
    return note;
  }
}
