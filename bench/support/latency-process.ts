/**
 * A part of the benches: one export at a time, at low load. It sends and is the destination at once, so that one clock
 * tells when an export arrives.
 */
import { once } from 'node:events';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { tokenFor } from '../../test/support/service.ts';
import { DATA, Poster } from './poster.ts';
import { quantile } from './statistics.ts';

export interface LatencyOrder {
  readonly url: string;
  readonly count: number;
  /** Whether to ask for the result with `Prefer: wait`. */
  readonly wait: boolean;
}

/** Between two exports: low load. */
const PAUSE_MS = 3;
const ANSWER = '{"stored":true}';

let arrivedAt = 0;
let onArrival: () => void = () => {};
const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume().on('end', () => {
    arrivedAt = performance.now();
    onArrival();
    response.writeHead(200, { 'content-length': ANSWER.length }).end(ANSWER);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const destination = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`;

async function measure({ url, count, wait }: LatencyOrder): Promise<Record<string, number>> {
  const poster = new Poster(url);
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'x-api-key': tokenFor({ destination }),
    ...(wait ? { prefer: 'wait=60' } : {}),
  };
  const body = JSON.stringify({ uri: destination, data: DATA });
  const [accepts, arrivals]: [number[], number[]] = [[], []];
  // Those at the beginning are not counted: code that runs for the first time is slow.
  for (let n = -Math.floor(count / 3); n < count; n += 1) {
    const arrival = new Promise<void>((resolve) => {
      onArrival = resolve;
    });
    const sentAt = performance.now();
    await poster.post('/export', headers, body);
    const answeredAt = performance.now();
    await arrival;
    if (n >= 0) {
      accepts.push(answeredAt - sentAt);
      arrivals.push(arrivedAt - sentAt);
    }
    await setTimeout(PAUSE_MS);
  }
  await poster.close();
  const told = wait ? 'result' : 'accept';
  return {
    [`${told} p50 ms`]: quantile(accepts, 0.5),
    [`${told} p99 ms`]: quantile(accepts, 0.99),
    'arrival p50 ms': quantile(arrivals, 0.5),
    'arrival p99 ms': quantile(arrivals, 0.99),
  };
}

/** Two bare POSTs of the payload to `url` and two flushes of 2 KiB, one after the other: what a trip cannot do without. */
async function measureBare({ url, count }: LatencyOrder): Promise<Record<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-latency-'));
  const file = openSync(join(directory, 'log'), 'a');
  const bytes = Buffer.alloc(2_048, 'x');
  const poster = new Poster(url);
  const headers = { 'content-type': 'application/json' };
  const times: number[] = [];
  for (let n = -Math.floor(count / 3); n < count; n += 1) {
    const startedAt = performance.now();
    for (let half = 0; half < 2; half += 1) {
      await poster.post('/export', headers, DATA);
      writeSync(file, bytes);
      fdatasyncSync(file);
    }
    if (n >= 0) times.push(performance.now() - startedAt);
    await setTimeout(PAUSE_MS);
  }
  await poster.close();
  closeSync(file);
  rmSync(directory, { recursive: true });
  return { 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99) };
}

process.on('message', async (order: LatencyOrder & { readonly isBare: boolean }) => {
  process.send?.(order.isBare ? await measureBare(order) : await measure(order));
});
process.on('disconnect', () => process.exit(0));
process.send?.({});
