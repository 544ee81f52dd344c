/**
 * The crash matrix in full: `npm run test:fault -- --kills 300 --seed 7`. Prints the counts as a table, and ends with 1
 * when anything is wrong. docs/reliability.md says what it shows and what it does not.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ALL_STEPS, type Part, runMatrix } from './matrix.ts';
import { killsIn, type Report, sum, table } from './report.ts';

const KILLS_DEFAULT = '300';
const SEED_MAX = 1_000_000;
const WRONGS_SHOWN_MAX = 20;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: KILLS_DEFAULT },
    seed: { type: 'string', default: String(randomInt(SEED_MAX)) },
  },
});
const kills = Number(values.kills);
if (!Number.isInteger(kills) || kills < 1) throw new TypeError('--kills is a whole number from 1.');
console.log(`crash matrix: ${kills} kills, seed ${values.seed}`);

const startedAt = performance.now();
const reports: Report[] = [];
for await (const part of runMatrix(values.seed, kills)) {
  reports.push(part.report);
  tell(part);
}
const total = sum(reports);
const missed = ALL_STEPS.filter((step) => !total.kills.has(step));
console.log(`\n${table(total)}\n`);
console.log(`${Math.round((performance.now() - startedAt) / 1_000)} s, seed ${values.seed}`);
if (missed.length > 0) console.log(`never killed at: ${missed.join(', ')}`);
if (total.wrongs.length > 0) {
  console.log(
    `${total.wrongs.length} WRONGS. Again: npm run test:fault -- --kills ${kills} --seed ${values.seed}`,
  );
}
process.exitCode = total.wrongs.length > 0 || missed.length > 0 ? 1 : 0;

function tell({ name, report }: Part): void {
  const { accepted, lost, duplicates } = report.counts;
  const figures = `${killsIn(report)} kills, ${accepted} exports, ${lost} lost, ${duplicates} duplicates`;
  console.log(`${name}: ${figures}, ${report.wrongs.length} wrongs`);
  for (const wrong of report.wrongs.slice(0, WRONGS_SHOWN_MAX)) console.log(`  ${wrong}`);
}
