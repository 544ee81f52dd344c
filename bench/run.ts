/**
 * `npm run bench -- NAME…`: measures. Without a name it lists the benches.
 *
 *   npm run bench -- accept trip [--rounds 5] [--scale 1] [--only "bare,bullmq always"] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { accept } from './suites/accept.ts';
import { durable } from './suites/durable.ts';
import { idle } from './suites/idle.ts';
import { lane } from './suites/lane.ts';
import { latency } from './suites/latency.ts';
import { overhead } from './suites/overhead.ts';
import { polls } from './suites/polls.ts';
import { queued } from './suites/queued.ts';
import { tokens } from './suites/tokens.ts';
import { trip } from './suites/trip.ts';
import type { Bench, BenchOptions, Report } from './support/bench.ts';
import { circumstances, toJson, toText } from './support/report.ts';

const BENCHES: readonly Bench[] = [
  accept,
  trip,
  latency,
  lane,
  polls,
  idle,
  queued,
  tokens,
  overhead,
  durable,
];
/** Benches of one part, which print what they find in their own words and take their own arguments. */
const PROGRAMS: Readonly<Record<string, string>> = {
  encryption: 'What does encryption at rest cost, part by part?',
  ledger: 'What does the ledger cost by itself: appending, proving, verifying?',
  'owner-lists': 'What do the owner’s lists cost with 1,000,000 exports in the store?',
};

const [first = ''] = process.argv.slice(2);
if (first === '') {
  for (const { name, question } of BENCHES) console.log(`${name.padEnd(12)} ${question}`);
  for (const [name, question] of Object.entries(PROGRAMS)) console.log(`${name.padEnd(12)} ${question}`);
} else if (first in PROGRAMS) {
  process.argv.splice(2, 1);
  await import(`./${first}.ts`);
} else await runBenches();

async function runBenches(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      scale: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
    },
  });
  const options: BenchOptions = {
    rounds: Number(values.rounds),
    scale: Number(values.scale),
    only: values.only.split(',').filter(Boolean),
    progress: (text) => process.stderr.write(`${text}\n`),
  };
  console.log(circumstances());
  const reports: Report[] = [];
  for (const bench of positionals.map(benchOf)) {
    for (const report of await bench.run(options)) {
      console.log(toText(report));
      reports.push(report);
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, toJson(reports));
}

function benchOf(name: string): Bench {
  const bench = BENCHES.find((one) => one.name === name);
  if (bench === undefined) throw new Error(`There is no bench "${name}".`);
  return bench;
}
