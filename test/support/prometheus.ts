import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { TemporaryDirectory } from './temporary-store.ts';
import { until } from './until.ts';

/** Where the files for Prometheus and Grafana are. */
export const PACKAGING = fileURLToPath(new URL('../../packaging', import.meta.url));
export const JOB = 'databox-export-service';

/** Why no test with it can run here; null when one can. */
export function whyNoPrometheus(): string | null {
  for (const program of ['prometheus', 'promtool']) {
    if (spawnSync(program, ['--version']).status !== 0)
      return `no ${program} on this machine (Debian: apt-get install prometheus)`;
  }
  return null;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'pending' | 'firing';
  readonly activeAt: string;
}

interface Asked<T> {
  readonly status: 'success' | 'error';
  readonly error?: string;
  readonly data: T;
}

/** A Prometheus of its own that scrapes one service and judges our alerts, several times a second. */
export class Prometheus implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #directory: TemporaryDirectory;

  private constructor(url: string, process: ChildProcess, directory: TemporaryDirectory) {
    this.url = url;
    this.#process = process;
    this.#directory = directory;
  }

  /**
   * @param target the service's host and port
   * @param alerts the rules, where they are not to be those that we ship
   */
  static async start(
    target: string,
    { interval = '250ms', alerts = `${PACKAGING}/prometheus/alerts.yml` } = {},
  ): Promise<Prometheus> {
    const directory = new TemporaryDirectory();
    const config = {
      global: { scrape_interval: interval, evaluation_interval: interval, scrape_timeout: interval },
      rule_files: [alerts],
      scrape_configs: [{ job_name: JOB, static_configs: [{ targets: [target] }] }],
    };
    // YAML takes JSON.
    writeFileSync(directory.file('prometheus.yml'), JSON.stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${directory.file('prometheus.yml')}`,
        `--storage.tsdb.path=${directory.file('data')}`,
        `--web.listen-address=${address}`,
        '--log.level=error',
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const prometheus = new Prometheus(`http://${address}`, child, directory);
    await until(() => prometheus.#isReady());
    return prometheus;
  }

  /** @throws Error with what Prometheus says of the query */
  async query(expression: string): Promise<readonly Sample[]> {
    const body = new URLSearchParams({ query: expression });
    const { result } = await this.#ask<{ result: Sample[] }>('query', { method: 'POST', body });
    return result;
  }

  /** The value of a query that has one; undefined when it has none. */
  async value(expression: string): Promise<number | undefined> {
    const [sample] = await this.query(expression);
    return sample === undefined ? undefined : Number(sample.value[1]);
  }

  async alerts(): Promise<readonly Alert[]> {
    return (await this.#ask<{ alerts: Alert[] }>('alerts')).alerts;
  }

  /** What the rules that it was given look like to it; an error in one is said here. */
  async rules(): Promise<readonly { name: string; health: string; lastError?: string; query: string }[]> {
    const { groups } = await this.#ask<{
      groups: { rules: { name: string; health: string; lastError?: string; query: string }[] }[];
    }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
    this.#directory[Symbol.dispose]();
  }

  async #ask<T>(what: string, init?: RequestInit): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/${what}`, init);
    const { status, error, data } = (await answer.json()) as Asked<T>;
    if (status !== 'success') throw new Error(`${what}: ${error}`);
    return data;
  }

  async #isReady(): Promise<boolean> {
    if (this.#process.exitCode !== null) throw new Error('Prometheus ended.');
    return fetch(`${this.url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}
