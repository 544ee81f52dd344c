/** Numbers, sizes and times as the reader's own locale and time zone have them. */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const SIZE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
/** Of each unit to the next: as people's computers count files. */
const SIZE_STEP = 1_000;

export interface FormatOptions {
  /** Left out, the reader's. */
  readonly locale?: string | undefined;
  /** Such as `Europe/Berlin`; left out, the reader's. */
  readonly timeZone?: string | undefined;
}

/** Writes what the page shows. One is enough: making the formatters of `Intl` costs more than using them. */
export class Format {
  readonly #options: FormatOptions;
  readonly #count: Intl.NumberFormat;
  readonly #percent: Intl.NumberFormat;
  readonly #relative: Intl.RelativeTimeFormat;
  readonly #sizes = new Map<string, Intl.NumberFormat>();
  readonly #times = new Map<string, Intl.DateTimeFormat>();

  constructor(options: FormatOptions = {}) {
    const { locale } = options;
    this.#options = options;
    this.#count = new Intl.NumberFormat(locale);
    this.#percent = new Intl.NumberFormat(locale, { style: 'percent' });
    this.#relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  }

  count(n: number): string {
    return this.#count.format(n);
  }

  /** Of a fraction; never 100 % before it is all. */
  percent(fraction: number): string {
    return this.#percent.format(fraction < 1 ? Math.min(fraction, 0.99) : fraction);
  }

  /** Such as `2.4 MB`: three digits at most, whole bytes. */
  size(bytes: number): string {
    let value = bytes;
    let unit = 0;
    while (value >= SIZE_STEP && unit < SIZE_UNITS.length - 1) {
      value /= SIZE_STEP;
      unit += 1;
    }
    const digits = unit === 0 || value >= 100 ? 0 : 1;
    // 999.96 kB would be written as 1,000 kB.
    if (Number(value.toFixed(digits)) >= SIZE_STEP && unit < SIZE_UNITS.length - 1)
      return this.#sized(1, unit + 1, 0);
    return this.#sized(value, unit, digits);
  }

  /** `14:03` on the day of `now`, otherwise with the day. */
  moment(ms: number, now: number): string {
    const isToday = this.day(ms) === this.day(now);
    return this.#time(
      isToday
        ? { hour: 'numeric', minute: '2-digit' }
        : { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' },
      ms,
    );
  }

  /** To the second, with its day and year: for a record. */
  exactly(ms: number): string {
    return this.#time({ dateStyle: 'medium', timeStyle: 'medium' }, ms);
  }

  day(ms: number): string {
    return this.#time({ day: 'numeric', month: 'short' }, ms);
  }

  longDay(ms: number): string {
    return this.#time({ weekday: 'long', day: 'numeric', month: 'long' }, ms);
  }

  /** Milliseconds below a second, seconds above. */
  duration(ms: number): string {
    const isLong = ms >= 1_000;
    return new Intl.NumberFormat(this.#options.locale, {
      style: 'unit',
      unit: isLong ? 'second' : 'millisecond',
      unitDisplay: isLong ? 'long' : 'short',
      maximumFractionDigits: 1,
    }).format(isLong ? ms / 1_000 : ms);
  }

  /** `3 minutes ago`, `in 2 hours`. */
  ago(ms: number, now: number): string {
    const gap = ms - now;
    const size = Math.abs(gap);
    if (size < MINUTE) return this.#relative.format(0, 'second');
    if (size < HOUR) return this.#relative.format(Math.round(gap / MINUTE), 'minute');
    if (size < DAY) return this.#relative.format(Math.round(gap / HOUR), 'hour');
    return this.#relative.format(Math.round(gap / DAY), 'day');
  }

  #sized(value: number, unit: number, digits: number): string {
    const key = `${unit}/${digits}`;
    const known = this.#sizes.get(key);
    const format =
      known ??
      new Intl.NumberFormat(this.#options.locale, {
        style: 'unit',
        unit: SIZE_UNITS[unit] as string,
        unitDisplay: unit === 0 ? 'long' : 'short',
        maximumFractionDigits: digits,
      });
    if (known === undefined) this.#sizes.set(key, format);
    return format.format(value);
  }

  #time(options: Intl.DateTimeFormatOptions, ms: number): string {
    const key = JSON.stringify(options);
    const known = this.#times.get(key);
    const { locale, timeZone } = this.#options;
    const format = known ?? new Intl.DateTimeFormat(locale, { ...options, timeZone });
    if (known === undefined) this.#times.set(key, format);
    return format.format(ms);
  }
}
