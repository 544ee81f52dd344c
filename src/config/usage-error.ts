/**
 * The command was called wrongly: an unknown flag, an ill-formed value, a missing argument. Its message is one line
 * that names what is wrong and never holds a secret; `main` prints it and exits with 2.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `text` as it may stand in a one-line message: quoted, its control characters escaped, not endless. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
