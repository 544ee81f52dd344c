/** A series of readings, one number each. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  /** How much more the last third's median may be than the second's: a share of it, or this much, whichever is more. */
  readonly toleranceShare: number;
  readonly tolerance: number;
}

export interface SeriesVerdict {
  readonly name: string;
  readonly unit: string;
  /** Medians of the second and the last third; the first is warm-up. */
  readonly middle: number;
  readonly last: number;
  readonly max: number;
  /** What a straight line through both thirds gains from their begin to their end. */
  readonly gain: number;
  readonly allowed: number;
  readonly isFlat: boolean;
}

/**
 * Whether a series stays flat once it is warm: neither the median of the last third nor a straight line through the
 * last two is above the second third's median by more than is allowed. Falling is no fault.
 */
export function judgeSeries(series: Series): SeriesVerdict {
  const { name, unit, values, toleranceShare, tolerance } = series;
  const third = Math.floor(values.length / 3);
  if (third < 2) throw new RangeError(`${name}: ${values.length} readings are too few to judge.`);
  const warm = values.slice(third);
  const middle = median(warm.slice(0, warm.length - third));
  const last = median(warm.slice(warm.length - third));
  const gain = slope(warm) * (warm.length - 1);
  const allowed = Math.max(middle * toleranceShare, tolerance);
  const isFlat = last - middle <= allowed && gain <= allowed;
  return { name, unit, middle, last, max: Math.max(...values), gain, allowed, isFlat };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[half] ?? Number.NaN;
  return ((sorted[half - 1] ?? Number.NaN) + (sorted[half] ?? Number.NaN)) / 2;
}

/** What the line of least squares rises from one reading to the next. */
export function slope(values: readonly number[]): number {
  const meanX = (values.length - 1) / 2;
  const meanY = values.reduce((sum, y) => sum + y, 0) / values.length;
  let rise = 0;
  let run = 0;
  for (const [x, y] of values.entries()) {
    rise += (x - meanX) * (y - meanY);
    run += (x - meanX) ** 2;
  }
  return rise / run;
}
