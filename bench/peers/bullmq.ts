/**
 * Fastify with BullMQ. Its documentation recommends a concurrency of 100 to 300 for work that waits for others, and to remove
 * what has ended; that is the fastest too. `add` for one, `addBulk` for many.
 */
import { Queue, Worker } from 'bullmq';
import { CONCURRENCY, countFinished, deliver, options, type PeerExport, serve } from './peer.ts';

const connection = { host: '127.0.0.1', port: options.redisPort, maxRetriesPerRequest: null };
const kept = { removeOnComplete: { count: 1_000 }, removeOnFail: { count: 1_000 } };
const queue = new Queue<PeerExport>('exports', { connection, defaultJobOptions: { attempts: 9, ...kept } });
if (options.delivers) {
  const worker = new Worker<PeerExport>('exports', ({ data }) => deliver(data), {
    connection,
    concurrency: CONCURRENCY,
  });
  worker.on('completed', () => countFinished());
  worker.on('failed', (_job, error) => {
    throw error;
  });
}

await serve(async (exports) => {
  const [first] = exports;
  if (exports.length === 1 && first !== undefined) return [(await queue.add('export', first)).id ?? ''];
  const jobs = await queue.addBulk(exports.map((data) => ({ name: 'export', data })));
  return jobs.map(({ id }) => id ?? '');
});
