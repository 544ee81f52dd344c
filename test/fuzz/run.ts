/**
 * `npm run fuzz -- TARGET SECONDS [--seed S] [--at N]`
 *
 * Gives the parser TARGET as many inputs as fit into SECONDS and prints how they went. Ends with 1 and the command that
 * plays it again at the first input that breaks a promise, crashes, hangs or eats memory. `all` runs every target for
 * SECONDS each. docs/security.md has the counts of the last long run.
 */
import { randomInt } from 'node:crypto';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { Summary } from './campaign.ts';
import { watchedCampaign } from './watched.ts';

const SEED_MAX = 1_000_000;
const TARGETS = globSync('targets/*.ts', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.ts'))
  .sort();

const { values, positionals } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(SEED_MAX)) },
    at: { type: 'string' },
  },
  allowPositionals: true,
});
const [name = '', seconds = ''] = positionals;
const isKnown = name === 'all' || TARGETS.includes(name);
if (!isKnown || !(Number(seconds) > 0)) {
  console.error(`npm run fuzz -- TARGET SECONDS, with a TARGET of: ${[...TARGETS, 'all'].join(', ')}`);
  process.exit(2);
}

for (const target of name === 'all' ? TARGETS : [name]) {
  const startedAt = performance.now();
  const from = Number(values.at ?? 0);
  const count = values.at === undefined ? Number.MAX_SAFE_INTEGER - 1 : 1;
  const summary = await watchedCampaign(
    { target, seed: values.seed, from, count },
    { seconds: Number(seconds) },
  );
  print(target, summary, (performance.now() - startedAt) / 1_000);
  if (summary.finding !== null) process.exitCode = 1;
}

function print(target: string, { inputs, tally, finding }: Summary, seconds: number): void {
  const perSecond = Math.round(inputs / seconds).toLocaleString('en');
  console.log(
    `${target}: ${inputs.toLocaleString('en')} inputs in ${Math.round(seconds)} s, ${perSecond}/s, seed ${values.seed}`,
  );
  const rows = Object.entries(tally).sort(([, one], [, other]) => other - one);
  for (const [word, count] of rows) console.log(`  ${count.toLocaleString('en').padStart(12)}  ${word}`);
  if (finding === null) return;
  console.log(`FINDING at input ${finding.at}: ${finding.what}\n`);
  console.log(`  input, base64: ${finding.inputBase64}`);
  console.log(`  again: npm run fuzz -- ${target} 60 --seed ${values.seed} --at ${finding.at}`);
}
