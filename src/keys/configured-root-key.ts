import { readFileSync } from 'node:fs';

/** The settings `--secret` and `--secret-file`; at most one of them is set. */
export interface RootKeySettings {
  readonly secret: string | null;
  readonly secretFile: string | null;
}

/**
 * The root key that was given; null when none was. A newline that an editor left at the end of the file is no part of
 * the key; everything else is taken verbatim.
 *
 * @throws Error when the file cannot be read or holds no key
 */
export function configuredRootKey({ secret, secretFile }: RootKeySettings): Uint8Array | null {
  if (secret !== null) return Buffer.from(secret);
  return secretFile === null ? null : readSecretFile(secretFile);
}

function readSecretFile(file: string): Uint8Array {
  let key: Buffer;
  try {
    key = readFileSync(file);
  } catch (cause) {
    throw new Error(`The secret file ${file} cannot be read.`, { cause });
  }
  if (key.at(-1) === 0x0a) key = key.subarray(0, key.at(-2) === 0x0d ? -2 : -1);
  if (key.byteLength === 0) throw new Error(`The secret file ${file} is empty: it must hold the root key.`);
  return key;
}
