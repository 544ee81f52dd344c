/** Far beyond any wait that is kept to, and a whole number still. */
const WAIT_MS_MAX = Number.MAX_SAFE_INTEGER;

/** The three forms of a date in HTTP (RFC 9110, section 5.6.7); `Date.parse` alone takes far more than that. */
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/;

/**
 * The wait that a `Retry-After` field asks for, in milliseconds; null when it asks for none or cannot be read. A time
 * that has passed is a wait of 0.
 */
export function parseRetryAfter(field: string | string[] | undefined, now: number): number | null {
  const value = (Array.isArray(field) ? field[0] : field)?.trim();
  if (value === undefined) return null;
  if (/^-?\d+$/.test(value)) return waitMs(Number(value) * 1_000);
  if (!HTTP_DATE.test(value)) return null;
  const date = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`);
  return Number.isNaN(date) ? null : waitMs(date - now);
}

function waitMs(asked: number): number {
  return Math.min(Math.max(asked, 0), WAIT_MS_MAX);
}
