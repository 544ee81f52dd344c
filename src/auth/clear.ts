import type { Caveat } from './caveats.ts';

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

/** Why a token does not clear: the code of interface section 4 and what to do about it. */
export interface Denial {
  readonly code: 'caveat_refused' | 'caveat_missing' | 'destination_missing';
  readonly detail: string;
}

/** Without one of these a token would be good for any service, method or path. */
const REQUIRED = ['target', 'method', 'path'] as const;

/** Most characters of a caveat, or of the request's part it is about, that a message repeats. */
export const SHOWN_CHARACTERS_MAX = 200;

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
    destinationMissing(caveats, requireDestination)
  );
}

/**
 * Second stage, for a poll. Whether its destination caveats hold is for {@link permitsDestination} to say,
 * of the URL that was stored: a "no" there must look like an export that never was.
 */
export function clearPoll(caveats: readonly Caveat[], requireDestination: boolean): Denial | undefined {
  return destinationMissing(caveats, requireDestination);
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
      return caveat.value === access.target ? undefined : differs(caveat, access.target);
    case 'method':
      return permitsMethod(caveat.value, access.method) ? undefined : differs(caveat, access.method);
    case 'path':
      return permitsPath(caveat.value, access.path) ? undefined : differs(caveat, access.path);
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
        : differs(caveat, access.destination);
    case 'data-bytes':
      return access.dataBytes <= caveat.bytesMax ? undefined : tooManyBytes(caveat, access.dataBytes);
    default:
      return undefined; // First stage.
  }
}

function judgeForOwner(caveat: Caveat): Denial | undefined {
  const isApps = caveat.kind === 'destination' || (caveat.kind === 'path' && !isOwnerPath(caveat.value));
  if (!isApps) return undefined;
  return refused(
    `The token says ${shown(caveat.text)}, so it is an app's. The owner's paths take a token whose path caveats begin ` +
      `with ${OWNER_PATHS} and that has no destination caveat: token mint --path '/owner/*' --method '*' makes one.`,
  );
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
  if (missing.length === 0) return undefined;
  const wanted = missing.map((kind) => shown(`${kind} = ${access[kind]}`));
  return {
    code: 'caveat_missing',
    detail: `The token has no ${listed(missing)} caveat. Ask the box for a token with ${listed(wanted)}.`,
  };
}

function destinationMissing(caveats: readonly Caveat[], requireDestination: boolean): Denial | undefined {
  if (!requireDestination || caveats.some((caveat) => caveat.kind === 'destination')) return undefined;
  return {
    code: 'destination_missing',
    detail:
      'The token has no destination caveat, so it would be good for every destination. ' +
      'Ask the box for a token with "destination = URL", the URL exactly as it is sent in uri.',
  };
}

function differs(
  caveat: Caveat & { kind: 'target' | 'method' | 'path' | 'destination' },
  had: string,
): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the ${caveat.kind} of the request is ${shown(had)}. ` +
      `Ask the box for a token with ${shown(`${caveat.kind} = ${had}`)}.`,
  );
}

function expired(caveat: Caveat, now: number): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the request came at ${new Date(now).toISOString()}. ` +
      'Ask the box for a new token.',
  );
}

function tooManyBytes(caveat: Caveat, dataBytes: number): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the data of the request has ${dataBytes} bytes. ` +
      'Send less at once, or ask the box for a token that allows more.',
  );
}

function notUnderstood(caveat: Caveat): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, which is no caveat this service understands, so no request clears ` +
      'it. Ask the box for a token with none but "target = NAME", "method = METHOD", "path = PATH", ' +
      '"destination = URL", "time < RFC 3339 TIME" and "data-bytes <= NUMBER".',
  );
}

function thirdParty(caveat: Caveat): Denial {
  return refused(
    `The token has a third-party caveat, to be discharged at ${shown(caveat.text)}, and the request has no ` +
      'discharge this service takes. Ask the box for a token without third-party caveats.',
  );
}

function refused(detail: string): Denial {
  return { code: 'caveat_refused', detail };
}

/** Quoted and cut; what could change the look of a log or a terminal is made visible instead. */
function shown(text: string): string {
  const cut = text.slice(0, SHOWN_CHARACTERS_MAX).toWellFormed();
  const visible = cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
  return text.length > SHOWN_CHARACTERS_MAX ? `"${visible}…"` : `"${visible}"`;
}

function listed(words: readonly string[]): string {
  return new Intl.ListFormat('en', { type: 'conjunction' }).format(words);
}
