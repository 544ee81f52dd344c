/**
 * `npm run bench -- NAME…`: measures. Without a name it lists the benches.
 *
 *   npm run bench -- accept trip [--rounds 5] [--scale 1] [--only "bare,bullmq always"] [--json FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { accept } from './suites/accept.ts';
import { trip } from './suites/trip.ts';
import type { Bench, BenchOptions, Report } from './support/bench.ts';
import { circumstances, toJson, toText } from './support/report.ts';

const BENCHES: readonly Bench[] = [accept, trip];

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

if (positionals.length === 0) {
  for (const { name, question } of BENCHES) console.log(`${name.padEnd(12)} ${question}`);
} else {
  console.log(circumstances());
  const reports: Report[] = [];
  for (const name of positionals) {
    const bench = BENCHES.find((one) => one.name === name);
    if (bench === undefined) throw new Error(`There is no bench "${name}".`);
    for (const report of await bench.run(options)) {
      console.log(toText(report));
      reports.push(report);
    }
  }
  if (values.json !== undefined) writeFileSync(values.json, toJson(reports));
}
