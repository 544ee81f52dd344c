/** A block of a PEM file (RFC 7468), such as a certificate or a key. */
export interface PemBlock {
  /** What it says it is: `CERTIFICATE`, `RSA PRIVATE KEY`. */
  readonly label: string;
  /** From its BEGIN to its END, with a line break after it. */
  readonly text: string;
}

/**
 * The blocks of a PEM file, in their order. What stands between them is not looked at; so are blocks that follow each
 * other without a line break, as `cat` leaves them.
 *
 * @throws Error when a block does not end
 */
export function pemBlocks(text: string): PemBlock[] {
  return text.split(/(?=-----BEGIN )/).flatMap((piece) => {
    const label = /^-----BEGIN ([A-Z0-9 ]+)-----/.exec(piece)?.[1];
    if (label === undefined) return [];
    const end = `-----END ${label}-----`;
    const length = piece.indexOf(end);
    if (length === -1) throw new Error(`its ${label} does not end: the file is cut off`);
    return [{ label, text: `${piece.slice(0, length)}${end}\n` }];
  });
}
