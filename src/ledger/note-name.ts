import { MalformedLedgerError } from './malformed-ledger-error.ts';

/** @throws MalformedLedgerError when a key cannot have this name */
export function checkName(name: string): void {
  if (name === '' || !name.isWellFormed() || /[\p{White_Space}\p{Cc}+]/u.test(name)) {
    throw new MalformedLedgerError(
      'The name of a key is empty, or holds a blank, a control character or a plus.',
    );
  }
}
