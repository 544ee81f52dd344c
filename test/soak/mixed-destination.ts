import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LaneKind } from './lanes.ts';

/** What a payload looks like: its number, and filling. */
export interface Payload {
  readonly n: number;
  readonly fill: string;
}

interface Answer {
  readonly status: number;
  readonly delayMs: number;
}

/** A flapping one is up and down for as long each. */
const FLAP_MS = 20_000;
const BODY = JSON.stringify({ stored: true, note: 'x'.repeat(200) });

/** Receives all that the soak exports, well and badly, and keeps count of it. */
export class MixedDestination implements AsyncDisposable {
  readonly #server: Server;
  readonly #random: () => number;
  readonly #startedAt = performance.now();
  /** A bit an export would do; a byte is simpler. */
  #received = new Uint8Array(1 << 20);
  /** Exports that were answered well at least once. */
  delivered = 0;
  /** Good answers to exports that had had one. */
  repeated = 0;
  /** Answers that ask for another attempt. */
  refused = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.#server = createServer({ keepAlive: true, keepAliveTimeout: 30_000 }, (request, response) => {
      void this.#serve(request, response);
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  hasReceived(n: number): boolean {
    return this.#received[n] === 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { n }: Payload = JSON.parse(Buffer.concat(await request.toArray()).toString());
    const [, kind] = (request.url ?? '').split('/');
    const { status, delayMs } = this.#answerOf(kind as LaneKind);
    if (status === 200) this.#count(n);
    else this.refused += 1;
    const answer = (): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(BODY);
    };
    if (delayMs === 0) answer();
    else setTimeout(answer, delayMs);
  }

  #answerOf(kind: LaneKind): Answer {
    const chance = this.#random();
    switch (kind) {
      case 'steady':
        return { status: 200, delayMs: 0 };
      case 'flaky':
        if (chance < 0.005) return { status: 503, delayMs: 0 };
        return { status: chance < 0.05 ? 500 : 200, delayMs: 0 };
      case 'slow':
        return { status: 200, delayMs: 100 + 300 * chance };
      case 'flapping': {
        const isUp = Math.floor((performance.now() - this.#startedAt) / FLAP_MS) % 2 === 0;
        return { status: isUp ? 200 : 503, delayMs: 0 };
      }
    }
  }

  #count(n: number): void {
    if (n >= this.#received.length) {
      const larger = new Uint8Array(2 * Math.max(n, this.#received.length));
      larger.set(this.#received);
      this.#received = larger;
    }
    if (this.#received[n] === 1) this.repeated += 1;
    else this.delivered += 1;
    this.#received[n] = 1;
  }
}
