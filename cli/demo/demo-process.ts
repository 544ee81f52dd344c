import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Env } from '../../src/config.ts';

/** Something went wrong that a person can do something about; the message says what. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

/** Another run of this Node. */
export interface Script {
  /** What people call it. */
  readonly name: string;
  /** The script's path and its arguments. */
  readonly args: readonly string[];
  readonly env: Env;
}

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 5_000;
const LOG_LINES_MAX = 40;

/**
 * A process that tells its address on stdout once it is ready. Ending it (`await using`) asks it to stop, and kills it
 * when it has not after five seconds; should this process end without that, the child is killed.
 */
export class DemoProcess implements AsyncDisposable {
  readonly name: string;
  /** Resolves when the process and its output have ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #address = Promise.withResolvers<string>();
  readonly #log: string[] = [];
  #url = '';

  /**
   * Starts a process and waits for its address.
   *
   * @throws DemoError with the end of its log, when it ends before or takes longer than a minute
   * @throws the signal's reason when it aborts; in every case no process is left behind
   */
  static async start(script: Script, signal: AbortSignal): Promise<DemoProcess> {
    signal.throwIfAborted();
    const started = new DemoProcess(script);
    try {
      started.#url = await started.#waitForAddress(signal);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor({ name, args, env }: Script) {
    this.name = name;
    // Standard input stays open as long as we live: a child may take its end for ours.
    this.#child = spawn(process.execPath, args, { env, stdio: 'pipe' });
    process.on('exit', this.#kill);
    this.ended = this.#waitForEnd();
    this.#readLines(this.#child.stdout, (line) => {
      const url = /(?:https?|tcp):\/\/[^\s"]+/.exec(line)?.[0];
      if (url !== undefined) this.#address.resolve(url);
    });
    this.#readLines(this.#child.stderr);
  }

  /** The address it told, without a slash at the end. */
  get url(): string {
    return this.#url.replace(/\/$/, '');
  }

  /** The last lines it wrote. */
  get logTail(): string {
    return this.#log.length === 0 ? '  (it wrote nothing)' : this.#log.map((line) => `  ${line}`).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const killTimer = setTimeout(this.#kill, STOP_MS_MAX);
    this.#child.kill('SIGTERM');
    await this.ended;
    clearTimeout(killTimer);
    process.off('exit', this.#kill);
  }

  readonly #kill = (): void => {
    this.#child.kill('SIGKILL');
  };

  #waitForEnd(): Promise<void> {
    return new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', (error) => {
        this.#keep(error.message);
        if (this.#child.pid === undefined) resolve();
      });
    });
  }

  async #waitForAddress(signal: AbortSignal): Promise<string> {
    const { promise: gaveUp, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(signal.reason);
    const fail = (what: string): void => reject(new DemoError(`The ${this.name} ${what}:\n${this.logTail}`));
    const timer = setTimeout(
      () => fail(`did not start within ${START_MS_MAX / 1_000} seconds`),
      START_MS_MAX,
    );
    signal.addEventListener('abort', abort);
    this.ended.then(() => fail('ended before it was ready'));
    try {
      return await Promise.race([this.#address.promise, gaveUp]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  #readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void = () => {}): void {
    if (stream === null) return;
    createInterface({ input: stream }).on('line', (line) => {
      this.#keep(line);
      onLine(line);
    });
  }

  #keep(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES_MAX) this.#log.shift();
  }
}
