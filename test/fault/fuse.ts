import { Worker } from 'node:worker_threads';

/** Memory that a thread shares with its killer. */
export interface Fuse {
  readonly ready: Int32Array<SharedArrayBuffer>;
  readonly burning: Int32Array<SharedArrayBuffer>;
  /** Milliseconds of {@link now}. */
  readonly endsAt: Float64Array<SharedArrayBuffer>;
}

export const NOT_BURNING = 0;
const BURNING = 1;

/** One clock for all threads of a process. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export function isBurning(fuse: Fuse): boolean {
  return Atomics.load(fuse.burning, 0) === BURNING;
}

/** Starts the killer of this process; resolves when it stands ready. */
export function layFuse(): Fuse {
  const fuse: Fuse = {
    ready: new Int32Array(new SharedArrayBuffer(4)),
    burning: new Int32Array(new SharedArrayBuffer(4)),
    endsAt: new Float64Array(new SharedArrayBuffer(8)),
  };
  // Without the preload that this process was started with: it would lay a fuse of its own.
  const killer = new Worker(new URL('./killer-thread.ts', import.meta.url), {
    workerData: fuse,
    execArgv: [],
  });
  killer.unref();
  Atomics.wait(fuse.ready, 0, 0);
  return fuse;
}

/** Runs `step` with a fuse that burns for `delayMs`; returns, if at all, how long it took. */
export function runWithFuse(fuse: Fuse, delayMs: number, step: () => void): number {
  const startedAt = now();
  fuse.endsAt[0] = startedAt + delayMs;
  Atomics.store(fuse.burning, 0, BURNING);
  Atomics.notify(fuse.burning, 0);
  step();
  Atomics.store(fuse.burning, 0, NOT_BURNING);
  return now() - startedAt;
}
