/** Runs a campaign in a thread of its own: what hangs or eats memory there is ended by whoever watches. */
import { parentPort, workerData } from 'node:worker_threads';
import { openTarget, type Plan, runCampaign } from './campaign.ts';

/** What the watcher hands over. */
export interface ThreadData {
  readonly plan: Plan;
  readonly seconds: number;
  /** The number of the input that is being tried, for whoever watches. */
  readonly shared: SharedArrayBuffer;
}

const { plan, seconds, shared } = workerData as ThreadData;
const cells = new Int32Array(shared);
const target = await openTarget(plan.target);
const endsAt = performance.now() + seconds * 1_000;
const summary = await runCampaign(target, plan, {
  began: (at) => Atomics.store(cells, 0, at),
  isOver: () => performance.now() > endsAt,
});
await target.close?.();
parentPort?.postMessage(summary);
