import type { Socket } from 'node:net';
import {
  answerText,
  type ReceivedRequest,
  startDestination,
  type TestDestination,
} from '../support/destinations/destination.ts';
import { Random } from './random.ts';

/** What the destination does once it has a whole request. */
export type Behaviour =
  | 'takes'
  | 'takes slowly'
  | 'answers 500'
  | 'answers 503'
  | 'resets'
  | 'cuts off'
  | 'stays silent';

/** How often a lane's destination does what, in parts of 1; the rest of the time it takes. */
export type Mood = Partial<Record<Behaviour, number>>;

/** A request that arrived whole. */
export interface Arrival {
  readonly id: string;
  readonly key: string;
  readonly lane: string;
  readonly body: string;
  readonly behaviour: Behaviour;
}

const SLOW_MS_MAX = 60;

/** The status that a behaviour answers with; null when there is no whole answer. */
export function statusOf(behaviour: Behaviour): number | null {
  if (behaviour === 'takes' || behaviour === 'takes slowly') return 200;
  if (behaviour === 'answers 500') return 500;
  return behaviour === 'answers 503' ? 503 : null;
}

/** What it answers to who is taken. */
export function receiptFor(key: string): string {
  return `took ${key}`;
}

/** Takes what the lanes send, each lane in its mood, and writes down everything that arrives. */
export class RecordingDestination implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  readonly #moods: ReadonlyMap<string, Mood>;
  readonly #seed: string;
  readonly #timesSeen = new Map<string, number>();
  #server: TestDestination | null = null;
  /** Asked at each arrival; true leaves it without an answer. */
  onArrival: () => boolean = () => false;

  private constructor(seed: string, moods: ReadonlyMap<string, Mood>) {
    this.#seed = seed;
    this.#moods = moods;
  }

  static async start(seed: string, moods: ReadonlyMap<string, Mood>): Promise<RecordingDestination> {
    const destination = new RecordingDestination(seed, moods);
    destination.#server = await startDestination({
      onRequest: (socket, request) => destination.#receive(socket, request),
    });
    return destination;
  }

  urlOf(lane: string): string {
    return `${this.#server?.url}/${lane}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
  }

  #receive(socket: Socket, { path, headers, body }: ReceivedRequest): void {
    const text = body.toString();
    const lane = path.split('/').at(-1) ?? '';
    const key = keyOf(text);
    const behaviour = this.onArrival() ? 'stays silent' : this.#drawBehaviour(lane, key);
    this.arrivals.push({ id: headers['webhook-id'] ?? '', key, lane, body: text, behaviour });
    this.#behave(socket, behaviour, key);
  }

  /** Depends on nothing but the seed, the export and how often it has come: not on when it comes. */
  #drawBehaviour(lane: string, key: string): Behaviour {
    const times = (this.#timesSeen.get(key) ?? 0) + 1;
    this.#timesSeen.set(key, times);
    let drawn = new Random(this.#seed, key, times).next();
    for (const [behaviour, share] of Object.entries(this.#moods.get(lane) ?? {})) {
      drawn -= share;
      if (drawn < 0) return behaviour as Behaviour;
    }
    return 'takes';
  }

  #behave(socket: Socket, behaviour: Behaviour, key: string): void {
    const receipt = answerText('200 OK', receiptFor(key));
    switch (behaviour) {
      case 'takes':
        socket.write(receipt);
        return;
      case 'takes slowly':
        socket.write(receipt.subarray(0, 20));
        setTimeout(
          () => socket.write(receipt.subarray(20)),
          new Random(this.#seed, key, 'slow').int(1, SLOW_MS_MAX),
        );
        return;
      case 'answers 500':
        socket.write(answerText('500 Internal Server Error', 'cannot digest it'));
        return;
      case 'answers 503':
        socket.write(answerText('503 Service Unavailable', 'busy'));
        return;
      case 'resets':
        socket.resetAndDestroy();
        return;
      case 'cuts off':
        socket.end(receipt.subarray(0, -3));
        return;
      case 'stays silent':
        return;
    }
  }
}

/** Every payload of the matrix names itself. */
function keyOf(body: string): string {
  return String((JSON.parse(body) as { key?: unknown }).key);
}
