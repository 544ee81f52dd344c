import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, 'tls');

const read = (name: string): string => readFileSync(join(FOLDER, name), 'utf8');

/** The CA of the others, in PEM: what `--destination-ca` names. */
export const TEST_CA = read('ca.pem');

/** See `tls/README.md`. */
export type CertificateName = 'localhost' | 'other-host' | 'expired' | 'self-signed';

export function certificate(name: CertificateName): { cert: string; key: string } {
  return { cert: read(`${name}.pem`), key: read(`${name}-key.pem`) };
}
