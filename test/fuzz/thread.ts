/** Runs a campaign in a thread of its own: what hangs or eats memory there is ended by whoever watches. */
import { parentPort, workerData } from 'node:worker_threads';
import { openTarget, type Plan, runCampaign } from './campaign.ts';

/** What the watcher hands over. */
export interface ThreadData {
  readonly plan: Plan;
  /** The number of the input that is being tried, and whether to end: see `watched.ts`. */
  readonly shared: SharedArrayBuffer;
}

const { plan, shared } = workerData as ThreadData;
const cells = new Int32Array(shared);
const target = await openTarget(plan.target);
const summary = await runCampaign(target, plan, {
  began: (at) => Atomics.store(cells, 0, at),
  isOver: () => Atomics.load(cells, 1) === 1,
});
await target.close?.();
parentPort?.postMessage(summary);
