import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { FinishedExport } from '../../client/index.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import { clientFor, ServiceProcess } from '../support/service.ts';

const EXPORTS = 1_000;
const LANES = 10;
const SUBMITTERS = 32;
/** How many have arrived when the service is killed. */
const KILL_AT = 300;

it('of 1,000 accepted exports each arrives at least once, though the service is killed in the middle', async () => {
  await using service = await ServiceProcess.start(['--retry-base', '100ms']);
  await using destination = await startDestination({
    onRequest: (socket) => socket.write(answerText('200 OK', 'thanks')),
  });
  const urls = Array.from({ length: LANES }, (_, n) => `${destination.url}/${n}`);
  const clients = urls.map((url) =>
    clientFor(service.url, url, { repeat: { triesMax: 50, backoffMs: () => 100 } }),
  );

  const killed = destination.arrived(KILL_AT).then(async () => {
    await service.end('SIGKILL');
    await service.start();
  });

  const accepted: string[] = [];
  const numbers = Array.from({ length: EXPORTS }, (_, n) => n).values();
  const submitter = async (): Promise<void> => {
    for (const n of numbers) {
      const lane = n % LANES;
      const status = await clients[lane]?.submit({ destination: urls[lane] ?? '', data: { n } });
      accepted[n] = status?.id ?? '';
    }
  };
  await Promise.all([killed, ...Array.from({ length: SUBMITTERS }, submitter)]);

  const results: FinishedExport[] = [];
  for (const [n, id] of accepted.entries()) {
    results.push(await (clients[n % LANES] as (typeof clients)[number]).wait(id, { timeoutMs: 60_000 }));
  }
  assert.ok(results.every((result) => result.answer.status === 200));

  const arrivals = new Map<string, number>();
  for (const { headers, body } of destination.received) {
    const id = headers['webhook-id'] ?? '';
    arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
    assert.equal(
      accepted[JSON.parse(body.toString()).n],
      id,
      'an export arrives under the id it was accepted with',
    );
  }
  assert.equal(new Set(accepted).size, EXPORTS, 'no lost answer queued an export twice');
  assert.deepEqual(
    accepted.filter((id) => !arrivals.has(id)),
    [],
    'lost',
  );
  const repeated = [...arrivals.values()].filter((count) => count > 1).length;
  assert.ok(repeated <= LANES, `only what was in flight at the kill arrives twice: ${repeated} did`);
});
