/**
 * Durations and sizes as people write them. What does not fit is `null`: the caller knows what to say.
 */

/** Largest first: `format` takes the first that divides. */
const MS_PER_UNIT = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;

const BYTES_PER_UNIT = [
  ['GiB', 1_024 ** 3],
  ['MiB', 1_024 ** 2],
  ['KiB', 1_024],
  ['', 1],
] as const;

/** `500ms`, `5s`, `2m`, `1h`, `7d` in milliseconds. A number without a unit is no duration: nobody could say of what. */
export function parseDurationMs(text: string): number | null {
  return parseQuantity(text, MS_PER_UNIT);
}

/** The shortest text that `parseDurationMs` reads as `ms`. */
export function formatDurationMs(ms: number): string {
  if (ms === 0) return '0s';
  return formatQuantity(ms, MS_PER_UNIT, '');
}

/** `64KiB`, `1 MiB`, `10GiB` or plain bytes. */
export function parseSizeBytes(text: string): number | null {
  return parseQuantity(text, BYTES_PER_UNIT);
}

/** The shortest text that `parseSizeBytes` reads as `bytes`, with a blank before the unit. */
export function formatSizeBytes(bytes: number): string {
  return bytes === 0 ? '0' : formatQuantity(bytes, BYTES_PER_UNIT, ' ');
}

type Units = readonly (readonly [unit: string, factor: number])[];

function parseQuantity(text: string, units: Units): number | null {
  const [, digits, unit] = /^(\d{1,16}) ?([A-Za-z]*)$/.exec(text) ?? [];
  const factor = units.find(([name]) => name === unit)?.[1];
  if (digits === undefined || factor === undefined) return null;
  const quantity = Number(digits) * factor;
  return Number.isSafeInteger(quantity) ? quantity : null;
}

function formatQuantity(quantity: number, units: Units, separator: string): string {
  const [unit, factor] = units.find(([, size]) => quantity % size === 0) ?? ['', 1];
  return unit === '' ? String(quantity) : `${quantity / factor}${separator}${unit}`;
}
