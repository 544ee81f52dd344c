import { ensureUi } from '../../../scripts/ui-build.ts';
import { type App, createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { type Clock, systemClock } from '../../../src/export/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { ROOT_KEY, tokenFor } from '../service.ts';
import { TemporaryDirectory } from '../temporary-store.ts';
import { until } from '../until.ts';
import { PlayedWorld } from './played-world.ts';

const MINUTE_MS = 60_000;
const NEARLY_MS = 5 * MINUTE_MS;
const DAY_MS = 1_440 * MINUTE_MS;

/** The system's clock, somewhere else in time. What waits, waits as long as ever. */
class MovedClock implements Clock {
  offsetMs = 0;
  readonly schedule = systemClock.schedule;

  now(): number {
    return systemClock.now() + this.offsetMs;
  }

  steady(): number {
    return systemClock.steady() + this.offsetMs;
  }
}

/** So many exports of an app to a destination, and how large each is. */
export interface Sent {
  readonly app: string;
  readonly to: string;
  readonly count: number;
  readonly bytes?: number;
}

/** The whole service over a store of its own, with an owner's page; only the world outside is played. */
export class OwnerBox implements AsyncDisposable {
  readonly world = new PlayedWorld();
  readonly clock = new MovedClock();
  readonly #directory = new TemporaryDirectory();
  readonly #token = tokenFor({ path: '/owner/*', method: '*' });
  #app: App | null = null;
  #port = 0;

  static async start(): Promise<OwnerBox> {
    ensureUi();
    const box = new OwnerBox();
    await box.startService();
    return box;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get dataDir(): string {
    return this.#directory.path;
  }

  /** Starts the service, on the port it had before. */
  async startService(): Promise<void> {
    const flags = ['--port', String(this.#port), '--data-dir', this.dataDir, '--secret', ROOT_KEY];
    const config = parseConfig([...flags, '--keep-payloads', '1h', '--drain-max', '0s'], {});
    const log = createLog('error', { write: () => {} });
    this.#app = await createApp(config, log, { deliverer: this.world, clock: this.clock });
    this.#port = Number(new URL(this.#app.url).port);
  }

  async stopService(): Promise<void> {
    await this.#app?.[Symbol.asyncDispose]();
    this.#app = null;
  }

  /** What happens `days` ago. The clock is back when it resolves. */
  async inThePast(days: number, act: () => Promise<void>): Promise<void> {
    const before = this.clock.offsetMs;
    this.clock.offsetMs = before - days * DAY_MS;
    await act();
    this.clock.offsetMs = before;
  }

  /** It is a minute later, for good: what is counted by the minute begins anew. */
  passMinute(): void {
    this.clock.offsetMs += MINUTE_MS;
  }

  /** What happens in the next minutes happens on one day of the calendar, also when it is nearly midnight. */
  passMidnight(): void {
    const day = (ms: number): number => new Date(ms).getDate();
    if (day(this.clock.now() + NEARLY_MS) !== day(this.clock.now())) this.clock.offsetMs += NEARLY_MS;
  }

  /** Hands exports in, as an app does. @returns their ids */
  async send({ app, to, count, bytes = 400 }: Sent): Promise<string[]> {
    const token = tokenFor({ client: app, destination: to });
    const one = { uri: to, data: JSON.stringify('x'.repeat(Math.max(0, bytes - 2))) };
    const body = JSON.stringify(count === 1 ? one : Array.from({ length: count }, () => one));
    const headers = { 'x-api-key': token, 'content-type': 'application/json' };
    const response = await fetch(`${this.url}/export`, { method: 'POST', headers, body });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${response.status}: ${JSON.stringify(answer)}`);
    return ([answer].flat() as { id: string }[]).map(({ id }) => id);
  }

  /** Asks as the owner's own programs do. */
  async ask<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(this.url + path, {
      method,
      headers: { 'x-api-key': this.#token, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** A link that opens the page. */
  async link(): Promise<string> {
    const { code } = await this.ask<{ code: string }>('POST', '/owner/links');
    return `${this.url}/ui/#code=${code}`;
  }

  /** Resolves when all that were handed in, to destinations that take them, have ended. */
  async ended(count: number): Promise<void> {
    await until(async () => {
      const { items } = await this.ask<{ items: { outcomes: { delivered: number } }[] }>(
        'GET',
        '/owner/summary',
      );
      return items.reduce((sum, { outcomes }) => sum + outcomes.delivered, 0) >= count;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopService();
    this.#directory[Symbol.dispose]();
  }
}
