/** Load that would topple a naive server, while a well-behaved app goes on. What is asserted is that it does, not how fast. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { request } from 'undici';
import { pidOfService, processFigures } from '../soak/figures.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';
import type { HostileData, HostileReport } from './hostile-thread.ts';
import { until } from './until.ts';

const IDLE = 10_000;
const EXPORTS = 60;
/** Files a process needs besides the idle connections. */
const OTHER_FILES = 2_000;
const MIB = 1_024 ** 2;
/** The idle ones cost about 10 KiB each; uploads, answers and the heap's own slack are the rest. */
const GROWTH_BYTES_MAX = 512 * MIB;

function assertFilesSuffice(): void {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const max = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  const needed = IDLE + OTHER_FILES;
  assert.ok(max >= needed, `this test needs ${needed} open files, and the limit is ${max}: raise ulimit -Hn`);
}

async function nextReport(thread: Worker): Promise<HostileReport> {
  const failed = once(thread, 'error').then(([error]) => {
    throw error;
  });
  const [report] = (await Promise.race([once(thread, 'message'), failed])) as [HostileReport];
  return report;
}

it(`${IDLE} idle connections, slow senders, oversized headers, junk and forged tokens keep no app from its answers`, async () => {
  assertFilesSuffice();
  await using service = await ServiceProcess.start(['--log-level', 'warn']);
  await using destination = await nasty.answers();
  const pid = pidOfService(service.dataDir);
  const client = clientFor(service.url, destination.url);
  const before = processFigures(pid);

  const workerData: HostileData = {
    port: Number(new URL(service.url).port),
    idle: IDLE,
    token: tokenFor({ destination: 'https://slow.example/', path: '/export' }),
  };
  const hostile = new Worker(new URL('hostile-thread.ts', import.meta.url), { workerData });
  await nextReport(hostile);
  // The last few hundred may still be in the kernel's backlog.
  await until('all are connected', () => processFigures(pid).sockets - before.sockets >= IDLE);
  const idle = processFigures(pid);

  const latenciesMs: number[] = [];
  for (let n = 0; n < EXPORTS; n += 1) {
    const startedAt = performance.now();
    const { id } = await client.submit({ destination: destination.url, data: n });
    const { answer } = await client.wait(id, { timeoutMs: 60_000 });
    assert.equal(answer.status, 200);
    latenciesMs.push(performance.now() - startedAt);
  }
  assert.equal((await request(`${service.url}/readyz`)).statusCode, 200);
  const full = processFigures(pid);

  hostile.postMessage('stop');
  const { counts } = await nextReport(hostile);
  await hostile.terminate();
  console.log(
    `${EXPORTS} exports beside ${JSON.stringify(counts)}: median ${percentile(latenciesMs, 0.5)} ms, ` +
      `p99 ${percentile(latenciesMs, 0.99)} ms each; memory ${mib(before.rssBytes)} before, ` +
      `${mib(idle.rssBytes)} with the idle connections, ${mib(full.rssBytes)} with everything`,
  );
  assert.equal(Object.keys(counts).length, 7, 'every kind was there');
  assert.deepEqual(
    destination.received.map(({ body }) => Number(body.toString())),
    Array.from({ length: EXPORTS }, (_, n) => n),
  );
  assert.ok(full.rssBytes - before.rssBytes < GROWTH_BYTES_MAX, `${mib(full.rssBytes)}`);
  assert.doesNotMatch(service.written.stderr, /unexpected error/);
  assert.equal(await service.end('SIGTERM'), 0);
});

function percentile(values: readonly number[], part: number): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN).toFixed(0);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
