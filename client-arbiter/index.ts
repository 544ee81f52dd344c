/**
 * The client's companion for apps in a Databox: it gets their tokens from the box's arbiter. A package of its own, since it
 * needs ZeroMQ, which is native code; the client needs nothing.
 */
import { hostname } from 'node:os';
import { ArbiterClient } from '../src/arbiter/arbiter-client.ts';
import { ArbiterError } from '../src/arbiter/arbiter-error.ts';
import { readCredentials } from '../src/arbiter/credentials.ts';
import { ZEST_CODES, type ZestAnswer } from '../src/arbiter/zest.ts';
import { type Clock, systemClock } from '../src/export/clock.ts';
import { systemNames } from '../src/names/look-up.ts';
import { NameResolver } from '../src/names/name-resolver.ts';

export interface ArbiterTokenOptions {
  /** What the owner has agreed to, to the letter as in the app's manifest. */
  readonly destination: string;
  /** The path that the token is for. Default: `/lp/export`, as the box's own clients ask. */
  readonly path?: '/export' | '/lp/export';
  /** The service's name in the box. Default: `export-service`. */
  readonly service?: string;
  /** Default: `DATABOX_ARBITER_ENDPOINT`, else the address that every box has, `tcp://arbiter:4444`. */
  readonly endpoint?: string;
  /** The app's name. Default: `DATABOX_LOCAL_NAME`, else the host's name, which is the app's in a box. */
  readonly identity?: string;
  /** Where the box mounts `ARBITER_TOKEN` and `ZMQ_PUBLIC_KEY`. Default: `/run/secrets`. */
  readonly secretsDir?: string;
  /** Ends an ask that is under way, with its reason. Default: none does. */
  readonly signal?: AbortSignal;
}

/** What an `ExportClient` takes as its `token`. */
export type ArbiterToken = () => Promise<string>;

/** `refused`: it mints no such token; `unreachable`: it did not answer; `unreadable`: what answered is no arbiter. */
export type ArbiterTokenErrorCode = 'refused' | 'unreachable' | 'unreadable';

/** The arbiter gave no token; the message says why and what to do. Asking again may help. */
export class ArbiterTokenError extends Error {
  override readonly name = 'ArbiterTokenError';
  readonly code: ArbiterTokenErrorCode;

  constructor(code: ArbiterTokenErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

const ENDPOINT_IN_A_BOX = 'tcp://arbiter:4444';
const SECRETS_DIR = '/run/secrets';
const TOKEN = /^[A-Za-z0-9_=-]+$/;

type Asked = Required<ArbiterTokenOptions>;

/**
 * Where a client gets its tokens for one destination. The arbiter is asked anew each time the client asks: once, and again
 * when the service has refused a token; those who ask at a time share an answer.
 *
 * The returned function throws {@link ArbiterTokenError}, and an Error that names the file when a secret cannot be read.
 *
 * @param clock what the time of an ask (5 seconds) is measured by; tests have one of their own
 */
export function arbiterToken(options: ArbiterTokenOptions, clock: Clock = systemClock): ArbiterToken {
  const asked = withDefaults(options);
  let underWay: Promise<string> | null = null;
  return () => {
    underWay ??= ask(asked, clock).finally(() => {
      underWay = null;
    });
    return underWay;
  };
}

function withDefaults(options: ArbiterTokenOptions): Asked {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return {
    path: '/lp/export',
    service: 'export-service',
    endpoint: process.env.DATABOX_ARBITER_ENDPOINT || ENDPOINT_IN_A_BOX,
    identity: process.env.DATABOX_LOCAL_NAME || hostname(),
    secretsDir: SECRETS_DIR,
    signal: new AbortController().signal,
    ...(Object.fromEntries(given) as Pick<Asked, 'destination'>),
  };
}

async function ask(asked: Asked, clock: Clock): Promise<string> {
  const { endpoint, identity, secretsDir } = asked;
  const credentials = readCredentials(secretsDir);
  const names = new NameResolver({ sources: systemNames(), clock });
  try {
    const resolve = (host: string): Promise<string> => names.first(host);
    const client = await ArbiterClient.load({ endpoint, identity, credentials, clock, resolve });
    return tokenOf(asked, await exchange(client, asked));
  } finally {
    // A lookup that nobody waits for any more would keep the app from ending.
    names[Symbol.dispose]();
  }
}

/** The arbiter compares the caveats with those of the grant, so there is exactly the one that a box grants. */
async function exchange(client: ArbiterClient, asked: Asked): Promise<ZestAnswer> {
  const { destination, path, service, signal } = asked;
  const wanted = { method: 'POST', path, target: service, caveats: [{ destination }] };
  const request = { method: 'POST', path: '/token', payload: Buffer.from(JSON.stringify(wanted)) } as const;
  try {
    return await client.ask(request, signal);
  } catch (error) {
    if (!(error instanceof ArbiterError)) throw error;
    throw new ArbiterTokenError(error.isUnreadable ? 'unreadable' : 'unreachable', error.message, error);
  }
}

function tokenOf(asked: Asked, { code, payload }: ZestAnswer): string {
  if (code !== ZEST_CODES.content) throw new ArbiterTokenError('refused', refusal(asked, code));
  const token = Buffer.from(payload).toString('latin1');
  if (TOKEN.test(token)) return token;
  throw new ArbiterTokenError(
    'unreadable',
    `What ${asked.endpoint} answered is no token. Is it the arbiter of a Databox?`,
  );
}

function refusal({ destination, path, service, identity, endpoint }: Asked, code: number): string {
  if (code !== ZEST_CODES.unauthorized) {
    return `The arbiter at ${endpoint} answered ${code} when asked for a token. Is it the arbiter of a Databox?`;
  }
  return (
    `The arbiter mints no token for "${identity}" to ${destination} by POST ${path} (129, unauthorized). Either the ` +
    'owner has not agreed to this destination, written exactly so; or the arbiter knows this app under another name ' +
    `(DATABOX_LOCAL_NAME) or with another ARBITER_TOKEN; or ${service} has not asked it for a key yet, which passes.`
  );
}
