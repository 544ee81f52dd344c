import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ExportClient, type ExportClientOptions } from '../../client/index.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { firstLineOf } from './first-line.ts';
import { TemporaryDirectory } from './temporary-store.ts';

export const ROOT_KEY = 'a-root-key-for-tests-4c1b8f';
export const LAUNCHER = fileURLToPath(new URL('../../bin/export-service.js', import.meta.url));

/** What a service under test needs: plain HTTP to this machine is open, and the tests know the root key. */
const OPEN_FLAGS = ['--allow-http', '--allow-network', '127.0.0.0/8'];
export const TEST_FLAGS = [...OPEN_FLAGS, '--secret', ROOT_KEY];

export interface TokenFields {
  readonly destination?: string;
  readonly path?: string;
  readonly method?: string;
  readonly target?: string;
  readonly client?: string;
  readonly rootKey?: string;
  readonly more?: readonly string[];
}

/** A token as the box's arbiter would mint it; every caveat can be made wrong. */
export function tokenFor(fields: TokenFields = {}): string {
  const { path = '*', method = 'POST', target = 'export-service', destination, more = [] } = fields;
  const caveats = [`path = ${path}`, `method = ${method}`, `target = ${target}`];
  if (destination !== undefined) caveats.push(`destination = ${destination}`);
  const macaroon = mint({
    rootKey: Buffer.from(fields.rootKey ?? ROOT_KEY),
    identifier: fields.client ?? '',
    caveats: [...caveats, ...more],
  });
  return encode(macaroon, 'v1');
}

/** A client that may export to `destination`. */
export function clientFor(
  url: string,
  destination: string,
  options: Partial<ExportClientOptions> = {},
): ExportClient {
  return new ExportClient({ url, token: tokenFor({ destination }), ...options });
}

/**
 * The service as a process of its own, as it runs on a box; to be stopped, killed and started again on the same data.
 */
export class ServiceProcess implements AsyncDisposable {
  readonly #directory = new TemporaryDirectory();
  readonly #flags: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #process: ChildProcess | null = null;
  #port = 0;
  #url = '';
  /** Everything that all its runs wrote to stdout and to stderr. */
  readonly written = { stdout: '', stderr: '' };

  private constructor(flags: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#flags = flags;
    this.#env = env;
  }

  /**
   * @param baseFlags what every start has; {@link TEST_FLAGS} unless the test is about those
   * @param env beside our own environment
   */
  static async start(
    flags: readonly string[] = [],
    baseFlags: readonly string[] = TEST_FLAGS,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ServiceProcess> {
    const service = new ServiceProcess([...baseFlags, ...flags], env);
    await service.start();
    return service;
  }

  /** One that has no root key but what the flags bring. */
  static async startKeyless(flags: readonly string[]): Promise<ServiceProcess> {
    const service = new ServiceProcess([...OPEN_FLAGS, ...flags]);
    await service.start();
    return service;
  }

  get url(): string {
    return this.#url;
  }

  get dataDir(): string {
    return this.#directory.path;
  }

  /** Starts it, on the port it had before; resolves when it is ready to accept. */
  async start(): Promise<void> {
    const child = this.spawn();
    this.#process = child;
    const line = await firstLineOf(child, () => this.written.stderr);
    this.#url = /https?:\S+/.exec(line)?.[0] ?? '';
    this.#port = Number(new URL(this.#url).port);
  }

  /** Resolves when something like this has been logged. */
  async logged(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.written.stderr))
      await once(this.#process?.stderr as NodeJS.ReadableStream, 'data');
  }

  /** Another process on the same data. */
  spawn(): ChildProcess {
    const flags = ['serve', '--port', String(this.#port), '--data-dir', this.dataDir, ...this.#flags];
    const child = spawn(process.execPath, [LAUNCHER, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...this.#env },
    });
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.written[name] += text;
      });
    }
    return child;
  }

  /** Of the process that runs now. */
  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Ends it by a signal and resolves with its exit code; null when the signal ended it. */
  async end(signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): Promise<number | null> {
    const child = this.#process;
    if (child === null || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    const exited = once(child, 'exit');
    child.kill(signal);
    return ((await exited) as [number | null])[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    this.#directory[Symbol.dispose]();
  }
}
