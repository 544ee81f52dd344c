const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DATE_TIME = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d+)?(?:Z|([+-])(\d{2}):(\d{2}))$/i;

/**
 * Milliseconds since 1970 of an RFC 3339 date-time (fractions below a millisecond are cut off), or
 * undefined when `text` is none. `Date.parse` alone takes far more: dates without a zone, 30 February
 * (as 1 March), `Jan 1`. A leap second, :60, is not taken either: a clock of ours never shows one.
 */
export function parseRfc3339(text: string): number | undefined {
  const match = DATE_TIME.exec(text);
  if (match === null) return undefined;
  const [, date, time, fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = match;
  const wallMs = Date.parse(`${date}T${time}Z`);
  const exists = !Number.isNaN(wallMs) && new Date(wallMs).toISOString() === `${date}T${time}.000Z`;
  if (!exists || Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return undefined;
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000;
  const fractionMs = Number(fraction.slice(1, 4).padEnd(3, '0'));
  return wallMs + fractionMs - (sign === '-' ? -offsetMs : offsetMs);
}

/** The same, or of a full-date, such as 2026-11-24, its beginning in UTC. */
export function parseTimeOrDay(text: string): number | undefined {
  return parseRfc3339(DATE.test(text) ? `${text}T00:00:00Z` : text);
}
