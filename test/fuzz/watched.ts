import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Finding, inputOf, openTarget, type Plan, type Summary } from './campaign.ts';
import type { ThreadData } from './thread.ts';

export interface Limits {
  readonly seconds: number;
  /** Of the thread's heap, in MiB; default 512. */
  readonly heapMbMax?: number;
  /** An input that does not come back within this time hangs; default 20,000. */
  readonly hangMs?: number;
}

const HEAP_MB_MAX_DEFAULT = 512;
const HANG_MS_DEFAULT = 20_000;
const LOOKS_PER_HANG = 20;
const NOT_BEGUN = -1;

/**
 * Runs a campaign for so long, in a thread that is watched: a crash, a hang and a full heap are findings like a broken
 * promise, with the input that was being tried.
 */
export async function watchedCampaign(plan: Plan, limits: Limits): Promise<Summary> {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const cells = new Int32Array(shared);
  cells[0] = NOT_BEGUN;
  const worker = new Worker(new URL('thread.ts', import.meta.url), {
    workerData: { plan, seconds: limits.seconds, shared } satisfies ThreadData,
    resourceLimits: { maxOldGenerationSizeMb: limits.heapMbMax ?? HEAP_MB_MAX_DEFAULT },
  });
  const hang = watchForHang(cells, limits.hangMs ?? HANG_MS_DEFAULT);
  try {
    return await Promise.race([summaryOf(worker), hang.promise]);
  } catch (error) {
    return await failed(plan, Math.max(plan.from, Atomics.load(cells, 0)), error);
  } finally {
    hang.stop();
    await worker.terminate();
  }
}

async function summaryOf(worker: Worker): Promise<Summary> {
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(`The thread ended with ${code}.`);
  });
  const [summary] = (await Promise.race([once(worker, 'message'), ended])) as [Summary];
  return summary;
}

function watchForHang(cells: Int32Array, hangMs: number): { readonly promise: Promise<never>; stop(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  let last = -1;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const at = Atomics.load(cells, 0);
    if (at !== last || at === NOT_BEGUN) {
      last = at;
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs > hangMs)
      reject(new Error(`It hangs: no answer in ${hangMs} ms.`));
  }, hangMs / LOOKS_PER_HANG);
  return { promise, stop: () => clearInterval(timer) };
}

/** The thread is gone and its tally with it, but the plan makes the input again. */
async function failed(plan: Plan, at: number, error: unknown): Promise<Summary> {
  const target = await openTarget(plan.target);
  const input = inputOf(target, plan, at);
  await target.close?.();
  const finding: Finding = {
    what: error instanceof Error ? (error.stack ?? error.message) : String(error),
    at,
    inputBase64: Buffer.from(input).toString('base64'),
  };
  return { inputs: at - plan.from + 1, tally: {}, finding };
}
