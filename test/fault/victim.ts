import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { TEST_FLAGS } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { type KillOrder, LAST_WORDS, ORDER_VARIABLE, type Step } from './steps.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/export-service.js', import.meta.url));
/** Compiled code of earlier lives: a start takes a third less. It changes nothing of what runs. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/fault', import.meta.url));
const PRELOAD = new URL('./kill-at.ts', import.meta.url).href;

/** How a life ended. */
export interface End {
  /** The step at which it killed itself, or for which it was killed; null when no signal ended it. */
  readonly step: Step | null;
  readonly code: number | null;
  readonly output: string;
}

/** One process of the service, from its start to its death. */
export interface Life {
  /** Whether it got as far as accepting connections. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<End>;
  kill(step: Step): void;
  stop(): void;
}

/** A service that is killed and started again, on the same data and the same port. */
export class Victim implements AsyncDisposable {
  readonly #directory = new TemporaryDirectory();
  readonly #flags: readonly string[];
  #port = 0;
  #life: Life | null = null;

  constructor(flags: readonly string[]) {
    this.#flags = flags;
  }

  /** Known once a life has been ready. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get dataDir(): string {
    return this.#directory.path;
  }

  get storePath(): string {
    return join(this.dataDir, 'exports.db');
  }

  /** Starts it, to live on or to die by `order`. Without one nothing is preloaded: it is the service as it ships. */
  start(order: KillOrder | null, flags: readonly string[] = []): Life {
    const preload = order === null ? [] : ['--import', PRELOAD];
    const serve = ['serve', '--port', String(this.#port), '--data-dir', this.dataDir, '--log-level', 'error'];
    const child = spawn(
      process.execPath,
      [...preload, LAUNCHER, ...serve, ...TEST_FLAGS, ...this.#flags, ...flags],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment(order),
      },
    );
    let output = '';
    let killedFor: Step | null = null;
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const ended = once(child, 'close').then(([code, signal]): End => {
      const said = output.includes(LAST_WORDS);
      return {
        step: signal === 'SIGKILL' ? (killedFor ?? (said && order ? order.step : null)) : null,
        code,
        output,
      };
    });
    const lines = createInterface({ input: child.stdout });
    const ready = Promise.race([once(lines, 'line'), ended.then(() => null)]).then((line) => {
      if (line === null) return false;
      this.#port = Number(new URL(/http:\S+/.exec(String(line))?.[0] ?? '').port);
      return true;
    });
    this.#life = {
      ready,
      ended,
      kill(step) {
        killedFor = step;
        child.kill('SIGKILL');
      },
      stop: () => child.kill('SIGTERM'),
    };
    return this.#life;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life?.kill('random');
    await this.#life?.ended;
    this.#directory[Symbol.dispose]();
  }
}

function environment(order: KillOrder | null): NodeJS.ProcessEnv {
  const base = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };
  return order === null ? base : { ...base, [ORDER_VARIABLE]: JSON.stringify(order) };
}
