import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { formatDuration } from '../terminal.ts';
import type { Finding, Patient } from './finding.ts';

const ANSWER_MS_MAX = 5_000;
const CLOCK_SKEW_MS = 60_000;
const DAY_MS = 86_400_000;
const CERTIFICATE_LOW_MS = 14 * DAY_MS;
/** Nobody ran this before then: a clock that says so was never set. */
const CLOCK_EARLIEST_MS = Date.parse('2026-01-01T00:00:00Z');

/** Whether the service answers, can do its work, and has our time; and how it is reached. */
export async function checkService(patient: Patient): Promise<Finding[]> {
  const clock = ownClock(patient.parts.now());
  const transport = await checkTransport(patient);
  try {
    const response = await ask(patient, '/healthz');
    if (!response.ok || (await response.text()) !== 'ok')
      return [...clock, ...transport, notOurs(patient.url, response.status, '/healthz')];
    return [...clock, ...transport, await readiness(patient), ...skew(response, patient.parts.now())];
  } catch (error) {
    const flaw = certificateFlaw(error);
    if (flaw === null) return [...clock, ...transport, unreachable(patient.url, error)];
    // What the certificate says of itself was looked at; not who vouches for it.
    const tls = transport.some(({ verdict }) => verdict === 'bad') ? transport : [untrusted(flaw)];
    return [...clock, ...tls, NOT_ASKED];
  }
}

function ask({ url, parts }: Patient, path: string): Promise<Response> {
  return parts.fetch(url + path, { signal: AbortSignal.timeout(ANSWER_MS_MAX), redirect: 'manual' });
}

async function readiness(patient: Patient): Promise<Finding> {
  const response = await ask(patient, '/readyz');
  if (response.ok) {
    if ((await response.text()) !== 'ready') return notOurs(patient.url, response.status, '/readyz');
    return { check: 'service', verdict: 'good', text: `The service at ${patient.url} is ready.` };
  }
  const { code, detail } = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  return {
    check: 'service',
    verdict: 'bad',
    text: `The service at ${patient.url} is not ready: ${detail ?? `it answers ${response.status}`}${code ? ` (${code})` : ''}`,
    remedy:
      code === 'no_root_key'
        ? 'See what is said about the arbiter below; the log of the service says why it gives no key.'
        : 'See what is said about disk and store; the log of the service says more.',
  };
}

function notOurs(url: string, status: number, path: string): Finding {
  return {
    check: 'service',
    verdict: 'bad',
    text: `What answers at ${url} is no export service (${status} on ${path}).`,
    remedy: 'Name the address of the service with --url.',
  };
}

function unreachable(url: string, error: unknown): Finding {
  return {
    check: 'service',
    verdict: 'bad',
    text: `The service at ${url} does not answer: ${reasonOf(error)}.`,
    remedy: 'Start it with export-service serve, or name its address with --url.',
  };
}

/** What Node says of a certificate that it does not take, by the names of OpenSSL and its own. */
const CERTIFICATE_FLAW = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY)/;

function certificateFlaw(error: unknown): string | null {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string' && CERTIFICATE_FLAW.test(at.code)) return at.code;
  }
  return null;
}

function untrusted(flaw: string): Finding {
  return {
    check: 'tls',
    verdict: 'bad',
    text: `Nobody whom this machine trusts vouches for the certificate of the service (${flaw}).`,
    remedy:
      "In a box it is the box's own CA: name the folder that holds its DATABOX_ROOT_CA with --secrets-dir. " +
      'Elsewhere set NODE_EXTRA_CA_CERTS to the file of the CA.',
  };
}

const NOT_ASKED: Finding = {
  check: 'service',
  verdict: 'skipped',
  text: 'Not asked: its certificate does not hold, so it may be somebody else.',
};

