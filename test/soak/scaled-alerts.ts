const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

/** A rate needs several samples, a second apart. */
const WINDOW_SECONDS_MIN = 10;

/**
 * Alert rules whose waits (`for`) and windows are shorter by a factor, so that minutes show what takes hours otherwise. What they
 * compare with stays.
 */
export function scaledAlerts(rules: string, factor: number): string {
  const scaled = (count: string, unit: string, min: number): string =>
    `${Math.max(Math.round(Number(count) * (UNIT_SECONDS[unit] ?? 1) * factor), min)}s`;
  return rules
    .replaceAll(/^( +for: )(\d+)([smh])$/gm, (_, key, count, unit) => `${key}${scaled(count, unit, 1)}`)
    .replaceAll(/\[(\d+)([smh])\]/g, (_, count, unit) => `[${scaled(count, unit, WINDOW_SECONDS_MIN)}]`);
}
