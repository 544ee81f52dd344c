import { BenchProcess } from './processes.ts';

/** What the load process is asked to do. */
export interface Load {
  /** `run`: requests one after the other on each connection. `hold`: `count` requests that stay open. */
  readonly kind: 'run' | 'hold';
  /** The contender's address. */
  readonly url: string;
  readonly path: string;
  /** Where exports go; the number of the lane is appended. */
  readonly destination: string;
  readonly connections: number;
  readonly lanes: number;
  /** Exports in a request; 1 for no array. */
  readonly batch: number;
  /** Requests at most. */
  readonly count: number;
  /** How long at most; 0 for until all are done. */
  readonly seconds: number;
  /** Whether each export is waited for to its end. */
  readonly wait: boolean;
  /** When above 0, so many exports are made first, and then asked for in turns. */
  readonly polls: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** From the request to its answer. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const LOAD_DEFAULT = {
  kind: 'run',
  path: '/export',
  connections: 64,
  lanes: 1_000,
  batch: 1,
  count: Number.MAX_SAFE_INTEGER,
  seconds: 0,
  wait: false,
  polls: 0,
} as const satisfies Partial<Load>;

/** Whoever sends the exports: a process of its own. */
export class LoadGenerator implements AsyncDisposable {
  readonly process: BenchProcess;

  private constructor(process: BenchProcess) {
    this.process = process;
  }

  static async start(): Promise<LoadGenerator> {
    const process = BenchProcess.fork('The load generator', new URL('./load-process.ts', import.meta.url));
    await process.message();
    return new LoadGenerator(process);
  }

  run(load: Partial<Load> & Pick<Load, 'url' | 'destination'>): Promise<LoadResult> {
    return this.process.ask({ ...LOAD_DEFAULT, ...load } satisfies Load);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}
