import { readFileSync } from 'node:fs';
import { postJson, serviceUrl } from '../../client/exchange.ts';
import { type Arguments, type Config, type Env, type Flags, UsageError } from '../../src/config.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { newestRootKey, ROOT_KEY_SETTINGS, type TokenParts } from '../token/parts.ts';

/** The flags of every command that does something to a running service in the owner's name. */
export const OWNER_FLAGS = {
  url: {
    names: ['--url'],
    placeholder: 'URL',
    meaning: "The service's address [EXPORT_URL, default http://127.0.0.1:8080]",
  },
  token: {
    names: ['--token'],
    placeholder: 'TOKEN',
    meaning:
      "An owner's token; anyone on this machine can read it in the process list, so prefer --token-file [EXPORT_TOKEN]",
  },
  tokenFile: {
    names: ['--token-file'],
    placeholder: 'FILE',
    meaning: "File that holds an owner's token",
  },
} as const satisfies Flags;

/** Those that a token is made with, where none is given. */
export const OWNER_SETTINGS = ROOT_KEY_SETTINGS;

export const OWNER_TOKEN_HELP =
  "Without a token it makes one that is good for this and for a minute, where the service's data directory can be read.";

const URL_DEFAULT = 'http://127.0.0.1:8080';
/** Longer than the service waits for anybody. */
const ANSWER_TIMEOUT_MS = 30_000;
const TOKEN_LIFE_MS = 60_000;

/** What an owner's command is called with. */
export interface OwnerCall {
  readonly given: Arguments;
  readonly env: Env;
  readonly config: Config;
  readonly parts: TokenParts;
}

/**
 * Asks the running service for something that is the owner's.
 *
 * @param path begins with `/owner/`
 * @returns the JSON of its answer
 * @throws UsageError
 * @throws ExportClientError when the service refuses, ExportConnectionError when no answer comes
 */
export async function postAsOwner(path: string, body: object, call: OwnerCall): Promise<unknown> {
  const url = ownerUrl(path, call);
  const token = givenToken(call) ?? (await shortToken('POST', path, call));
  return postJson({
    fetch: globalThis.fetch,
    url,
    headers: { 'content-type': 'application/json', 'x-api-key': token },
    body: JSON.stringify(body),
    timeoutMs: ANSWER_TIMEOUT_MS,
  });
}

function ownerUrl(path: string, { given, env }: OwnerCall): string {
  const flag = given.text('url');
  try {
    return serviceUrl(flag ?? (env.EXPORT_URL || URL_DEFAULT), path);
  } catch (error) {
    const source = flag === null ? 'EXPORT_URL' : '--url';
    throw new UsageError(`${source} is no address of a service: ${(error as Error).message}`);
  }
}

/** Null when none is given. */
function givenToken({ given, env }: OwnerCall): string | null {
  const [token, file] = [given.text('token'), given.text('tokenFile')];
  if (token !== null && file !== null)
    throw new UsageError('--token and --token-file are both given; keep one of them');
  return token ?? (file === null ? env.EXPORT_TOKEN || null : readTokenFile(file));
}

function readTokenFile(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new UsageError(`--token-file: ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`);
  }
  if (text === '') throw new UsageError(`--token-file: ${file} is empty`);
  return text;
}

/** Good for this request and no other, and not for long. */
async function shortToken(method: string, path: string, { config, parts }: OwnerCall): Promise<string> {
  const rootKey = await newestRootKey(parts, config).catch((cause: Error) => {
    throw new Error(
      `There is no token, and none can be made here: ${cause.message} Or give an owner's token with --token-file.`,
      { cause },
    );
  });
  const caveats = [
    `path = ${path}`,
    `method = ${method}`,
    `target = ${config.name}`,
    `time < ${new Date(parts.now() + TOKEN_LIFE_MS).toISOString()}`,
  ];
  return encode(mint({ rootKey, identifier: '', location: config.name, caveats }), 'v1');
}
