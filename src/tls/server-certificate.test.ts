import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  databoxPem,
  keyPem,
  makeAuthority,
  makeCertificate,
  newEcKey,
  newRsaKey,
  publicKeyPem,
} from '../../test/support/certificates.ts';
import { pemBlocks } from './pem.ts';
import { EXPIRES_SOON_MS, readServerCertificate, type Validity, validityAt } from './server-certificate.ts';

const CA = makeAuthority();
const OWN = makeCertificate({ issuer: CA });
const OTHER = makeCertificate({ issuer: CA, name: 'another' });
const PUBLIC_KEY = publicKeyPem(OWN);

function subjects(cert: string): string[] {
  return pemBlocks(cert).map(({ text }) => new X509Certificate(text).subject);
}

/** That `pem` is read as OWN's certificate and key, and nothing else. */
function assertOwn(pem: string): void {
  const { cert, key } = readServerCertificate(pem);
  assert.equal(cert, OWN.cert);
  assert.deepEqual(createPrivateKey(key).export({ format: 'jwk' }), OWN.key.export({ format: 'jwk' }));
}

describe('a certificate file', () => {
  it('as the box writes it is read: certificate, PKCS#1 key, public key', () => {
    const pem = databoxPem(OWN);
    assert.match(
      pem,
      /^-----BEGIN CERTIFICATE-----[\s\S]*-----BEGIN RSA PRIVATE KEY-----[\s\S]*-----BEGIN PUBLIC KEY/,
    );
    assertOwn(pem);
    const { names, validFrom, validTo } = readServerCertificate(pem);
    assert.equal(names, 'DNS:export-service, IP Address:127.0.0.1');
    assert.deepEqual([validFrom, validTo], [Date.UTC(2025, 0, 1), Date.UTC(2125, 0, 1)]);
  });

  const [cert, key] = [OWN.cert, keyPem(OWN)];
  const orders: [what: string, pem: string][] = [
    ['without the public key', cert + key],
    ['with the key first', key + cert],
    ['with the public key first', PUBLIC_KEY + cert + key],
    ['with the public key between', key + PUBLIC_KEY + cert],
    ['with words around the blocks', `subject=CN = export-service\n${cert}\nthe key:\n${key}\n\n`],
    ['with the line breaks of Windows', (cert + key).replaceAll('\n', '\r\n')],
    ['with blocks that follow each other on one line', cert.trimEnd() + key.trimEnd() + PUBLIC_KEY.trimEnd()],
    ['with a byte order mark, read as latin1', `\u00ef\u00bb\u00bf${cert}${key}`],
    ['with the key in PKCS#8', cert + keyPem(OWN, 'pkcs8')],
  ];
  for (const [what, pem] of orders) it(`${what} is read too`, () => assertOwn(pem));

  it('with an elliptic key is read, in both forms', () => {
    const elliptic = makeCertificate({ issuer: CA, key: newEcKey() });
    for (const form of ['sec1', 'pkcs8'] as const) {
      assert.equal(readServerCertificate(elliptic.cert + keyPem(elliptic, form)).cert, elliptic.cert);
    }
  });

  it('with a chain gives the certificate of its key first, wherever it stands', () => {
    const between = makeAuthority('between', CA);
    const leaf = makeCertificate({ issuer: between });
    const given = [between.cert, CA.cert, keyPem(leaf), leaf.cert].join('');
    const { cert } = readServerCertificate(given);
    assert.deepEqual(subjects(cert), ['CN=export-service', 'CN=between', 'CN=Databox']);
  });

  it('is told whom it names, also when that is nobody', () => {
    assert.equal(readServerCertificate(databoxPem(makeCertificate({ hosts: [] }))).names, '');
  });
});

describe('a certificate file that is unusable', () => {
  const encrypted = String(
    OWN.key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'geheim' }),
  );
  const encryptedOld = String(
    OWN.key.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'geheim' }),
  );
  const garbled = (pem: string) => pem.replace(/\n[^\n]{8}/, '\nAAAAAAAA');
  const short = makeCertificate({ key: newRsaKey(512) });
  const cases: [what: string, pem: string, reason: RegExp][] = [
    ['is empty', '', /^it is empty$/],
    ['holds no PEM', 'certificate', /^it holds no certificate$/],
    ['has no certificate', keyPem(OWN) + PUBLIC_KEY, /^it holds no certificate$/],
    ['has no key', OWN.cert, /^it holds no private key$/],
    ['has only the public key', OWN.cert + PUBLIC_KEY, /^it holds no private key$/],
    ["has somebody else's key", OWN.cert + keyPem(OTHER), /^its private key does not match its certificate$/],
    ['has two keys', databoxPem(OWN) + keyPem(OTHER), /^it holds 2 private keys/],
    ['has an encrypted key', OWN.cert + encrypted, /^its private key is encrypted/],
    ['has an encrypted key of the older kind', OWN.cert + encryptedOld, /^its private key is encrypted/],
    [
      'has a key of another kind',
      `${OWN.cert}${keyPem(OWN).replaceAll('RSA', 'DSA')}`,
      /\(DSA PRIVATE KEY\)$/,
    ],
    ['has a garbled key', OWN.cert + garbled(keyPem(OWN)), /^its private key cannot be read \(/],
    [
      'has a garbled certificate',
      garbled(OWN.cert) + keyPem(OWN),
      /^its certificate number 1 cannot be read \(/,
    ],
    [
      'has a garbled chain',
      databoxPem(OWN) + garbled(CA.cert),
      /^its certificate number 2 cannot be read \(/,
    ],
    [
      'ends in its certificate',
      OWN.cert.slice(0, 200),
      /^its CERTIFICATE does not end: the file is cut off$/,
    ],
    ['ends in its key', databoxPem(OWN).slice(0, -700), /^its RSA PRIVATE KEY does not end/],
    ['has a key that is too short', databoxPem(short), /^TLS cannot be served with it \(ee key too small\)$/],
  ];
  for (const [what, pem, reason] of cases) {
    it(`says so when it ${what}, and quotes nothing of it`, () => {
      assert.throws(
        () => readServerCertificate(pem),
        (error: Error) => {
          assert.match(error.message, reason);
          const secrets = pem.match(/[A-Za-z0-9+/]{20,}/g) ?? [];
          assert.ok(secrets.every((secret) => !error.message.includes(secret)));
          return true;
        },
      );
    });
  }
});

describe('the time of a certificate', () => {
  const from = Date.UTC(2026, 0, 1);
  const to = Date.UTC(2027, 0, 1);
  const pem = databoxPem(makeCertificate({ validFrom: new Date(from), validTo: new Date(to) }));
  const edges: [now: number, validity: Validity][] = [
    [from - 1, 'not yet valid'],
    [from, 'valid'],
    [to - EXPIRES_SOON_MS - 1, 'valid'],
    [to - EXPIRES_SOON_MS, 'expires soon'],
    [to, 'expires soon'],
    [to + 1, 'expired'],
  ];
  for (const [now, validity] of edges) {
    it(`is "${validity}" at ${new Date(now).toISOString()}`, () => {
      assert.equal(validityAt(readServerCertificate(pem), now), validity);
    });
  }
});
