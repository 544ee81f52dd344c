/** A text is not what it must be: an entry, a note, a key, a proof. The message says which rule it breaks. */
export class MalformedLedgerError extends Error {
  override readonly name = 'MalformedLedgerError';
}
