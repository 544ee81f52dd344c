import { type Clock, systemClock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import { RateLimiter } from '../export/rate-limiter.ts';
import { decode } from '../macaroon/codec.ts';
import { hmacsToVerify, type Macaroon, verify } from '../macaroon/macaroon.ts';
import { MalformedMacaroonError } from '../macaroon/malformed-macaroon-error.ts';
import { textOf } from '../macaroon/text.ts';
import { type Caveat, parseCaveat } from './caveats.ts';
import {
  type Access,
  clearDestination,
  clearOwner,
  clearPoll,
  clearRequest,
  type DestinationAccess,
} from './clear.ts';
import type { Denial } from './denials.ts';

/** A token whose signature holds. Its caveats are still to be cleared. */
export interface VerifiedToken {
  /** The macaroon's identifier. A real arbiter leaves it empty, so all apps of a box may share it. */
  readonly client: string;
  readonly caveats: readonly Caveat[];
}

export interface AuthorizerOptions {
  /**
   * The root keys, newest first; empty while there is none yet. A key must be the same object as long as
   * it stays: by that a remembered token knows whether its key is still good.
   */
  readonly keys: () => readonly Uint8Array[];
  /** Hears at every token that verified by which key it did: that one is in use. */
  readonly onKeyUsed?: (key: Uint8Array) => void;
  /** What a `target` caveat must say: our own name. */
  readonly target: string;
  /** Whether a token must have a `destination` caveat. */
  readonly requireDestination: boolean;
  /** Most verified tokens that are remembered; {@link CACHED_TOKENS_MAX} when left out, 0 for none. */
  readonly cacheMax?: number;
  /** HMACs a second for tokens that are not remembered; {@link HMACS_PER_SECOND_MAX} when left out, 0 for any number. */
  readonly hmacsPerSecond?: number;
  /** Left out, the system's. */
  readonly clock?: Clock;
}

/** A box has tens of apps with a few tokens each; at 8 KiB a token this bounds the memory to tens of MB. */
export const CACHED_TOKENS_MAX = 2048;

/**
 * Anybody can send a token that costs 256 HMACs under each of 16 keys, about 9 ms, and sign it with nothing. At 2.2 µs
 * an HMAC this many are a fifth of a core. An app's token costs about seven, once: then it is remembered.
 */
export const HMACS_PER_SECOND_MAX = 100_000;

/** An app that goes on with a token whose key is gone costs a look into this list. At 8 KiB each, 4 MiB. */
const REFUSED_TOKENS_MAX = 512;

const NO_ROOT_KEY_RETRY_SECONDS = 5;

interface CachedToken {
  readonly key: Uint8Array;
  readonly client: string;
  readonly caveats: readonly Caveat[];
}

/** Decides whether a request's token lets it in: first verify, then clear. Every refusal is an `ExportError`. */
export class Authorizer {
  readonly #keys: () => readonly Uint8Array[];
  readonly #onKeyUsed: (key: Uint8Array) => void;
  readonly #target: string;
  readonly #requireDestination: boolean;
  readonly #cacheMax: number;
  /**
   * Verified tokens by their text, the one used longest ago first. Only what verified gets in, so nobody
   * without a token can fill it; the holder of one can, by attenuating it, and then others cost their HMACs
   * again.
   */
  readonly #cache = new Map<string, CachedToken>();
  /** Tokens that no key of the list signed, the oldest first. */
  readonly #refused = new Map<string, readonly Uint8Array[]>();
  readonly #work: RateLimiter;

  constructor(options: AuthorizerOptions) {
    this.#keys = options.keys;
    this.#onKeyUsed = options.onKeyUsed ?? (() => {});
    this.#target = options.target;
    this.#requireDestination = options.requireDestination;
    this.#cacheMax = options.cacheMax ?? CACHED_TOKENS_MAX;
    this.#work = new RateLimiter({
      perSecond: options.hmacsPerSecond ?? HMACS_PER_SECOND_MAX,
      clock: options.clock ?? systemClock,
    });
  }

  /**
   * Whose token this is, as {@link presentedToken} found it. Throws `no_root_key`, `missing_token`,
   * `malformed_token`, `rate_limited` (too many unknown tokens at once) or `invalid_token`, judged in this order.
   */
  authenticate(tokenText: string | undefined): VerifiedToken {
    const keys = this.#keys();
    if (keys.length === 0) throw noRootKey();
    if (tokenText === undefined || tokenText === '') throw missingToken();
    const token = this.#recall(tokenText, keys) ?? this.#verify(tokenText, keys);
    this.#remember(tokenText, token);
    this.#onKeyUsed(token.key);
    return { client: token.client, caveats: token.caveats };
  }

  /** First stage, before the body is read. Throws `caveat_refused` or `caveat_missing`. */
  clearRequest(token: VerifiedToken, access: Omit<Access, 'target'>): void {
    throwIfDenied(clearRequest(token.caveats, { ...access, target: this.#target }));
  }

  /** Second stage, for a new export. Throws `caveat_refused` or `destination_missing`. */
  clearDestination(token: VerifiedToken, access: DestinationAccess): void {
    throwIfDenied(clearDestination(token.caveats, access, this.#requireDestination));
  }

  /**
   * Second stage, for a poll. Throws `destination_missing`. The caller must still ask `permitsDestination`
   * about the stored URL.
   */
  clearPoll(token: VerifiedToken): void {
    throwIfDenied(clearPoll(token.caveats, this.#requireDestination));
  }

  /** The only stage for a request of the owner. Throws `caveat_refused` or `caveat_missing`. */
  clearOwner(token: VerifiedToken, access: Omit<Access, 'target'>): void {
    throwIfDenied(clearOwner(token.caveats, { ...access, target: this.#target }));
  }

  #verify(tokenText: string, keys: readonly Uint8Array[]): CachedToken {
    if (isSameList(this.#refused.get(tokenText), keys)) throw invalidToken();
    const macaroon = decodeToken(tokenText);
    const client = textOf(macaroon.identifier);
    // Two clients must never become one, and a lossy conversion would make them so.
    if (client === undefined) throw malformedToken('The identifier of the token is not UTF-8.');
    this.#refuseTooMuchWork(keys.length * hmacsToVerify(macaroon));
    const key = keys.find((candidate) => verify(macaroon, candidate));
    if (key === undefined) {
      keepNewest(this.#refused, tokenText, keys, REFUSED_TOKENS_MAX);
      throw invalidToken();
    }
    return { key, client, caveats: macaroon.caveats.map(parseCaveat) };
  }

  #refuseTooMuchWork(hmacs: number): void {
    const waitMs = this.#work.take('', hmacs);
    if (waitMs > 0) throw tooManyUnknown(waitMs);
  }

  #recall(tokenText: string, keys: readonly Uint8Array[]): CachedToken | undefined {
    const cached = this.#cache.get(tokenText);
    return cached !== undefined && keys.includes(cached.key) ? cached : undefined;
  }

  /** Also moves a token that was there to the young end. */
  #remember(tokenText: string, token: CachedToken): void {
    if (this.#cacheMax > 0) keepNewest(this.#cache, tokenText, token, this.#cacheMax);
  }
}

/** Puts an entry at the young end of a map, which keeps the order of insertion, and lets the oldest go. */
function keepNewest<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.delete(key);
  if (map.size >= max) {
    for (const oldest of map.keys()) {
      map.delete(oldest);
      break;
    }
  }
  map.set(key, value);
}

function isSameList(one: readonly Uint8Array[] | undefined, other: readonly Uint8Array[]): boolean {
  return one?.length === other.length && one.every((key, index) => key === other[index]);
}

function decodeToken(tokenText: string): Macaroon {
  try {
    return decode(tokenText);
  } catch (error) {
    if (error instanceof MalformedMacaroonError) throw malformedToken(error.message);
    throw error;
  }
}

function throwIfDenied(denial: Denial | undefined): void {
  if (denial !== undefined) throw new ExportError(denial.code, denial.detail);
}

function noRootKey(): ExportError {
  return new ExportError(
    'no_root_key',
    'The service has no root key yet to verify tokens with. Try again later.',
    {
      retryAfterSeconds: NO_ROOT_KEY_RETRY_SECONDS,
    },
  );
}

function missingToken(): ExportError {
  return new ExportError(
    'missing_token',
    'The request has no token. Send the one the box gave you as X-Api-Key, as the user name of HTTP Basic, or as Authorization: Bearer.',
  );
}

function malformedToken(reason: string): ExportError {
  return new ExportError(
    'malformed_token',
    `${reason} Send the token exactly as the box gave it to you: a macaroon in base64 (v1, v2) or as v2 JSON.`,
  );
}

function tooManyUnknown(waitMs: number): ExportError {
  return new ExportError(
    'rate_limited',
    'The service is busy with tokens that it does not know. One that it accepted lately passes at once; send this one again later.',
    { retryAfterSeconds: waitMs / 1_000 },
  );
}

function invalidToken(): ExportError {
  return new ExportError(
    'invalid_token',
    'The signature of the token matches no root key of this service: it was changed, cut, made for another service, or its key was dropped. Ask the box for a new token.',
  );
}
