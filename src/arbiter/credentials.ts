import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the box gives a service, so that it and the arbiter can prove themselves to each other. */
export interface ArbiterCredentials {
  /** Ours, as the arbiter has it. */
  readonly token: Uint8Array;
  /** The arbiter's public key, in Z85. */
  readonly serverKey: string;
}

const TOKEN_FILE = 'ARBITER_TOKEN';
const SERVER_KEY_FILE = 'ZMQ_PUBLIC_KEY';
/** The box's tokens have 44 characters. */
const TOKEN_BYTES_MAX = 1_024;
/** Z85 (ZeroMQ RFC 32): five characters hold four bytes, so a key of 32 bytes has 40. */
const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';
const SERVER_KEY_CHARACTERS = 40;

/**
 * Reads the credentials from the secrets directory. They are used to the byte, so nothing is trimmed, and there are no
 * defaults: the original fell back to keys that everybody knows.
 *
 * @throws Error that names the file, and says what is wrong with it and what to do
 */
export function readCredentials(secretsDir: string): ArbiterCredentials {
  return { token: readToken(join(secretsDir, TOKEN_FILE)), serverKey: readServerKey(secretsDir) };
}

function readToken(file: string): Uint8Array {
  const token = readSecret(file);
  if (token.length > TOKEN_BYTES_MAX) {
    throw new Error(`${file} has ${token.length} bytes, and a token at most ${TOKEN_BYTES_MAX}.`);
  }
  if (!/^[\x21-\x7e]+$/.test(token.toString('latin1'))) {
    throw new Error(
      `${file} holds something else than visible ASCII characters. It must hold the token alone, as the box wrote it.`,
    );
  }
  return token;
}

function readServerKey(secretsDir: string): string {
  const file = join(secretsDir, SERVER_KEY_FILE);
  const key = readSecret(file).toString('latin1');
  if (!isZ85Key(key)) {
    throw new Error(
      `${file} does not hold the arbiter's public key: 40 characters of Z85, as the box wrote them.`,
    );
  }
  return key;
}

function isZ85Key(text: string): boolean {
  const groups = text.match(/.{5}/gs) ?? [];
  return text.length === SERVER_KEY_CHARACTERS && groups.every(isZ85Group);
}

/** Five characters can also stand for more than four bytes hold. */
function isZ85Group(group: string): boolean {
  const digits = [...group].map((character) => Z85.indexOf(character));
  const value = digits.reduce((sum, digit) => sum * Z85.length + digit, 0);
  return !digits.includes(-1) && value <= 0xffff_ffff;
}

function readSecret(file: string): Buffer {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (cause) {
    throw new Error(
      `${file} cannot be read (${(cause as NodeJS.ErrnoException).code}). Who asks an arbiter needs it: ` +
        'the box mounts it; --secrets-dir (in an app: secretsDir) says where.',
      { cause },
    );
  }
  if (content.length === 0) throw new Error(`${file} is empty.`);
  if (content.at(-1) === 0x0a) {
    throw new Error(
      `${file} ends in a line break, which would be part of the secret. Write it without one (printf %s).`,
    );
  }
  return content;
}
