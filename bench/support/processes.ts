import { type ChildProcess, execFileSync, fork, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Of the system's clock for processes, which /proc tells in. */
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK']));
/** How long a process may take to end by itself before it is killed, in milliseconds. */
const END_MS_MAX = 10_000;

/** What /proc says of a process, the ones that it started included. */
export interface Usage {
  /** CPU time so far, in seconds. */
  readonly cpuSeconds: number;
  /** Memory now and at its peak, in bytes. What processes share counts for each of them. */
  readonly memoryBytes: number;
  readonly peakBytes: number;
}

export const NO_USAGE: Usage = { cpuSeconds: 0, memoryBytes: 0, peakBytes: 0 };

export function addUsage(usages: readonly Usage[]): Usage {
  return usages.reduce(
    (sum, usage) => ({
      cpuSeconds: sum.cpuSeconds + usage.cpuSeconds,
      memoryBytes: sum.memoryBytes + usage.memoryBytes,
      peakBytes: sum.peakBytes + usage.peakBytes,
    }),
    NO_USAGE,
  );
}

/** A process that a bench started. Disposing it ends it, first in peace. */
export class BenchProcess implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #name: string;
  readonly #ended: Promise<unknown>;
  /** The last of what it said on stderr. */
  #complaint = '';

  private constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.child = child;
    this.#ended = once(child, 'exit');
    this.#ended.catch(() => {});
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-2_000);
    });
  }

  /** Starts a program that is not of Node, or that tells on stdout when it is ready. */
  static spawn(name: string, command: string, args: readonly string[], options: SpawnOptions = {}) {
    return new BenchProcess(name, spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options }));
  }

  /** Starts a module of ours; it talks by messages. `options` is its one argument, as JSON. */
  static fork(name: string, module: URL, options: object = {}, execArgv: readonly string[] = []) {
    const child = fork(module, [JSON.stringify(options)], {
      execArgv: [...execArgv],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    return new BenchProcess(name, child);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`${this.#name} did not start.`);
    return this.child.pid;
  }

  /** The next message of a forked process. */
  async message<T>(): Promise<T> {
    const [message] = await this.#unlessEnded(once(this.child, 'message'));
    return message as T;
  }

  ask<T>(question: object): Promise<T> {
    const answer = this.message<T>();
    this.child.send(question);
    return answer;
  }

  /** The first line on stdout or stderr that `pattern` matches. */
  async line(pattern: RegExp, from: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
    const lines = createInterface({ input: this.child[from] as NodeJS.ReadableStream });
    const found = Promise.withResolvers<[string]>();
    lines.on('line', (line) => {
      if (pattern.test(line)) found.resolve([line]);
    });
    const [line] = await this.#unlessEnded(found.promise);
    return line;
  }

  usage(): Usage {
    return addUsage(familyOf(this.pid).map(usageOf));
  }

  /** Its own process id and those of the processes that it started. */
  pids(): number[] {
    return familyOf(this.pid);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      const timer = setTimeout(() => this.child.kill('SIGKILL'), END_MS_MAX);
      await this.#ended;
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #unlessEnded<T>(promise: Promise<T>): Promise<T> {
    const ended = this.#ended.then((): never => {
      const { exitCode, signalCode } = this.child;
      throw new Error(`${this.#name} ended with ${exitCode ?? signalCode}: ${this.#complaint}`);
    });
    ended.catch(() => {});
    return await Promise.race([promise, ended]);
  }
}

function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}

function childrenOf(pid: number): number[] {
  if (!existsSync(`/proc/${pid}/task`)) return [];
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
  );
}

/** Children that have ended are in their parent's numbers. */
function usageOf(pid: number): Usage {
  const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? [];
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  const status = read(`/proc/${pid}/status`);
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return {
    cpuSeconds: ticks / TICKS_PER_SECOND,
    memoryBytes: kilobytes('VmRSS') * 1_024,
    peakBytes: kilobytes('VmHWM') * 1_024,
  };
}

/** Empty when the process has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
