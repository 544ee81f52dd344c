/**
 * Certificates as a Databox has them, made when a test needs one, so that every wrong one can be had too. Node reads
 * X.509 and does not write it: the few structures that are needed (RFC 5280) are put together here.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

export interface Identity {
  /** In PEM. */
  readonly cert: string;
  readonly key: KeyObject;
  readonly name: string;
}

export interface CertificateOptions {
  /** Its common name; default `export-service`. */
  readonly name?: string;
  /** Whom it is for, in names and IPv4 addresses; default its common name and 127.0.0.1. */
  readonly hosts?: readonly string[];
  /** Default: it signs itself. */
  readonly issuer?: Identity;
  readonly isAuthority?: boolean;
  /** Default: from 2025 to 2125. */
  readonly validFrom?: Date;
  readonly validTo?: Date;
  /** Default: a new RSA key of 2048 bits, as the box makes them. */
  readonly key?: KeyObject;
}

export function newRsaKey(modulusLength = 2_048): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey;
}

export function newEcKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** A CA; the box's own is called Databox, and signs itself. */
export function makeAuthority(name = 'Databox', issuer?: Identity): Identity {
  const options = { name, hosts: [], isAuthority: true, key: newEcKey() };
  return makeCertificate(issuer === undefined ? options : { ...options, issuer });
}

export function makeCertificate(options: CertificateOptions = {}): Identity {
  const name = options.name ?? 'export-service';
  const key = options.key ?? newRsaKey();
  const issuer = options.issuer ?? { name, key };
  const algorithm = signatureAlgorithm(issuer.key);
  const toBeSigned = sequence(
    tagged(0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer.name),
    sequence(
      time(options.validFrom ?? new Date('2025-01-01')),
      time(options.validTo ?? new Date('2125-01-01')),
    ),
    distinguishedName(name),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...extensions(options, name))),
  );
  const signature = sign('sha256', toBeSigned, issuer.key);
  const der = sequence(toBeSigned, algorithm, bitString(signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return { cert: pem('CERTIFICATE', lines), key, name };
}

/** The private key as the box writes it (PKCS#1), or in the form that names no algorithm outside (PKCS#8). */
export function keyPem({ key }: Pick<Identity, 'key'>, type: 'pkcs1' | 'pkcs8' | 'sec1' = 'pkcs1'): string {
  return String(key.export({ type: type as 'pkcs8', format: 'pem' }));
}

/** The block that the box adds, of which nobody has a use. */
export function publicKeyPem({ key }: Pick<Identity, 'key'>): string {
  return String(createPublicKey(key).export({ type: 'spki', format: 'pem' }));
}

/** `DATABOX.pem`: certificate, key and public key, in the order of the box. */
export function databoxPem(identity: Identity): string {
  return identity.cert + keyPem(identity) + publicKeyPem(identity);
}

function pem(label: string, lines: readonly string[]): string {
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function extensions({ hosts, isAuthority = false }: CertificateOptions, name: string): Buffer[] {
  const names = hosts ?? [name, '127.0.0.1'];
  const constraints = extension(
    '551d13',
    sequence(...(isAuthority ? [der(0x01, Buffer.of(0xff))] : [])),
    true,
  );
  // keyCertSign and cRLSign; digitalSignature and keyEncipherment.
  const usage = extension('551d0f', der(0x03, isAuthority ? Buffer.of(1, 0x06) : Buffer.of(5, 0xa0)), true);
  if (isAuthority) return [constraints, usage];
  const forServers = extension('551d25', sequence(objectId('2b06010505070301')));
  if (names.length === 0) return [constraints, usage, forServers];
  return [constraints, usage, forServers, extension('551d11', sequence(...names.map(generalName)))];
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  const critical = isCritical ? [der(0x01, Buffer.of(0xff))] : [];
  return sequence(objectId(id), ...critical, der(0x04, value));
}

function generalName(host: string): Buffer {
  return isIPv4(host) ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(der(0x31, sequence(objectId('550403'), der(0x0c, Buffer.from(commonName)))));
}

/** With SHA-256: ecdsa-with-SHA256, or sha256WithRSAEncryption. */
function signatureAlgorithm(key: KeyObject): Buffer {
  if (key.asymmetricKeyType === 'ec') return sequence(objectId('2a8648ce3d040302'));
  return sequence(objectId('2a864886f70d01010b'), der(0x05, Buffer.alloc(0)));
}

/** UTCTime ends with 2049; GeneralizedTime goes on. */
function time(date: Date): Buffer {
  const text = `${date.toISOString().replace(/[-:T]|\.\d+/g, '')}`;
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(text.slice(2))) : der(0x18, Buffer.from(text));
}

function objectId(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return der(0x03, Buffer.concat([Buffer.of(0), bytes]));
}

function tagged(number: number, content: Buffer): Buffer {
  return der(0xa0 + number, content);
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

/** A tag, a length (one byte up to 127, else its size and two bytes: nothing here is longer) and the content. */
function der(tag: number, content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, content.length >> 8, content.length & 0xff), content]);
}
