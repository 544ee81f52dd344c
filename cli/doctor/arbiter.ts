import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Finding, inWords, type Patient } from './finding.ts';

const CONNECT_MS_MAX = 5_000;
const SECRETS_DIR_DEFAULT = '/run/secrets';
const PORT_DEFAULT = 4444;

/** What must be among the box's secrets to speak to its arbiter, and what it looks like. */
const SECRETS = [
  { file: 'ARBITER_TOKEN', is: /^\S+$/, like: 'one line' },
  { file: 'ZMQ_PUBLIC_KEY', is: /^\S{40}$/, like: '40 characters (Z85)' },
] as const;

/**
 * Whether the arbiter can be reached, and what is needed to speak to it is there. It is never asked for the root key:
 * asking changes it. Whether it gives one shows in the service being ready.
 */
export async function checkArbiter({ env }: Patient): Promise<Finding[]> {
  const endpoint = env.DATABOX_ARBITER_ENDPOINT;
  if (!endpoint) {
    const text =
      'No arbiter is set: the service makes its own root key, and tokens come from export-service token mint.';
    return [{ check: 'arbiter', verdict: 'good', text }];
  }
  const folder = env.EXPORT_SECRETS_DIR || SECRETS_DIR_DEFAULT;
  return [...SECRETS.flatMap((secret) => checkSecret(folder, secret)), await checkEndpoint(endpoint)];
}

function checkSecret(folder: string, { file, is, like }: (typeof SECRETS)[number]): Finding[] {
  const path = join(folder, file);
  const remedy = `The box's container manager gives it; name the folder that has it with --secrets-dir.`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    return [{ check: 'arbiter', verdict: 'bad', text: `${path} cannot be read: ${inWords(error)}.`, remedy }];
  }
  if (is.test(text)) return [];
  return [{ check: 'arbiter', verdict: 'bad', text: `${path} is not what it must be: ${like}.`, remedy }];
}

async function checkEndpoint(endpoint: string): Promise<Finding> {
  const url = URL.parse(endpoint);
  if (url?.protocol !== 'tcp:') {
    const remedy = 'It is like tcp://arbiter:4444.';
    return { check: 'arbiter', verdict: 'bad', text: 'DATABOX_ARBITER_ENDPOINT is no tcp: address.', remedy };
  }
  const failure = await connectFailure(url.hostname, Number(url.port || PORT_DEFAULT));
  if (failure === null)
    return { check: 'arbiter', verdict: 'good', text: `The arbiter listens at ${endpoint}.` };
  return {
    check: 'arbiter',
    verdict: 'bad',
    text: `The arbiter at ${endpoint} cannot be reached: ${failure}.`,
    remedy:
      'Start the arbiter, and see that this machine or container is on its network. The service goes on asking.',
  };
}

/** Null when a connection can be made. */
function connectFailure(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(CONNECT_MS_MAX, () => {
      resolve(`no answer within ${CONNECT_MS_MAX / 1_000} s`);
      socket.destroy();
    });
    socket.on('connect', () => {
      resolve(null);
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
