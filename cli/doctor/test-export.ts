import {
  ExportClient,
  ExportClientError,
  ExportWaitTimeoutError,
  type FinishedExport,
} from '../../client/index.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { type Finding, inWords, type Patient } from './finding.ts';

const EXPORT_MS_MAX = 60_000;
const TOKEN_LIFE_MS = 2 * EXPORT_MS_MAX;
const PATH = '/export';

/** One export to the destination that was given, and what came of it. */
export async function checkExport(patient: Patient): Promise<Finding[]> {
  const { to } = patient;
  if (to === null) {
    return [{ check: 'export', verdict: 'skipped', text: 'No test export: --to URL makes one.' }];
  }
  let token: string | (() => string);
  try {
    token = patient.token ?? (await ownToken(patient, to));
  } catch (error) {
    return [
      {
        check: 'root key',
        verdict: 'bad',
        text: inWords(error),
        remedy: 'Or give a token for that destination with --token-file.',
      },
    ];
  }
  try {
    return [judge(await exportTo(patient, to, token), to)];
  } catch (error) {
    return [refused(error)];
  }
}

async function exportTo(
  { url, parts }: Patient,
  to: string,
  token: string | (() => string),
): Promise<FinishedExport> {
  const client = new ExportClient({ url, token, path: PATH, fetch: parts.fetch, repeat: { triesMax: 2 } });
  const data = { test: 'export-service doctor', at: new Date(parts.now()).toISOString() };
  return client.submitAndWait({ destination: to, data, attemptsMax: 1 }, { timeoutMs: EXPORT_MS_MAX });
}

/** Good for this export and no other, and not for long. */
async function ownToken({ config, parts }: Patient, to: string): Promise<string> {
  const rootKey = await parts.loadRootKey(config);
  const caveats = [
    `path = ${PATH}`,
    'method = POST',
    `target = ${config.name}`,
    `destination = ${to}`,
    `time < ${new Date(parts.now() + TOKEN_LIFE_MS).toISOString()}`,
  ];
  return encode(mint({ rootKey, identifier: 'doctor', location: config.name, caveats }), 'v1');
}

function judge({ answer }: FinishedExport, to: string): Finding {
  const { status, statusText, error } = answer;
  const said = `${status} ${statusText}`.trimEnd();
  if (error !== undefined) {
    return {
      check: 'export',
      verdict: 'bad',
      text: `The test export to ${to} did not arrive: ${error.detail} (${error.code})`,
      remedy: REMEDIES[error.code] ?? 'The log of the service says more.',
    };
  }
  if (answer.ok) {
    return {
      check: 'export',
      verdict: 'good',
      text: `A test export arrived at ${to}: ${said}.`,
    };
  }
  return {
    check: 'export',
    verdict: 'warning',
    text: `A test export reached ${to}, which answered ${said}.`,
    remedy: 'The way is open; what the destination objects to, its own log says.',
  };
}

/** By the code of what kept an export from arriving. */
const REMEDIES: Readonly<Record<string, string>> = {
  dns_failed: 'See that the name is right, and that this machine can look names up (getent hosts NAME).',
  connection_failed: 'See that the destination runs, and that no firewall is between it and this machine.',
  tls_failed:
    'See that its certificate is in order and for that name; if it comes from a CA of your own, name that with --destination-ca.',
  timeout:
    'The destination is slow, or something on the way swallows the connection; --attempt-timeout says how long is waited.',
  malformed_response:
    'What answers there does not speak HTTP; see that the port is right, and http or https.',
  address_refused:
    'The name leads to an address inside; if that is meant, open its network with --allow-network CIDR.',
  blocked_by_owner: 'A rule of the owner stops it; export-service rules list shows them.',
};

function refused(error: unknown): Finding {
  const finding = { check: 'export', verdict: 'bad' } as const;
  if (error instanceof ExportClientError) {
    const remedy =
      error.status === 401
        ? 'export-service token inspect tells what the token says. A token made here is for the service that has this --data-dir and --name.'
        : `The code is ${error.code}; /docs#${error.code} at the service tells about it.`;
    return { ...finding, text: `The service refuses the test export: ${error.detail}`, remedy };
  }
  if (error instanceof ExportWaitTimeoutError) {
    const remedy =
      'Exports before it may hold it up, or a rule of the owner; export-service exports list shows them.';
    return {
      ...finding,
      text: `The test export ${error.id} had not ended after ${EXPORT_MS_MAX / 1_000} s.`,
      remedy,
    };
  }
  return {
    ...finding,
    text: `There was no test export: ${inWords(error)}`,
    remedy: 'See what is said about the service above.',
  };
}
