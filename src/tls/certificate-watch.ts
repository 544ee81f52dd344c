import { createHash } from 'node:crypto';
import { Chore } from '../export/chore.ts';
import type { Clock } from '../export/clock.ts';
import { readCertificateText } from './certificate-file.ts';
import {
  readServerCertificate,
  type ServerCertificate,
  type Validity,
  validityAt,
} from './server-certificate.ts';

/** How often the file is read. What changes is taken at the second reading that finds the same, so after 5 to 10 s. */
export const CERTIFICATE_CHECKED_EVERY_MS = 5_000;

export interface CertificateObserver {
  /**
   * The file holds another certificate or another key, which is to be used from now on; or, after it held something
   * unusable, what is in use already.
   */
  renewed(certificate: ServerCertificate): void;
  /** What the file holds now cannot be used; the certificate in use stays. Told once for each such content. */
  unusable(reason: string): void;
  /** The certificate in use stands otherwise in time than it did. Told at the start too, unless it is valid. */
  validity(validity: Validity, certificate: ServerCertificate): void;
}

export interface CertificateWatchParts {
  readonly file: string;
  /** What is in use at the start. */
  readonly certificate: ServerCertificate;
  readonly clock: Clock;
  readonly observer: CertificateObserver;
}

/** What the file was found to hold, or why it could not be read. */
type Found = { readonly text: string } | { readonly reason: string };

/**
 * Notices when the file of a certificate changes.
 *
 * The content is compared, every few seconds, and nothing is asked of the file system's notifications: those watch a
 * file and not a name, so they see nothing of a link that is turned to another folder (as Kubernetes renews secrets),
 * nothing of a file that is moved into place, and little through bind mounts. A change counts once two readings in a row
 * find the same: the first may be of a file that is still being written.
 */
export class CertificateWatch implements AsyncDisposable {
  readonly #parts: CertificateWatchParts;
  readonly #chore: Chore;
  #certificate: ServerCertificate;
  #validity: Validity = 'valid';
  #isUnusable = false;
  /** Digest of what was judged last; null before anything was: the file may have changed since `certificate` was read. */
  #judged: string | null = null;
  #lastFound: string | null = null;

  constructor(parts: CertificateWatchParts) {
    this.#parts = parts;
    this.#certificate = parts.certificate;
    this.#chore = new Chore({
      clock: parts.clock,
      step: () => this.#check(),
      // Reading never throws; what would is the observer, and that is our own mistake.
      onError: (error) => parts.observer.unusable(String(error)),
    });
  }

  start(): void {
    this.#compareTime();
    this.#chore.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#chore[Symbol.asyncDispose]();
  }

  async #check(): Promise<number> {
    const found = await this.#find();
    const digest = digestOf(found);
    if (digest === this.#lastFound && digest !== this.#judged) {
      this.#judged = digest;
      this.#judge(found);
    }
    this.#lastFound = digest;
    this.#compareTime();
    return CERTIFICATE_CHECKED_EVERY_MS;
  }

  async #find(): Promise<Found> {
    try {
      return { text: await readCertificateText(this.#parts.file) };
    } catch (error) {
      return { reason: (error as Error).message };
    }
  }

  #judge(found: Found): void {
    const { observer } = this.#parts;
    try {
      if ('reason' in found) throw new Error(found.reason);
      const certificate = readServerCertificate(found.text);
      const isOther =
        certificate.cert !== this.#certificate.cert || certificate.key !== this.#certificate.key;
      if (isOther || this.#isUnusable) observer.renewed(certificate);
      this.#certificate = certificate;
      this.#isUnusable = false;
    } catch (error) {
      this.#isUnusable = true;
      observer.unusable((error as Error).message);
    }
  }

  #compareTime(): void {
    const validity = validityAt(this.#certificate, this.#parts.clock.now());
    if (validity === this.#validity) return;
    this.#validity = validity;
    this.#parts.observer.validity(validity, this.#certificate);
  }
}

/** The content itself holds the key, and is not kept longer than it must. */
function digestOf(found: Found): string {
  return createHash('sha256').update(JSON.stringify(found)).digest('hex');
}
