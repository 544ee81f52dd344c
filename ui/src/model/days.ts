/** Days as the reader's calendar has them. */

/** How far back the page looks: four weeks, today among them. */
export const DAYS_SHOWN = 28;

export interface Day {
  /** Its first instant, in milliseconds since 1970; also its name. */
  readonly start: number;
  /** The first instant of the next one: 23 or 25 hours later where clocks change. */
  readonly end: number;
}

/** The day that holds `now`, and the `count - 1` before it; the newest first. */
export function daysUntil(now: number, count = DAYS_SHOWN): Day[] {
  const today = new Date(now);
  const startOf = (back: number): number =>
    new Date(today.getFullYear(), today.getMonth(), today.getDate() - back).getTime();
  return Array.from({ length: count }, (_, back) => ({ start: startOf(back), end: startOf(back - 1) }));
}
