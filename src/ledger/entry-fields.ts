import { isCount } from './arithmetic.ts';

/** Tells whether a value is what a field may hold. */
export type Check<T> = (value: unknown) => value is T;

export type Checked<C> = C extends Check<infer T> ? T : never;

/** Longest app, destination or owner's name, in UTF-16 units: no token of 8 KiB can hold a longer one. */
export const NAME_LENGTH_MAX = 8_192;

const TIME = /^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;
const EVERY_MONTH_HAS = 28;

/** RFC 3339 in UTC to the millisecond, in the one way in which JavaScript writes it, and a day that exists. */
export function isTime(value: unknown): value is string {
  if (typeof value !== 'string' || !TIME.test(value)) return false;
  const day = Number(value.slice(8, 10));
  return day <= EVERY_MONTH_HAS || day <= daysIn(Number(value.slice(0, 4)), Number(value.slice(5, 7)));
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

export function matching(pattern: RegExp): Check<string> {
  return (value): value is string => typeof value === 'string' && pattern.test(value);
}

export function text(lengthMax: number): Check<string> {
  return (value): value is string => typeof value === 'string' && value.length <= lengthMax;
}

export function oneOf<const T extends readonly string[]>(...words: T): Check<T[number]> {
  return (value): value is T[number] => words.includes(value as string);
}

export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value): value is T | null => value === null || check(value);
}

export function isBoolean(value: unknown): value is boolean {
  return typeof value === 'boolean';
}

export const count: Check<number> = isCount;
/** A UUID, lower case. */
export const uuid = matching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
/** A name that we do not choose: an app's, a destination's, an owner's. */
export const name = text(NAME_LENGTH_MAX);
/** A stable word of ours, such as an error's code. */
export const code = matching(/^[a-z][a-z0-9_]{0,63}$/);
/** An IP address as text; also with a zone. */
export const address = matching(/^[0-9a-zA-Z.:%_-]{2,64}$/);
/** SHA-256 in hex. */
export const fingerprint = matching(/^[0-9a-f]{64}$/);
/** SHA-256 in base64url. */
export const digest = matching(/^[A-Za-z0-9_-]{43}$/);
/** A status of HTTP. */
export function status(value: unknown): value is number {
  return isCount(value) && value >= 100 && value <= 999;
}
