/**
 * What the ledger and encryption at rest cost: an export's whole trip through the service, and a store's part of it alone.
 *
 *   node bench/encryption.ts [--exports 10000] [--rounds 5] [--store-only]
 *
 * The same service runs with everything, and with parts taken away (bench/without.ts), in turns within one run: A B C,
 * A B C, … Medians over the rounds; CPU time, so that what else the machine does counts as little as it can.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureTrip, TRIP_EXPORTS } from './suites/trip.ts';
import { type Figures, median } from './support/statistics.ts';
import { type BenchPart, WITHOUT_VARIABLE } from './without.ts';

const LANES = 1_000;

const { values } = parseArgs({
  options: {
    exports: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    'store-only': { type: 'boolean', default: false },
  },
});
const exports = Number(values.exports);
const rounds = Number(values.rounds);

const VARIANTS: Readonly<Record<string, readonly BenchPart[]>> = {
  everything: [],
  'no ledger': ['ledger'],
  'and no encryption': ['ledger', 'vault'],
  'and keys not in slots': ['ledger', 'vault', 'slots'],
  'and nothing overwritten': ['ledger', 'vault', 'slots', 'secure_delete'],
};

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const PRELOAD = ['--import', new URL('./without.ts', import.meta.url).href];
const environment = (parts: readonly BenchPart[]) =>
  parts.length === 0 ? process.env : { ...process.env, [WITHOUT_VARIABLE]: parts.join(',') };

// -- the whole trip -----------------------------------------------------------------------------------------------------

function trip(parts: readonly BenchPart[]): Promise<Figures> {
  return measureTrip('ours', { lanes: LANES, wait: false }, exports / TRIP_EXPORTS, { without: parts });
}

// -- the store alone ----------------------------------------------------------------------------------------------------

interface StoreCost {
  readonly cpu: number;
  readonly time: number;
}

function store(parts: readonly BenchPart[], bytes: number, count: number, batch: number): StoreCost {
  const args = [...PRELOAD, file('encryption-store.ts'), String(bytes), String(count), String(batch)];
  return JSON.parse(execFileSync(process.execPath, args, { env: environment(parts), encoding: 'utf8' }));
}

// -- turns, medians, ratios ---------------------------------------------------------------------------------------------

async function compare<T extends object>(
  what: string,
  measure: (parts: readonly BenchPart[]) => T | Promise<T>,
) {
  const results = new Map<string, T[]>(Object.keys(VARIANTS).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, parts] of Object.entries(VARIANTS)) results.get(name)?.push(await measure(parts));
  }
  const rows = [...results].map(([name, runs]) => {
    const keys = Object.keys(runs[0] ?? {}) as (keyof T)[];
    return [
      name,
      Object.fromEntries(keys.map((key) => [key, median(runs.map((run) => Number(run[key])))])),
    ] as const;
  });
  const base = rows.at(-1)?.[1] ?? {};
  process.stdout.write(`\n${what}; medians of ${rounds} rounds (ratio to the last row)\n`);
  for (const [name, row] of rows) {
    const cells = Object.entries(row).map(
      ([key, value]) => `${key} ${value.toFixed(1)} (${(value / (base[key] ?? 1)).toFixed(3)})`,
    );
    process.stdout.write(`  ${name.padEnd(24)} ${cells.join('   ')}\n`);
  }
}

if (!values['store-only']) {
  await compare(`whole trip, ${exports} exports of 1 KiB, ${LANES} lanes, µs CPU`, trip);
}
await compare('store, 1 KiB, 64 a commit, µs', (parts) => store(parts, 1_024, exports * 2, 64));
await compare('store, 64 KiB, 16 a commit, µs', (parts) => store(parts, 65_536, exports / 10, 16));
await compare('store, 1 MiB, 4 a commit, µs', (parts) => store(parts, 1_048_576, exports / 100, 4));
