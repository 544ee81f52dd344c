import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { pidOfService, processFigures } from '../soak/figures.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';
import { startValve } from './load-valve.ts';
import { LOOK_EVERY_MS, until } from './until.ts';

const POLLS = 5_000;
/** A machine with other work takes minutes for it. */
const PATIENCE_MS = 300_000;
/** Exports to wait for: each has one poll. A batch holds a thousand. */
const LANES = 5;
const PER_LANE = POLLS / LANES;
/** Of the polls that are open, so many hang up, and others take their seats. */
const ABANDONED = 100;
/** Files a process needs besides its polls' sockets. */
const OTHER_FILES = 500;
const KIB = 1_024;
const MIB = 1_024 ** 2;

interface Answer {
  readonly status: number;
  readonly json: { readonly state?: string; readonly code?: string };
  readonly retryAfter: string | undefined;
}

/** Node raises the limit of open files as far as it may, here and in the service. */
function assertFilesSuffice(): void {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  const needed = POLLS + OTHER_FILES;
  assert.ok(max >= needed, `this test needs ${needed} open files, and the limit is ${max}: raise ulimit -Hn`);
}

it(`${POLLS} open long polls are answered when their exports end, and one more is refused`, {
  timeout: PATIENCE_MS,
}, async () => {
  assertFilesSuffice();
  await using service = await ServiceProcess.start([
    ...['--waiting-max', String(POLLS), '--attempt-timeout', '10m', '--log-level', 'error'],
  ]);
  await using valve = await startValve();
  const pid = pidOfService(service.dataDir);
  const agent = new Agent({ pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

  const ask = async (
    destination: string,
    id: string,
    seconds: number,
    signal?: AbortSignal,
  ): Promise<Answer> => {
    const { statusCode, headers, body } = await agent.request({
      ...{ origin: service.url, path: '/export', method: 'POST' },
      headers: { 'x-api-key': tokenFor({ destination }), prefer: `wait=${seconds}` },
      body: JSON.stringify({ id }),
      ...(signal === undefined ? {} : { signal }),
    });
    const retryAfter = headers['retry-after'];
    return {
      status: statusCode,
      json: (await body.json()) as Answer['json'],
      retryAfter: retryAfter?.toString(),
    };
  };

  /**
   * As `ask`, and again for as long as the seats are taken, or when one is needed for another app: by those who look whether
   * they are.
   */
  const askUntilSeated = async (destination: string, id: string, signal: AbortSignal): Promise<Answer> => {
    for (;;) {
      const answer = await ask(destination, id, 300, signal);
      if (answer.status !== 429 && answer.json.state === 'Finished') return answer;
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  };

  const exports: { readonly destination: string; readonly id: string }[] = [];
  for (let lane = 0; lane < LANES; lane += 1) {
    const destination = `${valve.destination.url}/${lane}`;
    const batch = Array.from({ length: PER_LANE }, (_, data) => ({ destination, data }));
    const submitted = await clientFor(service.url, destination).submitMany(batch);
    exports.push(...submitted.map(({ id }) => ({ destination, id })));
  }
  await valve.destination.arrived(LANES);
  const before = processFigures(pid);

  const [first] = exports;
  assert.ok(first);
  const quitting = new AbortController();
  const staying = new AbortController();
  const polls = exports.map(({ destination, id }, n) =>
    askUntilSeated(destination, id, (n < ABANDONED ? quitting : staying).signal),
  );
  const outcomes = Promise.allSettled(polls);
  await until('all seats are taken', async () => (await ask(first.destination, first.id, 1)).status === 429);

  // At the edge: the next one is refused, in words that help, as often as it asks.
  const refused = await ask(first.destination, first.id, 60);
  assert.deepEqual([refused.status, refused.json.code], [429, 'too_many_waiting']);
  assert.ok(Number(refused.retryAfter) > 0);
  const full = processFigures(pid);
  assert.ok(full.sockets - before.sockets >= POLLS, `${full.sockets} sockets`);

  // Other requests are answered meanwhile: what does not wait, and a whole export in another lane.
  await using good = await nasty.answers();
  const other = clientFor(service.url, good.url);
  const { id } = await other.submit({ destination: good.url, data: 'meanwhile' });
  await good.arrived(1);
  await until('the other export ends', async () => (await other.get(id)).state === 'Finished');
  assert.equal(
    (await agent.request({ origin: service.url, path: '/status', method: 'GET' })).statusCode,
    200,
  );
  assert.equal((await ask(good.url, id, 60)).json.state, 'Finished', 'what has ended needs no seat');

  // Who hangs up gives the seat back.
  quitting.abort();
  const late = exports
    .slice(0, ABANDONED)
    .map(({ destination, id }) => askUntilSeated(destination, id, staying.signal));
  const lateOutcomes = Promise.allSettled(late);
  await until(
    'the seats are taken again',
    async () => (await ask(first.destination, first.id, 1)).status === 429,
  );

  valve.open();
  const answered = [...(await outcomes).slice(ABANDONED), ...(await lateOutcomes)];
  assert.equal(answered.length, POLLS);
  for (const outcome of answered) {
    assert.ok(outcome.status === 'fulfilled', String(outcome.status === 'rejected' && outcome.reason));
    assert.deepEqual([outcome.value.status, outcome.value.json.state], [200, 'Finished']);
  }
  assert.equal(valve.destination.received.length, POLLS);

  await agent.destroy();
  await until('all handles are closed', () => processFigures(pid).handles <= before.handles);
  const after = processFigures(pid);
  const perPoll = (full.rssBytes - before.rssBytes) / POLLS / KIB;
  console.log(
    `${POLLS} long polls: ${perPoll.toFixed(1)} KiB each; memory ${mib(before.rssBytes)} before, ` +
      `${mib(full.rssBytes)} with all of them, ${mib(after.rssBytes)} after; ` +
      `handles ${before.handles}, ${full.handles}, ${after.handles}`,
  );
  assert.ok(perPoll < 64, 'a poll costs a socket and a timer, not more');
});

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}
