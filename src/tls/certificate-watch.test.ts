import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { databoxPem, makeCertificate } from '../../test/support/certificates.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { until } from '../../test/support/until.ts';
import { CERTIFICATE_CHECKED_EVERY_MS, CertificateWatch } from './certificate-watch.ts';
import { EXPIRES_SOON_MS, readServerCertificate } from './server-certificate.ts';

const [FIRST, SECOND] = [makeCertificate(), makeCertificate()].map(databoxPem) as [string, string];

/** A watch of a file, and all that it has told. */
class Watched implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly told: string[] = [];
  readonly #directory = new TemporaryDirectory();
  readonly #watch: CertificateWatch;

  constructor(pem = FIRST, now?: number) {
    this.clock = new ManualClock(now);
    writeFileSync(this.file, pem);
    this.#watch = new CertificateWatch({
      file: this.file,
      certificate: readServerCertificate(pem),
      clock: this.clock,
      observer: {
        renewed: ({ cert }) => this.told.push(SECOND.startsWith(cert) ? 'second' : 'first'),
        unusable: (reason) => this.told.push(reason),
        validity: (validity) => this.told.push(validity),
      },
    });
    this.#watch.start();
  }

  get file(): string {
    return this.path('DATABOX.pem');
  }

  path(name: string): string {
    return this.#directory.file(name);
  }

  /** Lets the file be read so often. */
  async checks(count: number): Promise<void> {
    for (let check = 0; check < count; check += 1) {
      this.clock.advance(CERTIFICATE_CHECKED_EVERY_MS);
      await until(() => this.clock.scheduled === 1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch[Symbol.asyncDispose]();
    assert.equal(this.clock.scheduled, 0);
    this.#directory[Symbol.dispose]();
  }
}

describe('a certificate that is watched', () => {
  it('and stays as it is is not told of', async () => {
    await using watched = new Watched();
    await watched.checks(5);
    assert.deepEqual(watched.told, []);
  });

  it('and was written over is renewed, once, at the second look that finds the same', async () => {
    await using watched = new Watched();
    await watched.checks(3);
    writeFileSync(watched.file, SECOND);
    await watched.checks(1);
    assert.deepEqual(watched.told, []);
    await watched.checks(5);
    assert.deepEqual(watched.told, ['second']);
  });

  it('and changed before the first look is renewed', async () => {
    await using watched = new Watched();
    writeFileSync(watched.file, SECOND);
    await watched.checks(2);
    assert.deepEqual(watched.told, ['second']);
  });

  it('and was moved into place is renewed', async () => {
    await using watched = new Watched();
    writeFileSync(watched.path('new'), SECOND);
    renameSync(watched.path('new'), watched.file);
    await watched.checks(2);
    assert.deepEqual(watched.told, ['second']);
  });

  it('behind links of which one is turned elsewhere is renewed, as Kubernetes does it', async () => {
    await using watched = new Watched();
    for (const [folder, pem] of [
      ['..1', FIRST],
      ['..2', SECOND],
    ] as const) {
      mkdirSync(watched.path(folder));
      writeFileSync(watched.path(`${folder}/DATABOX.pem`), pem);
    }
    symlinkSync('..1', watched.path('..data'));
    rmSync(watched.file);
    symlinkSync('..data/DATABOX.pem', watched.file);
    await watched.checks(3);
    assert.deepEqual(watched.told, []);
    symlinkSync('..2', watched.path('..tmp'));
    renameSync(watched.path('..tmp'), watched.path('..data'));
    await watched.checks(2);
    assert.deepEqual(watched.told, ['second']);
  });

  it('and is written slowly is judged only when it is whole', async () => {
    await using watched = new Watched();
    writeFileSync(watched.file, '');
    for (let start = 0; start < SECOND.length; start += 500) {
      await watched.checks(1);
      appendFileSync(watched.file, SECOND.slice(start, start + 500));
    }
    await watched.checks(2);
    assert.deepEqual(watched.told, ['second']);
  });

  it('and is spoilt is told of once for each way, and renewed when it is good again', async () => {
    await using watched = new Watched();
    writeFileSync(watched.file, 'no certificate');
    await watched.checks(5);
    rmSync(watched.file);
    await watched.checks(5);
    mkdirSync(watched.file);
    await watched.checks(5);
    rmSync(watched.file, { recursive: true });
    writeFileSync(watched.file, SECOND);
    await watched.checks(5);
    assert.deepEqual(watched.told, [
      'it holds no certificate',
      'it is not there',
      'it is a folder or a device and not a file',
      'second',
    ]);
  });

  it('and is spoilt and then as before is told of as good again', async () => {
    await using watched = new Watched();
    writeFileSync(watched.file, '');
    await watched.checks(2);
    writeFileSync(watched.file, FIRST);
    await watched.checks(5);
    assert.deepEqual(watched.told, ['it is empty', 'first']);
  });

  it('is told of when its time comes near, is over, and when another is in time', async () => {
    const validTo = Date.UTC(2027, 0, 1);
    const ending = databoxPem(makeCertificate({ validTo: new Date(validTo) }));
    await using watched = new Watched(ending, validTo - EXPIRES_SOON_MS - 1);
    assert.deepEqual(watched.told, []);
    await watched.checks(3);
    assert.deepEqual(watched.told, ['expires soon']);
    watched.clock.jump(EXPIRES_SOON_MS);
    await watched.checks(3);
    writeFileSync(watched.file, SECOND);
    await watched.checks(3);
    assert.deepEqual(watched.told, ['expires soon', 'expired', 'second', 'valid']);
  });

  it('that has expired already, or is not yet valid, is told of at the start', async () => {
    await using expired = new Watched(
      databoxPem(makeCertificate({ validTo: new Date('2025-12-31') })),
      Date.UTC(2026, 0, 1),
    );
    assert.deepEqual(expired.told, ['expired']);
    await using early = new Watched(FIRST, Date.UTC(2024, 0, 1));
    assert.deepEqual(early.told, ['not yet valid']);
  });
});
