/** The text is not a macaroon we read. The message says why and never holds any of the text: it is a secret. */
export class MalformedMacaroonError extends Error {
  override readonly name = 'MalformedMacaroonError';
}
