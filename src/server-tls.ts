import { join } from 'node:path';
import { type Config, UsageError } from './config.ts';
import type { Clock } from './export/clock.ts';
import type { HttpServer } from './http/server.ts';
import type { Log } from './telemetry/log.ts';
import { isThere, readCertificateFile } from './tls/certificate-file.ts';
import { type CertificateObserver, CertificateWatch } from './tls/certificate-watch.ts';
import type { ServerCertificate } from './tls/server-certificate.ts';

/** Certificate and key of the service, as the box mounts them; the CA in it is for those who connect. */
const CERTIFICATE_FILE = 'DATABOX.pem';

/** How the service is spoken to: over HTTPS with a certificate, or over plain HTTP. */
export interface ServerTls {
  readonly scheme: 'http' | 'https';
  /** Null for plain HTTP. */
  readonly certificate: ServerCertificate | null;
  /** Gives the server what the certificate's file holds from now on, until it is disposed. */
  follow(server: Pick<HttpServer, 'renewTls'>, clock: Clock, log: Log): AsyncDisposable;
}

/** What decides. */
export type TlsSettings = Pick<Config, 'tls' | 'secretsDir' | 'arbiter' | 'secret' | 'secretFile'>;

/**
 * Finds out how to be spoken to, by the rules of `--tls`: what is there must be good, and a box that has an arbiter has
 * a certificate too. Nothing falls back to plain HTTP, over which tokens and data could be read on the way.
 *
 * @throws UsageError that names the setting and the file, and says what is wrong
 */
export async function findServerTls(config: TlsSettings): Promise<ServerTls> {
  if (config.tls === 'off') return PLAIN_HTTP;
  const file = join(config.secretsDir, CERTIFICATE_FILE);
  try {
    if (await isThere(file)) return https(file, await readCertificateFile(file));
  } catch (error) {
    throw new UsageError(`--tls: ${file} cannot be used: ${(error as Error).message}`);
  }
  if (!asksArbiter(config)) return PLAIN_HTTP;
  throw new UsageError(
    `--tls: there is no ${file}, and with an arbiter the service is not served without. The box mounts it; ` +
      '--secrets-dir says where, and --tls off serves plain HTTP',
  );
}

/** The image always names an arbiter; whoever gives the root key has none. */
function asksArbiter({ arbiter, secret, secretFile }: TlsSettings): boolean {
  return arbiter !== null && secret === null && secretFile === null;
}

const PLAIN_HTTP: ServerTls = {
  scheme: 'http',
  certificate: null,
  follow: () => ({ [Symbol.asyncDispose]: async () => {} }),
};

function https(file: string, certificate: ServerCertificate): ServerTls {
  return {
    scheme: 'https',
    certificate,
    follow(server, clock, log) {
      const observer = certificateLog(file, log, (renewed) => server.renewTls(renewed));
      const watch = new CertificateWatch({ file, certificate, clock, observer });
      watch.start();
      return watch;
    },
  };
}

function certificateLog(
  file: string,
  log: Log,
  use: (certificate: ServerCertificate) => void,
): CertificateObserver {
  return {
    renewed(certificate) {
      use(certificate);
      log.info(
        { file, ...shown(certificate) },
        'the certificate was read anew; new connections are served with it',
      );
    },
    unusable(reason) {
      log.error({ file, reason }, 'the certificate cannot be used; the one before stays in use');
    },
    validity(validity, certificate) {
      const fields = { file, validity, ...shown(certificate) };
      if (validity === 'valid') log.info(fields, 'the certificate is valid');
      else log.warn(fields, 'the certificate is used, and clients may refuse it: look at its dates');
    },
  };
}

function shown({ names, validFrom, validTo }: ServerCertificate): object {
  return {
    names,
    valid_from: new Date(validFrom).toISOString(),
    valid_to: new Date(validTo).toISOString(),
  };
}
