/**
 * Fastify with pg-boss: workers that are woken by NOTIFY, take a batch, and go on at once while batches come full, several
 * side by side. `insert` for many.
 */
import { PgBoss } from 'pg-boss';
import { CONCURRENCY, countFinished, deliver, options, type PeerExport, serve } from './peer.ts';

const QUEUE = 'exports';
const WORKERS = 4;

const boss = new PgBoss({ connectionString: options.postgresUrl, max: 20, useListenNotify: true });
boss.on('error', (error) => {
  throw error;
});
await boss.start();
await boss.createQueue(QUEUE, { retryLimit: 8, notify: true });
if (options.delivers) {
  const work = {
    localConcurrency: WORKERS,
    batchSize: CONCURRENCY / WORKERS,
    burstWhenBatchFull: true,
    pollingIntervalSeconds: 0.5,
    notifyPollingIntervalSeconds: 0.5,
  };
  await boss.work<PeerExport>(QUEUE, work, async (jobs) => {
    const answers = await Promise.all(jobs.map(({ data }) => deliver(data)));
    setImmediate(() => countFinished(jobs.length));
    return answers;
  });
}

await serve(async (exports) => {
  const [first] = exports;
  if (exports.length === 1 && first !== undefined) return [(await boss.send(QUEUE, first)) ?? ''];
  const ids = await boss.insert(
    QUEUE,
    exports.map((data) => ({ data })),
  );
  return ids ?? exports.map(() => '');
});
