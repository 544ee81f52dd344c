/**
 * Between text and bytes without loss. The usual converters are lossy both ways: a decoder turns every
 * stray byte into U+FFFD and swallows a leading byte order mark, an encoder turns a lone surrogate into
 * U+FFFD. Two identifiers or caveats that differ would then be taken for the same one.
 */
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text that `bytes` encode, or undefined when they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The UTF-8 of `text`, or undefined when it has a lone surrogate and so has none. */
export function bytesOf(text: string): Uint8Array | undefined {
  return text.isWellFormed() ? Buffer.from(text, 'utf8') : undefined;
}

/** For hints that nothing depends on (locations): whatever is not UTF-8 becomes U+FFFD. */
export function lossyTextOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
