import { type Figures, ratioOf, type Sample, sampleOf } from './statistics.ts';

/** What a bench is told. */
export interface BenchOptions {
  /** How often everything is measured, in turns. */
  readonly rounds: number;
  /** Multiplies counts and times: below 1 for a quick look. */
  readonly scale: number;
  /** Only these contenders, and ours; empty for all. */
  readonly only: readonly string[];
  /** Says how far it is, for whoever watches. */
  readonly progress: (text: string) => void;
}

/** The figures of one contender (or one way of doing it), as they were in each round. */
export interface Row {
  readonly name: string;
  readonly runs: readonly Figures[];
}

/** A ratio or a figure that has a target. */
export interface Finding {
  readonly name: string;
  readonly sample: Sample;
  /** The target's key in targets.ts; left out, there is none. */
  readonly target?: string;
}

/** What a bench found out: ratios first, then what they are made of. */
export interface Report {
  readonly title: string;
  readonly findings: readonly Finding[];
  readonly rows: readonly Row[];
}

export interface Bench {
  readonly name: string;
  /** The question that it answers. */
  readonly question: string;
  run(options: BenchOptions): Promise<readonly Report[]>;
}

/** The ratio of one row's figure to another's, round by round. Null when one of them was not measured. */
export function ratio(
  rows: ReadonlyMap<string, readonly Figures[]>,
  [of, to]: readonly [string, string],
  figure: string,
  { toFigure = figure, target, name }: { toFigure?: string; target?: string; name?: string } = {},
): Finding[] {
  const [one, other] = [rows.get(of), rows.get(to)];
  if (one === undefined || other === undefined || one.length === 0 || other.length === 0) return [];
  const sample = ratioOf(one, other, figure, toFigure);
  return [{ name: name ?? `${figure}: ${of} / ${to}`, sample, ...(target === undefined ? {} : { target }) }];
}

/** A figure that is held against a target itself. */
export function figure(runs: readonly Figures[], key: string, name: string, target?: string): Finding {
  const sample = sampleOf(runs.map((run) => run[key] ?? Number.NaN));
  return { name, sample, ...(target === undefined ? {} : { target }) };
}

export function rowsOf(results: ReadonlyMap<string, readonly Figures[]>): Row[] {
  return [...results].map(([name, runs]) => ({ name, runs }));
}
