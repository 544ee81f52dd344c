import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { request } from 'undici';
import type { WireProblem } from '../../../client/wire.ts';
import { type App, createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { type Deliverer, unconnected } from '../../../src/export/deliverer.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { ManualClock } from '../manual-clock.ts';
import { TemporaryDirectory } from '../temporary-store.ts';
import { TestArbiter } from './test-arbiter.ts';

export const DESTINATION = 'https://receiver.example/in';

export interface BoxAnswer {
  readonly status: number;
  readonly retryAfter: number;
  /** A problem's code and detail; empty for what is none. */
  readonly code: string;
  readonly detail: string;
  readonly json: Record<string, unknown>;
}

/** Attempts last until the service stops. */
const NEVER_SENDS: Deliverer = {
  async deliver(_job, signal) {
    if (!signal.aborted) await once(signal, 'abort');
    return unconnected({ kind: 'stopped', sent: false });
  },
};

/**
 * A Databox as far as exports need one: an arbiter over real sockets and the whole service beside it, in this process,
 * with a real store and a clock that stands still. Nothing is delivered: destinations are never reached.
 */
export class Box implements AsyncDisposable {
  readonly arbiter: TestArbiter;
  readonly clock = new ManualClock();
  /** What the service has logged. */
  log = '';
  readonly #directory = new TemporaryDirectory();
  #app: App | null = null;

  private constructor(arbiter: TestArbiter) {
    this.arbiter = arbiter;
  }

  /** The service is registered, and has not started yet. */
  static async open(): Promise<Box> {
    return new Box(await TestArbiter.start());
  }

  /** The same, with the service started and ready. */
  static async ready(): Promise<Box> {
    const box = await Box.open();
    await box.start();
    await box.untilReady();
    return box;
  }

  get dataDir(): string {
    return this.#directory.path;
  }

  get url(): string {
    return this.#app?.url ?? '';
  }

  /** Starts the service, on what an earlier one left. */
  async start(flags: readonly string[] = this.arbiter.flags, port = 0): Promise<void> {
    const config = parseConfig(['--port', `${port}`, '--data-dir', this.dataDir, ...flags], {});
    const output = { write: (text: string) => (this.log += text) };
    const overrides = { clock: this.clock, random: () => 0.5, deliverer: NEVER_SENDS };
    this.#app = await createApp({ ...config, drainMsMax: 0 }, createLog('debug', output), overrides);
  }

  async stop(): Promise<void> {
    if (this.#app === null) return;
    let isStopped = false;
    const stopping = this.#app[Symbol.asyncDispose]().then(() => {
      isStopped = true;
    });
    this.#app = null;
    // Attempts in flight are given no time, and that is over once it is looked at.
    while (!isStopped) {
      this.clock.advance(0);
      await Promise.race([stopping, setImmediate()]);
    }
  }

  /** Resolves when the service has asked for a secret so often. */
  async asked(times: number): Promise<void> {
    while (this.arbiter.asks < times) await this.readyz();
  }

  async send(method: 'GET' | 'POST', path: string, token?: string, body?: unknown): Promise<BoxAnswer> {
    // What is due now is done, as it would be with a clock that moves.
    this.clock.advance(0);
    const response = await request(`${this.url}${path}`, {
      method,
      headers: token === undefined ? {} : { 'x-api-key': token },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.body.text();
    const json = text.startsWith('{') ? JSON.parse(text) : {};
    const { code = '', detail = '' } = json as Partial<WireProblem>;
    return {
      status: response.statusCode,
      retryAfter: Number(response.headers['retry-after'] ?? 0),
      code,
      detail,
      json,
    };
  }

  /** Hands in an export, as an app of the box does. */
  export(token: string, uri = DESTINATION): Promise<BoxAnswer> {
    return this.send('POST', '/lp/export', token, { id: '', uri, data: '{}' });
  }

  /** A token of the arbiter for an app. */
  token(destination = DESTINATION): string {
    return this.arbiter.tokenFor(destination) ?? assert.fail('the arbiter mints no token');
  }

  readyz(): Promise<BoxAnswer> {
    return this.send('GET', '/readyz');
  }

  /** Asks how the service is until it says something like this. */
  async untilReadyzSays(pattern: RegExp): Promise<BoxAnswer> {
    for (;;) {
      const answer = await this.readyz();
      if (pattern.test(answer.detail)) return answer;
    }
  }

  async untilReady(): Promise<void> {
    while ((await this.readyz()).status !== 200);
  }

  /** Resolves when something like this has been logged so often. */
  async untilLogged(pattern: RegExp, times: number): Promise<void> {
    while ((this.log.match(pattern)?.length ?? 0) < times) await this.readyz();
  }

  /** Resolves once the arbiter mints tokens: it does as soon as it was asked for a secret. */
  async untilMinted(destination = DESTINATION): Promise<string> {
    for (;;) {
      const token = this.arbiter.tokenFor(destination);
      if (token !== null && (await this.export(token, destination)).status === 200) return token;
      await this.readyz();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.arbiter[Symbol.asyncDispose]();
    this.#directory[Symbol.dispose]();
  }
}