/** `fetch` hides what happened in a chain of causes. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${ANSWER_MS_MAX / 1_000} s`;
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error.cause !== undefined) return reasonOf(error.cause);
  if ('code' in error && error.code === 'ECONNREFUSED') return 'nothing listens there';
  return error.message;
}

// -- time ---------------------------------------------------------------------------------------------------------------

const SET_THE_CLOCK =
  'Set the clock, and let the machine keep it (timedatectl set-ntp true): tokens expire by it, and certificates.';

function ownClock(now: number): Finding[] {
  if (now >= CLOCK_EARLIEST_MS) return [];
  const text = `The clock of this machine says ${new Date(now).toISOString()}: it was never set.`;
  return [{ check: 'clock', verdict: 'bad', text, remedy: SET_THE_CLOCK }];
}

function skew(response: Response, now: number): Finding[] {
  const theirs = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(theirs)) return [];
  const apartMs = Math.abs(theirs - now);
  if (apartMs <= CLOCK_SKEW_MS) {
    return [{ check: 'clock', verdict: 'good', text: 'This machine and the service have the same time.' }];
  }
  return [
    {
      check: 'clock',
      verdict: 'bad',
      text: `This machine's clock and the service's are ${formatDuration(apartMs)} apart.`,
      remedy: SET_THE_CLOCK,
    },
  ];
}

// -- transport ----------------------------------------------------------------------------------------------------------

async function checkTransport({ url, parts }: Patient): Promise<Finding[]> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === 'http:') return [plain(url, hostname)];
  const host = hostname.replace(/^\[|\]$/g, '');
  const certificate = await peerCertificate(host, port === '' ? 443 : Number(port));
  if (certificate === null) return [];
  return [judgeCertificate(host, certificate, parts.now())];
}

function plain(url: string, hostname: string): Finding {
  const isHere = /^(?:localhost|127\.|\[::1\]$)/.test(hostname);
  if (isHere) return { check: 'tls', verdict: 'good', text: 'Plain HTTP, and only on this machine.' };
  return {
    check: 'tls',
    verdict: 'warning',
    text: `${url} is plain HTTP: whoever is on the way reads tokens and data.`,
    remedy: 'Put DATABOX.pem (certificate and key) into the folder of --secrets-dir, and use https://.',
  };
}

/** Whatever it is: it is looked at here, and nothing is sent. Null when there is none to be had. */
function peerCertificate(host: string, port: number): Promise<X509Certificate | null> {
  return new Promise((resolve) => {
    const servername = isIP(host) === 0 ? { servername: host } : {};
    const socket: TLSSocket = connect({ host, port, rejectUnauthorized: false, ...servername }, () => {
      const peer: PeerCertificate = socket.getPeerCertificate();
      resolve(peer.raw === undefined ? null : new X509Certificate(peer.raw));
      socket.destroy();
    });
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy());
    socket.on('error', () => resolve(null)).on('close', () => resolve(null));
  });
}

const RENEW = 'Have the box make a new DATABOX.pem: the service takes it in within seconds.';

function judgeCertificate(host: string, certificate: X509Certificate, now: number): Finding {
  const from = Date.parse(certificate.validFrom);
  const to = Date.parse(certificate.validTo);
  const bad = (text: string, remedy: string): Finding => ({ check: 'tls', verdict: 'bad', text, remedy });
  if (now > to) return bad(`The certificate of the service ran out on ${dayOf(to)}.`, RENEW);
  if (now < from) {
    return bad(`The certificate of the service is good from ${dayOf(from)} only.`, SET_THE_CLOCK);
  }
  const fits = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (fits === undefined) {
    const names = certificate.subjectAltName ?? certificate.subject;
    return bad(
      `The certificate of the service is for ${names}, and not for ${host}.`,
      `Reach it by a name that it is for, or: ${RENEW}`,
    );
  }
  if (to - now < CERTIFICATE_LOW_MS) {
    const days = Math.ceil((to - now) / DAY_MS);
    return {
      check: 'tls',
      verdict: 'warning',
      text: `The certificate of the service runs out in ${days} days.`,
      remedy: RENEW,
    };
  }
  return {
    check: 'tls',
    verdict: 'good',
    text: `The certificate of the service is for ${host}, and good until ${dayOf(to)}.`,
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
