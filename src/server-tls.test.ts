import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { runMain } from '../test/support/captured-io.ts';
import { databoxPem, keyPem, makeCertificate } from '../test/support/certificates.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import { UsageError } from './config.ts';
import { findServerTls, type TlsSettings } from './server-tls.ts';
import { CERTIFICATE_FILE_BYTES_MAX } from './tls/certificate-file.ts';

const OWN = makeCertificate();
const PEM = databoxPem(OWN);
const ARBITER = 'tcp://arbiter:4444';

/** A secrets directory; `DATABOX.pem` is in it when `content` is given. */
class Secrets extends TemporaryDirectory {
  constructor(content?: string) {
    super();
    if (content !== undefined) writeFileSync(this.pem, content);
  }

  get pem(): string {
    return this.file('DATABOX.pem');
  }

  find(tls: 'auto' | 'off', arbiter: string | null = null) {
    return findServerTls(settings({ tls, secretsDir: this.path, arbiter }));
  }
}

function settings(given: Partial<TlsSettings>): TlsSettings {
  return { tls: 'auto', secretsDir: '/nowhere', arbiter: null, secret: null, secretFile: null, ...given };
}

describe('--tls auto', () => {
  for (const arbiter of [null, ARBITER]) {
    const where = arbiter === null ? 'without an arbiter' : 'with an arbiter';

    it(`serves HTTPS when DATABOX.pem is there, ${where}`, async () => {
      using secrets = new Secrets(PEM);
      const { scheme, certificate } = await secrets.find('auto', arbiter);
      assert.equal(scheme, 'https');
      assert.equal(certificate?.cert, OWN.cert);
    });

    it(`ends the start when DATABOX.pem is there and unusable, ${where}`, async () => {
      using secrets = new Secrets(OWN.cert);
      await assert.rejects(secrets.find('auto', arbiter), UsageError);
    });
  }

  it('serves plain HTTP when DATABOX.pem is not there, without an arbiter', async () => {
    using secrets = new Secrets();
    const { scheme, certificate } = await secrets.find('auto');
    assert.deepEqual({ scheme, certificate }, { scheme: 'http', certificate: null });
    assert.equal((await findServerTls(settings({ secretsDir: secrets.file('none') }))).scheme, 'http');
  });

  it('ends the start when DATABOX.pem is not there, with an arbiter, and says what to do', async () => {
    using secrets = new Secrets();
    await assert.rejects(secrets.find('auto', ARBITER), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.ok(error.message.startsWith(`--tls: there is no ${secrets.pem}, and with an arbiter`));
      assert.match(error.message, /--secrets-dir/);
      assert.match(error.message, /--tls off/);
      return true;
    });
  });
});

describe('a root key that is given, so that no arbiter is asked', () => {
  for (const given of [{ secret: 'S' }, { secretFile: '/run/root-key' }]) {
    it(`is as without an arbiter: ${Object.keys(given)}`, async () => {
      using secrets = new Secrets();
      const beside = settings({ secretsDir: secrets.path, arbiter: ARBITER, ...given });
      assert.equal((await findServerTls(beside)).scheme, 'http');
      writeFileSync(secrets.pem, PEM);
      assert.equal((await findServerTls(beside)).scheme, 'https');
    });
  }
});

describe('--tls off', () => {
  it('serves plain HTTP, whatever DATABOX.pem is', async () => {
    for (const content of [undefined, PEM, 'no certificate']) {
      using secrets = new Secrets(content);
      for (const arbiter of [null, ARBITER]) {
        assert.equal((await secrets.find('off', arbiter)).scheme, 'http');
      }
    }
  });
});

describe('an unusable DATABOX.pem', () => {
  const cases: [what: string, make: (file: string) => void, reason: RegExp][] = [
    ['is empty', (file) => writeFileSync(file, ''), /it is empty$/],
    ['has no certificate', (file) => writeFileSync(file, keyPem(OWN)), /it holds no certificate$/],
    ['has no key', (file) => writeFileSync(file, OWN.cert), /it holds no private key$/],
    [
      'has the key of another',
      (file) => writeFileSync(file, OWN.cert + keyPem(makeCertificate())),
      /its private key does not match its certificate$/,
    ],
    ['is a folder, as Docker makes one of a missing file', (file) => mkdirSync(file), /a folder or a device/],
    ['is a link that leads nowhere', (file) => symlinkSync('nowhere', file), /it is not there$/],
    ['is a link to itself', (file) => symlinkSync('DATABOX.pem', file), /cannot be read \(ELOOP\)$/],
    ['is a device without an end', (file) => symlinkSync('/dev/zero', file), /a folder or a device/],
    ['is a pipe that nobody writes into', (file) => execFileSync('mkfifo', [file]), /a folder or a device/],
    [
      'is too large',
      (file) => writeFileSync(file, PEM.padEnd(CERTIFICATE_FILE_BYTES_MAX + 1)),
      /it has 262145 bytes, and at most 262144 are read$/,
    ],
  ];
  for (const [what, make, reason] of cases) {
    it(`ends the start in one line that says so when it ${what}, and no store is made`, async () => {
      using secrets = new Secrets();
      make(secrets.pem);
      const dataDir = secrets.file('data');
      const flags = ['--secrets-dir', secrets.path, '--data-dir', dataDir, '--port', '0'];
      const { code, stdout, stderr } = await runMain(['serve', ...flags]);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^export-service: --tls: [^\n]+\n$/);
      assert.ok(stderr.includes(`${secrets.pem} cannot be used: `));
      assert.match(stderr.trim(), reason);
      assert.equal(statSync(dataDir, { throwIfNoEntry: false }), undefined);
    });
  }

  it('ends the start when this user may not read it', { skip: rootReadsAll() }, async () => {
    using secrets = new Secrets(PEM);
    execFileSync('chmod', ['000', secrets.pem]);
    await assert.rejects(secrets.find('auto'), /this user may not read it$/);
  });

  it('ends the start when the secrets directory is a file', async () => {
    using secrets = new Secrets(PEM);
    await assert.rejects(findServerTls(settings({ secretsDir: secrets.pem })), /cannot be read \(ENOTDIR\)$/);
  });
});

describe('a DATABOX.pem', () => {
  it('of exactly the bound is read', async () => {
    using secrets = new Secrets(PEM.padEnd(CERTIFICATE_FILE_BYTES_MAX));
    assert.equal((await secrets.find('auto')).scheme, 'https');
  });

  it('whose time is over is used: its clients judge it by their own clocks', async () => {
    using secrets = new Secrets(databoxPem(makeCertificate({ validTo: new Date('2025-06-01') })));
    assert.equal((await secrets.find('auto')).scheme, 'https');
  });
});

function rootReadsAll(): string | false {
  return (
    process.getuid?.() === 0 &&
    'root may read everything; test/e2e/read-only.test.ts tries it as another user'
  );
}
