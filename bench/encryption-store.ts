/**
 * A part of bench/encryption.ts: exports that go through a store's writer, in commits of some size. Prints what each took
 * in CPU time and in time, in microseconds, without the flushes of the disk (`synchronous = OFF`).
 */
import { DatabaseSync } from 'node:sqlite';
import type { ClaimedJob } from '../src/export/job-store.ts';
import type { Operation, Results } from '../src/store/sqlite/operations.ts';
import { LIMITS, settleWith, WriterBench } from '../test/support/writer-bench.ts';

const [bytes = 1_024, count = 20_000, batch = 64] = process.argv.slice(2).map(Number);

const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  exec.call(this, sql.replace('synchronous = FULL', 'synchronous = OFF'));
};

using bench = new WriterBench();
/** The exports of one commit end in the next one, as in a service under load. */
let sent: readonly ClaimedJob[] = [];

function run(exports: number): void {
  for (let done = 0; done < exports; done += batch) {
    const jobs = Array.from({ length: batch }, () => ({
      ...bench.newJob(bytes),
      claimUntil: Number.MAX_SAFE_INTEGER,
    }));
    const lanes = jobs.map((job, n) => ({
      ...job,
      lane: { client: '', destination: `https://${n}.example/` },
    }));
    const inserts = lanes.map((job) => ({ kind: 'insert', jobs: [job], limits: LIMITS }) as const);
    const operations = [...sent.map((job) => settleWith(job, '{"stored":true}')), ...inserts];
    const results = runAll(operations);
    sent = results.flatMap((result) =>
      typeof result === 'object' && result !== null && 'kind' in result && result.kind === 'inserted'
        ? result.jobs.flatMap(({ claimed }) => claimed ?? [])
        : [],
    );
  }
}

/** What is left for another transaction is asked for again, as the writer's client does. */
function runAll(operations: readonly Operation[]): Results[Operation['kind']][] {
  const results: Results[Operation['kind']][] = [];
  while (results.length < operations.length)
    results.push(...bench.writer.run(operations.slice(results.length)).results);
  return results;
}

run(count / 10);
const startedAt = performance.now();
const cpu = process.threadCpuUsage();
run(count);
const { user, system } = process.threadCpuUsage(cpu);
const ms = performance.now() - startedAt;
process.stdout.write(`${JSON.stringify({ cpu: (user + system) / count, time: (ms * 1_000) / count })}\n`);
