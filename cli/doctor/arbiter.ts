import { connect } from 'node:net';
import { readCredentials } from '../../src/arbiter/credentials.ts';
import { type Finding, inWords, type Patient } from './finding.ts';

const CONNECT_MS_MAX = 5_000;

/**
 * Whether the arbiter can be reached, and what is needed to speak to it is there. It is never asked for the root key:
 * asking changes it. Whether it gives one shows in the service being ready.
 */
export async function checkArbiter({ config }: Patient): Promise<Finding[]> {
  const { arbiter, secretsDir } = config;
  if (arbiter === null) {
    const text =
      'No arbiter is set: the service makes its own root key, and tokens come from export-service token mint.';
    return [{ check: 'arbiter', verdict: 'good', text }];
  }
  return [...checkCredentials(secretsDir), await checkEndpoint(arbiter)];
}

function checkCredentials(secretsDir: string): Finding[] {
  try {
    readCredentials(secretsDir);
    return [];
  } catch (error) {
    const remedy = "The box's container manager gives it; name the folder that has it with --secrets-dir.";
    return [{ check: 'arbiter', verdict: 'bad', text: inWords(error), remedy }];
  }
}

async function checkEndpoint(endpoint: string): Promise<Finding> {
  const { hostname, port } = new URL(endpoint);
  const failure = await connectFailure(hostname.replace(/^\[|\]$/g, ''), Number(port));
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
