import { cpus, loadavg, release } from 'node:os';
import type { Report } from './bench.ts';
import { type Sample, sampleOf } from './statistics.ts';
import { TARGETS, verdictOf } from './targets.ts';

/** Where and when something was measured. */
export function circumstances(): string {
  const [first] = cpus();
  const load = loadavg()[0]?.toFixed(1);
  const where = `${cpus().length} × ${first?.model.trim()}, Linux ${release()}, Node ${process.version}`;
  return `${new Date().toISOString()}, ${where}, load before the run ${load}`;
}

/** Ratios and their verdicts first, then medians (and ranges) of every figure. */
export function toText({ title, findings, rows }: Report): string {
  const lines = [`\n## ${title}`];
  for (const { name, sample, target } of findings) {
    lines.push(
      `  ${name.padEnd(66)} ${spread(sample).padStart(24)}${target ? `  ${judged(target, sample.median)}` : ''}`,
    );
  }
  for (const { name, runs } of rows) {
    const keys = Object.keys(runs[0] ?? {});
    const cells = keys.map((key) => `${key} ${spread(sampleOf(runs.map((run) => run[key] ?? Number.NaN)))}`);
    lines.push(`  ${name.padEnd(18)} ${cells.join(' · ')}`);
  }
  return lines.join('\n');
}

export function toJson(reports: readonly Report[]): string {
  const withVerdicts = reports.map((report) => ({
    ...report,
    findings: report.findings.map(({ target, ...finding }) => {
      const wanted = target === undefined ? undefined : TARGETS[target];
      if (wanted === undefined) return finding;
      return { ...finding, target: wanted, verdict: verdictOf(wanted, finding.sample.median) };
    }),
  }));
  return JSON.stringify({ circumstances: circumstances(), reports: withVerdicts }, null, 2);
}

function judged(key: string, value: number): string {
  const target = TARGETS[key];
  if (target === undefined) throw new TypeError(`There is no target "${key}".`);
  const sign = target.isMore ? '≥' : '≤';
  return `at least ${sign} ${short(target.least)}, aim ${short(target.aim)}: ${verdictOf(target, value)}`;
}

function spread({ median, min, max }: Sample): string {
  return min === max ? short(median) : `${short(median)} (${short(min)}–${short(max)})`;
}

function short(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}
