import type { Caveat } from './caveats.ts';
import {
  caveatMissing,
  type Denial,
  destinationMissing,
  expired,
  notTheOwners,
  notUnderstood,
  otherDestination,
  otherMethod,
  otherPath,
  otherTarget,
  thirdParty,
  tooManyBytes,
} from './denials.ts';

/**
 * Clearing: each caveat of a verified token is asked about one request, and one that says no, or that we
 * do not understand, refuses it. It happens in two stages, because what the destination is and how many
 * bytes go there is known only after the body has been read, and no body is read for a token that would
 * not clear anyway.
 */
export interface Access {
  /** The name of the service that was asked. */
  readonly target: string;
  readonly method: string;
  /** The request's path, without its query. */
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The rest of a request, known once its body is. */
export interface DestinationAccess {
  /** The URL exactly as it was sent: a normalised one is a different string. */
  readonly destination: string;
  /** What would be sent there. */
  readonly dataBytes: number;
}

/** Without one of these a token would be good for any service, method or path. */
const REQUIRED = ['target', 'method', 'path'] as const;

/** First stage, before the body is read: every caveat but `destination` and `data-bytes`. */
export function clearRequest(caveats: readonly Caveat[], access: Access): Denial | undefined {
  return (
    firstDenial(caveats, (caveat) => judgeForRequest(caveat, access)) ?? requiredMissing(caveats, access)
  );
}

/** Second stage, for a new export: `destination` and `data-bytes`. */
export function clearDestination(
  caveats: readonly Caveat[],
  access: DestinationAccess,
  requireDestination: boolean,
): Denial | undefined {
  return (
    firstDenial(caveats, (caveat) => judgeForDestination(caveat, access)) ??
    requiredDestinationMissing(caveats, requireDestination, access.destination)
  );
}

/**
 * Second stage, for a poll. Whether its destination caveats hold is for {@link permitsDestination} to say,
 * of the URL that was stored: a "no" there must look like an export that never was.
 */
export function clearPoll(caveats: readonly Caveat[], requireDestination: boolean): Denial | undefined {
  return requiredDestinationMissing(caveats, requireDestination, null);
}

/** Paths that no app's token opens. */
const OWNER_PATHS = '/owner/';

/** Whether a `path` caveat with this value is the owner's. */
export function isOwnerPath(path: string): boolean {
  return path.startsWith(OWNER_PATHS);
}

/**
 * For a request of the owner, in one stage: it has neither a destination nor data. Every path caveat must begin with
 * `/owner/`, since whoever has a token for `path = *` can add one that does; and no caveat may be a destination, which
 * is what an app's token has.
 */
export function clearOwner(caveats: readonly Caveat[], access: Access): Denial | undefined {
  return clearRequest(caveats, access) ?? firstDenial(caveats, judgeForOwner);
}

/** Whether every `destination` caveat names this very URL. That there is one at all is not asked here. */
export function permitsDestination(caveats: readonly Caveat[], url: string): boolean {
  return caveats.every((caveat) => caveat.kind !== 'destination' || namesDestination(caveat.value, url));
}

/**
 * The only URL that {@link permitsDestination} can say yes to, so that others need not be looked at; null when there is
 * no `destination` caveat. With two that differ there is none: it names one, and that one is not permitted either.
 */
export function namedDestination(caveats: readonly Caveat[]): string | null {
  const named = caveats.find((caveat) => caveat.kind === 'destination');
  return named?.kind === 'destination' ? named.value : null;
}

function firstDenial(
  caveats: readonly Caveat[],
  judge: (caveat: Caveat) => Denial | undefined,
): Denial | undefined {
  for (const caveat of caveats) {
    const denial = judge(caveat);
    if (denial !== undefined) return denial;
  }
  return undefined;
}

function judgeForRequest(caveat: Caveat, access: Access): Denial | undefined {
  switch (caveat.kind) {
    case 'target':
      return caveat.value === access.target ? undefined : otherTarget(caveat, access.target);
    case 'method':
      return permitsMethod(caveat.value, access.method) ? undefined : otherMethod(caveat, access.method);
    case 'path':
      return permitsPath(caveat.value, access.path) ? undefined : otherPath(caveat, access.path);
    case 'time':
      return access.now < caveat.beforeMs ? undefined : expired(caveat, access.now);
    case 'unknown':
      return notUnderstood(caveat);
    case 'third-party':
      return thirdParty(caveat);
    case 'destination':
    case 'data-bytes':
      return undefined; // Second stage.
  }
}

function judgeForDestination(caveat: Caveat, access: DestinationAccess): Denial | undefined {
  switch (caveat.kind) {
    case 'destination':
      return namesDestination(caveat.value, access.destination)
        ? undefined
        : otherDestination(caveat, access.destination);
    case 'data-bytes':
      return access.dataBytes <= caveat.bytesMax ? undefined : tooManyBytes(caveat, access.dataBytes);
    default:
      return undefined; // First stage.
  }
}

function judgeForOwner(caveat: Caveat): Denial | undefined {
  const isApps = caveat.kind === 'destination' || (caveat.kind === 'path' && !isOwnerPath(caveat.value));
  return isApps ? notTheOwners(caveat, OWNER_PATHS) : undefined;
}

/** `*` clears every method: for whoever may read and change alike, such as the box's own page. */
function permitsMethod(said: string, had: string): boolean {
  return said === '*' || sameMethod(said, had);
}

/** `toUpperCase` would take `ı` for `I` and `ſ` for `S`; only ASCII letters have two cases in HTTP. */
function sameMethod(said: string, had: string): boolean {
  const upper = (text: string) => text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
  return upper(said) === upper(had);
}

/**
 * `path = *` clears every path, so a part of the service that is not for every app must ask for more
 * than a cleared token: how its path caveats begin.
 */
function permitsPath(said: string, had: string): boolean {
  return said.endsWith('*') ? had.startsWith(said.slice(0, -1)) : said === had;
}

/** A destination is a URL, so an empty caveat names none, not even the one of a request without any. */
function namesDestination(said: string, had: string): boolean {
  return said !== '' && said === had;
}

function requiredMissing(caveats: readonly Caveat[], access: Access): Denial | undefined {
  const missing = REQUIRED.filter((kind) => !caveats.some((caveat) => caveat.kind === kind));
  return missing.length === 0 ? undefined : caveatMissing(missing.map((kind) => [kind, access[kind]]));
}

function requiredDestinationMissing(
  caveats: readonly Caveat[],
  requireDestination: boolean,
  destination: string | null,
): Denial | undefined {
  const isThere = caveats.some((caveat) => caveat.kind === 'destination');
  return requireDestination && !isThere ? destinationMissing(destination) : undefined;
}
