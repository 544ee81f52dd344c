import { OwnerClient } from '../../client/index.ts';
import type { Arguments, Config, Env, Flags } from '../../src/config.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { ACCESS_FLAGS, fetchForServices, readGivenToken, readUrl } from '../service-access.ts';
import { newestRootKey, ROOT_KEY_SETTINGS, type TokenParts } from '../token/parts.ts';

/** The flags of every command that does something to a running service in the owner's name. */
export const OWNER_FLAGS = {
  ...ACCESS_FLAGS,
  token: {
    ...ACCESS_FLAGS.token,
    meaning:
      "An owner's token; anyone on this machine can read it in the process list, so prefer --token-file [EXPORT_TOKEN]",
  },
  tokenFile: {
    ...ACCESS_FLAGS.tokenFile,
    meaning: "File that holds an owner's token [EXPORT_TOKEN_FILE]",
  },
} as const satisfies Flags;

/** Those that a token is made with, where none is given. */
export const OWNER_SETTINGS = ROOT_KEY_SETTINGS;

export const OWNER_TOKEN_HELP =
  "Without a token it makes one that is good for this and for a minute, where the service's data directory can be read.";

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

/** What a token that is made here is for: no more than its command does. */
export interface OwnerScope {
  readonly method: 'GET' | 'POST' | 'DELETE' | '*';
  /** Begins with `/owner/`, and may end in `*`. */
  readonly path: `/owner/${string}`;
}

/**
 * A client for the running service, in the owner's name.
 *
 * @throws UsageError
 */
export function ownerClient({ method, path }: OwnerScope, call: OwnerCall): OwnerClient {
  const { given, env } = call;
  return new OwnerClient({
    url: readUrl(given, env),
    // A file is read again, and a token of a minute's life made anew, when the service refuses what it was given.
    token: readGivenToken(given, env) ?? (() => shortToken(method, path, call)),
    fetch: fetchForServices(env),
    requestTimeoutMs: ANSWER_TIMEOUT_MS,
    // Somebody sits there and waits: they are told at once, and can ask again.
    repeat: { triesMax: 1 },
  });
}

/** Good for this and nothing else, and not for long. */
async function shortToken(method: string, path: string, { config, parts }: OwnerCall): Promise<string> {
  const rootKey = await newestRootKey(parts, config).catch((cause: Error) => {
    throw new Error(
      `There is no token, and none can be made here: ${sentence(cause.message)} Or give an owner's token with --token-file.`,
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

/** What others wrote, such as SQLite, may end without a full stop. */
function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
