/**
 * Fastify with graphile-worker, set as its page on performance says: a local queue, completions in batches. `addJobs` for
 * many.
 */
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { CONCURRENCY, countFinished, deliver, options, type PeerExport, serve } from './peer.ts';

const logger = new Logger(() => (level, message) => {
  if (level === 'error') console.error(message);
});
const pgPool = new pg.Pool({ connectionString: options.postgresUrl, max: 25 });
const utils = await makeWorkerUtils({ pgPool, logger });
await utils.migrate();
if (options.delivers) {
  const runner = await run({
    pgPool,
    logger,
    noHandleSignals: true,
    taskList: {
      export: async (payload) => {
        await deliver(payload as PeerExport);
      },
    },
    preset: {
      worker: {
        concurrentJobs: CONCURRENCY,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  runner.events.on('job:complete', () => countFinished());
}

await serve(async (exports) => {
  const [first] = exports;
  if (exports.length === 1 && first !== undefined) return [(await utils.addJob('export', first)).id];
  const jobs = await utils.addJobs(exports.map((payload) => ({ identifier: 'export', payload })));
  return jobs.map(({ id }) => id);
});
