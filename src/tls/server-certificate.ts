import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type PemBlock, pemBlocks } from './pem.ts';

/** What HTTPS is served with, and what is worth telling about it. */
export interface ServerCertificate {
  /** The certificate of our own, then those that lead to the CA, in PEM. */
  readonly cert: string;
  /** In PEM. */
  readonly key: string;
  /** Whom it names, as `DNS:export-service, IP Address:127.0.0.1`; empty when nobody. */
  readonly names: string;
  /** When it begins to hold and when it ends, in milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** Plain (PKCS#8), and the two older kinds that name their algorithm; the box writes RSA (PKCS#1). */
const KEY_LABELS: readonly string[] = ['PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];

/**
 * Reads a certificate, its private key and, when there are any, the certificates of the CAs in between from the text of
 * one PEM file. They may stand in any order, and other blocks beside them: the box adds the public key.
 *
 * A certificate that has expired is none of our business here: those who connect judge it, by their own clocks.
 *
 * @throws Error that says what is wrong, to go after the file's name; it never quotes the file
 */
export function readServerCertificate(pem: string): ServerCertificate {
  if (pem === '') throw new Error('it is empty');
  const blocks = pemBlocks(pem);
  const certificates = blocks.filter(({ label }) => label === 'CERTIFICATE').map(readCertificate);
  if (certificates.length === 0) throw new Error('it holds no certificate');
  const { key, text } = readKey(blocks);
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined) throw new Error('its private key does not match its certificate');
  const chain = [leaf, ...certificates.filter((certificate) => certificate !== leaf)];
  return checked({
    cert: chain.map(String).join(''),
    key: text,
    names: leaf.subjectAltName ?? '',
    validFrom: Date.parse(leaf.validFrom),
    validTo: Date.parse(leaf.validTo),
  });
}

function readCertificate({ text }: PemBlock, index: number): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new Error(`its certificate number ${index + 1} cannot be read (${reasonOf(cause)})`, { cause });
  }
}

function readKey(blocks: readonly PemBlock[]): { key: KeyObject; text: string } {
  const keys = blocks.filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const [block] = keys;
  if (block === undefined) throw new Error('it holds no private key');
  if (keys.length > 1) throw new Error(`it holds ${keys.length} private keys, and only one can be meant`);
  const { label, text } = block;
  if (label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw new Error('its private key is encrypted, and there is nobody to ask for the passphrase');
  }
  if (!KEY_LABELS.includes(label)) throw new Error(`its key is of a kind that is not known here (${label})`);
  try {
    return { key: createPrivateKey(text), text };
  } catch (cause) {
    throw new Error(`its private key cannot be read (${reasonOf(cause)})`, { cause });
  }
}

/** OpenSSL refuses more than what does not fit together, such as keys that are too short; better now than at a handshake. */
function checked(certificate: ServerCertificate): ServerCertificate {
  try {
    createSecureContext({ cert: certificate.cert, key: certificate.key });
    return certificate;
  } catch (cause) {
    throw new Error(`TLS cannot be served with it (${reasonOf(cause)})`, { cause });
  }
}

/** OpenSSL's word for it. Its whole message is about function names. */
function reasonOf(error: unknown): string {
  const { reason, message } = error as { reason?: string; message: string };
  return reason ?? message;
}

/** How a certificate stands in time. */
export type Validity = 'valid' | 'not yet valid' | 'expires soon' | 'expired';

/** As long as this before its end somebody should know. */
export const EXPIRES_SOON_MS = 14 * 86_400_000;

/** @param now wall-clock time in milliseconds since 1970 */
export function validityAt({ validFrom, validTo }: ServerCertificate, now: number): Validity {
  if (now < validFrom) return 'not yet valid';
  if (now > validTo) return 'expired';
  return validTo - now <= EXPIRES_SOON_MS ? 'expires soon' : 'valid';
}
