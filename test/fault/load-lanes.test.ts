/** Lanes under load: a long queue and many busy lanes. What is asserted is order, not time. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { request } from 'undici';
import { pidOfService, processFigures } from '../soak/figures.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';
import { startValve } from './load-valve.ts';

const BATCH = 1_000;
/** A machine with other work takes minutes for it. */
const PATIENCE_MS = 300_000;
const QUEUE = 100_000;
const MIB = 1_024 ** 2;

it(`a lane with ${QUEUE} waiting exports does not delay the only one of another`, {
  timeout: PATIENCE_MS,
}, async () => {
  await using service = await ServiceProcess.start([
    ...['--attempt-timeout', '10m', '--drain-max', '0s', '--log-level', 'error'],
    ...['--pending-max', String(QUEUE)],
  ]);
  let sentOfTheLongOne = 0;
  await using valve = await startValve(() => {
    sentOfTheLongOne += 1;
  });
  const long = valve.destination;
  await using short = await nasty.answers();
  const pid = pidOfService(service.dataDir);
  // A refusal is to be seen, and not waited out.
  const client = clientFor(service.url, long.url, { repeat: { triesMax: 1 } });
  const batch = Array.from({ length: BATCH }, (_, data) => ({ destination: long.url, data }));
  await client.submitMany(batch);
  const before = processFigures(pid);
  for (let sent = BATCH; sent < QUEUE; sent += BATCH) await client.submitMany(batch);
  const after = processFigures(pid);
  console.log(
    `${QUEUE} exports waiting: memory ${(before.rssBytes / MIB).toFixed(0)} MiB with ${BATCH}, ` +
      `${(after.rssBytes / MIB).toFixed(0)} MiB with all`,
  );

  // The lane is full to the letter, and that is no other lane's concern.
  await assert.rejects(client.submit({ destination: long.url, data: 1 }), { code: 'too_many_pending' });

  // While the long lane is stuck with its first export, another one's comes and goes.
  const other = clientFor(service.url, short.url);
  const { id } = await other.submit({ destination: short.url, data: 'only' });
  assert.equal((await other.wait(id, { timeoutMs: 60_000 })).answer.status, 200);
  assert.equal(sentOfTheLongOne, 1);

  // While it drains as fast as it can, too: what it sends meanwhile is next to nothing of its queue.
  valve.open();
  await long.arrived(50);
  const sentBefore = sentOfTheLongOne;
  const { id: next } = await other.submit({ destination: short.url, data: 'only' });
  await short.arrived(2);
  const sentMeanwhile = sentOfTheLongOne - sentBefore;
  console.log(
    `${sentMeanwhile} of the long lane's exports were sent between the other one's submission and arrival`,
  );
  assert.ok(sentMeanwhile < QUEUE / 100);
  assert.equal((await other.wait(next, { timeoutMs: 60_000 })).answer.status, 200);
});

it('of 500 busy lanes with 16 places no lane gets its next turn before every lane had this one', async () => {
  const lanes = 500;
  const rounds = 4;
  const places = 16;
  await using service = await ServiceProcess.start([
    ...['--concurrency', String(places), '--attempt-timeout', '10m', '--require-destination=false'],
    ...['--log-level', 'error'],
  ]);
  const turns = new Map<string, number>();
  const order: { readonly lane: string; readonly turn: number }[] = [];
  await using valve = await startValve(({ path }) => {
    const turn = (turns.get(path) ?? 0) + 1;
    turns.set(path, turn);
    order.push({ lane: path, turn });
  });
  const { destination } = valve;
  const urls = Array.from({ length: lanes }, (_, lane) => `${destination.url}/${lane}`);
  // The first of every lane before the second of any: then all lanes are busy before the first answer.
  for (let round = 0; round < rounds; round += 2) {
    const batch = [...urls, ...urls].map((uri) => ({ uri, data: round }));
    assert.equal((await post(service, batch)).status, 200);
  }
  await destination.arrived(places);
  valve.open();
  await destination.arrived(lanes * rounds);

  let furthestBehind = 0;
  const counts = new Map<string, number>(urls.map((url) => [new URL(url).pathname, 0]));
  for (const { lane, turn } of order) {
    counts.set(lane, turn);
    const behind = [...counts.values()].filter((count) => count < turn - 1).length;
    furthestBehind = Math.max(furthestBehind, behind);
  }
  console.log(`when a lane had its next turn, at most ${furthestBehind} of ${lanes} had not had this one`);
  // What is claimed at the same time may arrive in any order.
  assert.ok(furthestBehind <= places);
});

it('when every place is taken by a destination that hangs, a lane still gets its turn before any gets two', async () => {
  const places = 4;
  const hanging = 12;
  await using service = await ServiceProcess.start([
    ...['--concurrency', String(places), '--attempt-timeout', '300ms', '--retry-base', '1ms'],
    ...['--require-destination=false', '--log-level', 'error', '--drain-max', '0s'],
  ]);
  const order: string[] = [];
  await using destination = await startDestination({
    onRequest(socket, { path }) {
      order.push(path);
      if (path.endsWith('/good')) socket.write(answerText('200 OK'));
    },
  });
  const urls = Array.from({ length: hanging }, (_, lane) => `${destination.url}/${lane}`);
  const batch = [...urls, `${destination.url}/good`, ...urls].map((uri) => ({ uri, data: 1 }));
  assert.equal((await post(service, batch)).status, 200);
  await destination.arrived(2 * hanging);
  const turn = order.findIndex((path) => path.endsWith('/good'));
  const earlier = order.slice(0, turn);
  assert.ok(turn >= 0);
  assert.equal(new Set(earlier).size, earlier.length, `before its turn: ${earlier.join(' ')}`);
});

/** A batch for many lanes: with a token that names no destination. */
async function post(service: ServiceProcess, body: object): Promise<{ status: number }> {
  const { statusCode, body: answer } = await request(`${service.url}/export`, {
    method: 'POST',
    headers: { 'x-api-key': tokenFor() },
    body: JSON.stringify(body),
  });
  await answer.dump();
  return { status: statusCode };
}
