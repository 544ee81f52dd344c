/**
 * What the ledger and encryption at rest cost: an export's whole trip through the service, and a store's part of it alone.
 *
 *   node bench/encryption.ts [--exports 10000] [--rounds 5] [--store-only]
 *
 * The same service runs with everything, and with parts taken away (bench/without.ts), in turns within one run: A B C,
 * A B C, … Medians over the rounds; CPU time, so that what else the machine does counts as little as it can.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Agent } from 'undici';
import { LAUNCHER, TEST_FLAGS, tokenFor } from '../test/support/service.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import { type BenchPart, WITHOUT_VARIABLE } from './without.ts';

const CONNECTIONS = 64;
const LANES = 1_000;
const DATA = `"${'x'.repeat(1_022)}"`;
/** Of the system's clock for processes, which /proc tells in. */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK']));

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

interface Trip {
  /** CPU time per export of the service, and of all processes, in microseconds. */
  readonly service: number;
  readonly all: number;
  readonly exportsPerSecond: number;
}

/** Seconds of CPU time of a process so far, all its threads together. */
function cpuSeconds({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`A process of the bench ended with ${code}.`);
  });
  ended.catch(() => {});
  const [line] = (await Promise.race([once(lines, 'line'), ended])) as [string];
  return line;
}

async function trip(parts: readonly BenchPart[]): Promise<Trip> {
  using directory = new TemporaryDirectory();
  const options: SpawnOptions = { stdio: ['ignore', 'pipe', 'ignore'] };
  const destination = spawn(process.execPath, [file('encryption-destination.ts')], options);
  const args = ['serve', '--port', '0', '--data-dir', directory.path, ...TEST_FLAGS];
  const service = spawn(process.execPath, [...PRELOAD, LAUNCHER, ...args], {
    ...options,
    env: environment(parts),
  });
  try {
    const port = await firstLine(destination);
    const url = /http:\S+/.exec(await firstLine(service))?.[0] ?? '';
    const load = new Load(url, `http://127.0.0.1:${port}/in`);
    await load.run(exports / 5);
    const before = [cpuSeconds(service), cpuSeconds(destination), process.cpuUsage()] as const;
    const startedAt = performance.now();
    await load.run(exports);
    const seconds = (performance.now() - startedAt) / 1_000;
    const used = cpuSeconds(service) - before[0];
    const own = process.cpuUsage(before[2]);
    const others = cpuSeconds(destination) - before[1] + (own.user + own.system) / 1e6;
    await load.close();
    return {
      service: (used / exports) * 1e6,
      all: ((used + others) / exports) * 1e6,
      exportsPerSecond: exports / seconds,
    };
  } finally {
    for (const child of [service, destination]) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}

/** Exports over as many connections as there are, each waited for to its end. */
class Load {
  readonly #agent = new Agent({ connections: CONNECTIONS, pipelining: 1 });
  readonly #url: string;
  readonly #lanes: { readonly token: string; readonly body: string }[];
  #next = 0;

  constructor(url: string, destination: string) {
    this.#url = url;
    this.#lanes = Array.from({ length: LANES }, (_, n) => {
      const uri = `${destination}/${n}`;
      return { token: tokenFor({ destination: uri }), body: JSON.stringify({ uri, data: DATA }) };
    });
  }

  async run(count: number): Promise<void> {
    const end = this.#next + count;
    const worker = async (): Promise<void> => {
      while (this.#next < end) await this.#exportOne(this.#next++);
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  async #exportOne(n: number): Promise<void> {
    const { token, body } = this.#lanes[n % LANES] as { token: string; body: string };
    const { statusCode, body: answer } = await this.#agent.request({
      origin: this.#url,
      path: '/export',
      method: 'POST',
      headers: { 'x-api-key': token, prefer: 'wait=60' },
      body,
    });
    const { state } = (await answer.json()) as { state?: string };
    if (statusCode !== 200 || state !== 'Finished') throw new Error(`answered ${statusCode}, ${state}`);
  }
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

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

if (!values['store-only']) {
  await compare(
    `whole trip, ${exports} exports of 1 KiB, ${CONNECTIONS} connections, ${LANES} lanes, µs CPU`,
    trip,
  );
}
await compare('store, 1 KiB, 64 a commit, µs', (parts) => store(parts, 1_024, exports * 2, 64));
await compare('store, 64 KiB, 16 a commit, µs', (parts) => store(parts, 65_536, exports / 10, 16));
await compare('store, 1 MiB, 4 a commit, µs', (parts) => store(parts, 1_048_576, exports / 100, 4));
