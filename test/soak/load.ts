import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import type { WireExport } from '../../client/wire.ts';
import type { SoakLane } from './lanes.ts';

export interface LoadOptions {
  readonly url: string;
  readonly random: () => number;
  /** How many have arrived; what is under way is what was accepted less that. */
  readonly delivered: () => number;
}

/** How often exports are sent that have become due. */
const TICK_MS = 20;
/** Submissions under way: more means that the service does not keep up, and then they come late. */
const SUBMITTING_MAX = 256;
/** Exports under way. More would be a test of a full queue and not of half load: what is due then is left out. */
const BACKLOG_MAX = 20_000;
/** Of all exports this share is waited for, as long as not too many wait. */
const POLLED_SHARE = 0.2;
const POLLS_MAX = 300;
const CONNECTIONS_MAX = 600;

/** Sends exports and waits for some of them, and keeps count. */
export class Load implements AsyncDisposable {
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ connections: CONNECTIONS_MAX, pipelining: 1 });
  readonly #open = new Set<Promise<void>>();
  #next = 0;
  #submitting = 0;
  accepted = 0;
  /** Answered 200 when they were sent, by number; so that each can be looked for at the end. */
  readonly acceptedNumbers: number[] = [];
  /** Not sent, because too many were under way. */
  leftOut = 0;
  polls = 0;
  pollsOpen = 0;
  pollsFinished = 0;
  /** Anything that is no 200, in words. */
  readonly failures = new Map<string, number>();
  /** The first export that was accepted: old enough at the end to have been deleted. */
  first: { readonly id: string; readonly lane: SoakLane } | null = null;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Exports as fast as the service takes them and they arrive, for `ms`; resolves with how many that was a second. */
  async saturate(drawLane: () => SoakLane, submitters: number, ms: number): Promise<number> {
    const end = performance.now() + ms;
    const before = this.#options.delivered();
    const submitter = async (): Promise<void> => {
      while (performance.now() < end) {
        if (this.#backlog < submitters * 10) await this.#submit(drawLane());
        else await delay(1);
      }
    };
    await Promise.all(Array.from({ length: submitters }, submitter));
    return ((this.#options.delivered() - before) / ms) * 1_000;
  }

  /** Exports `rate` a second until `signal` aborts, however long the answers take. */
  async run(drawLane: () => SoakLane, rate: number, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    let due = 0;
    while (!signal.aborted) {
      const total = Math.floor(((performance.now() - startedAt) / 1_000) * rate);
      for (; due < total; due += 1) this.#sendOrLeaveOut(drawLane());
      await delay(TICK_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Resolves when every answer is there. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  /** The answer to `body`, whatever it is. */
  async post(
    lane: SoakLane,
    body: object,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; json: WireExport }> {
    const response = await this.#agent.request({
      origin: this.#options.url,
      path: '/export',
      method: 'POST',
      headers: { 'x-api-key': lane.token, ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.statusCode, json: (await response.body.json()) as WireExport };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  get #backlog(): number {
    return this.accepted - this.#options.delivered();
  }

  #sendOrLeaveOut(lane: SoakLane): void {
    if (this.#submitting >= SUBMITTING_MAX || this.#backlog >= BACKLOG_MAX) {
      this.leftOut += 1;
      return;
    }
    this.#track(this.#submit(lane));
  }

  /**
   * Without an idempotency key: one is kept for 24 h, by which the store rightly grows, and 30 minutes could not tell
   * that from a leak.
   */
  async #submit(lane: SoakLane): Promise<void> {
    const n = this.#next++;
    this.#submitting += 1;
    try {
      const fill = 'x'.repeat(Math.floor(this.#options.random() * 1_000));
      const { status, json } = await this.post(lane, { uri: lane.destination, data: { n, fill } });
      if (status !== 200) return this.#fail(`submission: ${status}`);
      this.accepted += 1;
      this.acceptedNumbers.push(n);
      this.first ??= { id: json.id, lane };
      if (this.pollsOpen < POLLS_MAX && this.#options.random() < POLLED_SHARE) {
        this.#track(this.#poll(lane, json.id));
      }
    } catch (error) {
      this.#fail(`submission: ${String(error)}`);
    } finally {
      this.#submitting -= 1;
    }
  }

  async #poll(lane: SoakLane, id: string): Promise<void> {
    this.polls += 1;
    this.pollsOpen += 1;
    try {
      const { status, json } = await this.post(lane, { id }, { prefer: 'wait=10' });
      if (status !== 200) this.#fail(`poll: ${status}`);
      else if (json.state === 'Finished') this.pollsFinished += 1;
    } catch (error) {
      this.#fail(`poll: ${String(error)}`);
    } finally {
      this.pollsOpen -= 1;
    }
  }

  #fail(what: string): void {
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }

  #track(task: Promise<void>): void {
    this.#open.add(task);
    task.finally(() => this.#open.delete(task));
  }
}
