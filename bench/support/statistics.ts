/** What several runs of one thing gave. */
export interface Sample {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function sampleOf(values: readonly number[]): Sample {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
  const [low, high] = [at(0.5), sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN];
  return { median: (low + high) / 2, min: at(0), max: at(1) };
}

export function median(values: readonly number[]): number {
  return sampleOf(values).median;
}

/** The value that `part` of the values do not exceed. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

/** What was measured of one contender, by the name of the figure. */
export type Figures = Readonly<Record<string, number>>;

/** Measures every one of `names` in turns, A B C, A B C, …, so that whatever else the machine does hits all of them. */
export async function inTurns<N extends string>(
  names: readonly N[],
  rounds: number,
  measure: (name: N, round: number) => Promise<Figures>,
  tell: (name: N, round: number, figures: Figures) => void = () => {},
): Promise<Map<N, Figures[]>> {
  const results = new Map<N, Figures[]>(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) {
      const figures = await measure(name, round);
      tell(name, round, figures);
      results.get(name)?.push(figures);
    }
  }
  return results;
}

/**
 * The ratio of two contenders' figures: round by round, so that what changes slowly cancels out.
 *
 * @param of figures of the one, in the order of the rounds
 * @param to those of the other
 */
export function ratioOf(
  of: readonly Figures[],
  to: readonly Figures[],
  figure: string,
  toFigure = figure,
): Sample {
  return sampleOf(of.map((figures, round) => (figures[figure] ?? NaN) / (to[round]?.[toFigure] ?? NaN)));
}
