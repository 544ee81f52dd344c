import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { Agent, fetch as fetchWith } from 'undici';
import { serviceUrl } from '../client/exchange.ts';
import { type Arguments, type Env, type Flags, UsageError } from '../src/config.ts';

/** The flags of commands that talk to a running service. */
export const ACCESS_FLAGS = {
  url: {
    names: ['--url'],
    placeholder: 'URL',
    meaning: "The service's address [EXPORT_URL, default http://127.0.0.1:8080]",
  },
  token: {
    names: ['--token'],
    placeholder: 'TOKEN',
    meaning:
      'The token; anyone on this machine can read it in the process list, so prefer --token-file [EXPORT_TOKEN]',
  },
  tokenFile: {
    names: ['--token-file'],
    placeholder: 'FILE',
    meaning: 'File that holds the token; read again when the service refuses it [EXPORT_TOKEN_FILE]',
  },
} as const satisfies Flags;

const URL_DEFAULT = 'http://127.0.0.1:8080';
const SECRETS_DIR_DEFAULT = '/run/secrets';
/** The CA of a Databox, among its secrets. */
const ROOT_CA = 'DATABOX_ROOT_CA';

/**
 * The address of the service, without a slash at its end.
 *
 * @throws UsageError when it can be none
 */
export function readUrl(given: Arguments, env: Env): string {
  const flag = given.text('url');
  try {
    return serviceUrl(flag ?? (env.EXPORT_URL || URL_DEFAULT), '');
  } catch (error) {
    const source = flag === null ? 'EXPORT_URL' : '--url';
    throw new UsageError(`${source} is no address of a service: ${(error as Error).message}`);
  }
}

/**
 * The token that is given, as the text or as a function that reads its file again; null when there is none.
 *
 * @throws UsageError when there are two, or its file cannot be read
 */
export function readGivenToken(given: Arguments, env: Env): string | (() => string) | null {
  const [token, file] = [given.text('token'), given.text('tokenFile')];
  if (token !== null && file !== null) {
    throw new UsageError('--token and --token-file are both given; keep one of them');
  }
  if (file !== null) return tokenFile(file, '--token-file');
  if (token !== null) return token;
  if (env.EXPORT_TOKEN) return env.EXPORT_TOKEN;
  return env.EXPORT_TOKEN_FILE ? tokenFile(env.EXPORT_TOKEN_FILE, 'EXPORT_TOKEN_FILE') : null;
}

/** Read at once too, so that a wrong name is told before anything is done. */
function tokenFile(file: string, source: string): () => string {
  const read = (): string => {
    const text = readTextFile(file, source).trim();
    if (text === '') throw new UsageError(`${source}: ${file} is empty`);
    return text;
  };
  read();
  return read;
}

function readTextFile(file: string, source: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`${source}: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}

/** A `fetch` that also trusts the box's own CA, where there is one. */
export function fetchForServices(env: Env): typeof fetch {
  return fetchTrustingBox(env.EXPORT_SECRETS_DIR || SECRETS_DIR_DEFAULT);
}

/** The same for the secrets of a box that are in this folder. */
export function fetchTrustingBox(secretsDir: string): typeof fetch {
  const file = join(secretsDir, ROOT_CA);
  return existsSync(file) ? fetchTrusting(readFileSync(file, 'utf8')) : globalThis.fetch;
}

/** A `fetch` that trusts a CA besides those that everybody trusts. */
export function fetchTrusting(ca: string): typeof fetch {
  const dispatcher = new Agent({ connect: { ca: [...rootCertificates, ca] } });
  return ((input: string, init: object) => fetchWith(input, { ...init, dispatcher })) as typeof fetch;
}
