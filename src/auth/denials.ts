import type { Caveat } from './caveats.ts';

/**
 * Why a token does not clear, in words for the app's developer: which caveat, what it says, what the request had, and
 * what to ask the box for.
 */
export interface Denial {
  /** Interface, section 4. */
  readonly code: 'caveat_refused' | 'caveat_missing' | 'destination_missing';
  readonly detail: string;
}

/** Most characters of a caveat, or of the request's part it is about, that a message repeats. */
export const SHOWN_CHARACTERS_MAX = 200;

/** Of a text that is cut, so many characters before the place that matters are shown. */
const SHOWN_BEFORE = 100;

/** How each caveat is written: for tokens that have one nearly right. */
const FORMS: Readonly<Record<string, string>> = {
  target: '"target = NAME"',
  method: '"method = METHOD"',
  path: '"path = PATH"',
  destination: '"destination = URL"',
  time: '"time < 2030-01-31T12:00:00Z"',
  'data-bytes': '"data-bytes <= NUMBER"',
};

export function otherTarget(caveat: Caveat, target: string): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and this service is called ${shown(target)}: the token is for another one. ` +
      `Ask the box for a token with ${shown(`target = ${target}`)}.`,
  );
}

export function otherMethod(caveat: Caveat, method: string): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the method of the request is ${shown(method)}. ` +
      `Ask the box for a token with ${shown(`method = ${method}`)}.`,
  );
}

export function otherPath(caveat: Caveat & { readonly value: string }, path: string): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the path of the request is ${shown(path)}. ` +
      `Send the request there, or ask the box for a token with ${shown(`path = ${path}`)}.`,
  );
}

/** Two URLs that mean the same are told apart here, so it says where. */
export function otherDestination(caveat: Caveat & { readonly value: string }, destination: string): Denial {
  const at = firstDifference(caveat.value, destination);
  const key = caveat.text.length - caveat.value.length;
  return refused(
    `The token says ${shown(caveat.text, key + at)}, and the destination of the request is ${shown(destination, at)}. ` +
      `They are compared as text, and differ from character ${at + 1} on. ` +
      'Send the very URL that the token names, or ask the box for a token with the destination of the request.',
  );
}

export function expired(caveat: Caveat, now: number): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the request came at ${new Date(now).toISOString()}. ` +
      'Ask the box for a new token, with a later time or with none.',
  );
}

export function tooManyBytes(caveat: Caveat, dataBytes: number): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, and the data of the request has ${dataBytes} bytes. ` +
      `Send less at once, or ask the box for a token with "data-bytes <= ${dataBytes}".`,
  );
}

export function notUnderstood(caveat: Caveat): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, which is no caveat this service understands, so no request clears it. ` +
      `${nearestForm(caveat.text)}.`,
  );
}

export function thirdParty(caveat: Caveat): Denial {
  return refused(
    `The token has a third-party caveat, to be discharged at ${shown(caveat.text)}, and the request has no ` +
      'discharge this service takes. Ask the box for a token without third-party caveats.',
  );
}

export function notTheOwners(caveat: Caveat, ownerPaths: string): Denial {
  return refused(
    `The token says ${shown(caveat.text)}, so it is an app's. The owner's paths take a token whose path caveats begin ` +
      `with ${ownerPaths} and that has no destination caveat: token mint --path '${ownerPaths}*' --method '*' makes one.`,
  );
}

/** @param wanted the caveats that are not there, with what the request would need */
export function caveatMissing(wanted: readonly (readonly [kind: string, value: string])[]): Denial {
  const kinds = wanted.map(([kind]) => kind);
  const caveats = wanted.map(([kind, value]) => shown(`${kind} = ${value}`));
  return {
    code: 'caveat_missing',
    detail: `The token has no ${listed(kinds)} caveat. Ask the box for a token with ${listed(caveats)}.`,
  };
}

/** @param destination the one of the request; null for a poll, which may leave it out */
export function destinationMissing(destination: string | null): Denial {
  const wanted = destination === null ? '"destination = URL"' : shown(`destination = ${destination}`);
  return {
    code: 'destination_missing',
    detail:
      'The token has no destination caveat, so it would be good for every destination. ' +
      `Ask the box for a token with ${wanted}, the URL exactly as it is sent in uri.`,
  };
}

function refused(detail: string): Denial {
  return { code: 'caveat_refused', detail };
}

function nearestForm(text: string): string {
  const form = FORMS[/^[\w-]*/.exec(text.trimStart().toLowerCase())?.[0] ?? ''];
  if (form !== undefined) return `Such a caveat is written ${form}, with one blank on each side of the sign`;
  return `Ask the box for a token with none but ${listed(Object.values(FORMS))}`;
}

/** The index from which on two texts differ. */
function firstDifference(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return at;
}

/**
 * Quoted and cut; what could change the look of a log or a terminal is made visible instead.
 *
 * @param at the place that matters: it is among what is shown
 */
function shown(text: string, at = 0): string {
  const start = at < SHOWN_CHARACTERS_MAX ? 0 : at - SHOWN_BEFORE;
  const end = start + SHOWN_CHARACTERS_MAX;
  const visible = text
    .slice(start, end)
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
  return `"${start > 0 ? '…' : ''}${visible}${text.length > end ? '…' : ''}"`;
}

function listed(words: readonly string[]): string {
  return new Intl.ListFormat('en', { type: 'conjunction' }).format(words);
}
