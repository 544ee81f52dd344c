import type { Cancel, Clock } from './clock.ts';
import type { OwnedExport } from './owner-store.ts';
import type { Rule } from './rules.ts';

/** Something that the owner is told of as it happens. */
export type OwnerNews =
  | { readonly kind: 'export'; readonly export: OwnedExport }
  | { readonly kind: 'rule'; readonly change: 'added' | 'removed'; readonly rule: Rule };

/** News as it is sent, with its place in the order of all. */
export interface OwnerEvent {
  readonly number: number;
  readonly kind: OwnerNews['kind'];
  readonly text: string;
}

export interface OwnerFeedParts {
  /** An export as it is now; null when there is none. */
  readonly find: (id: string) => Promise<OwnedExport | null>;
  /** What is sent of it; never a payload. */
  readonly render: (news: OwnerNews) => string;
  readonly clock: Clock;
  /** Names this life of the service: an event of another one tells nothing about this one's order. */
  readonly life: string;
  readonly limits?: Partial<OwnerFeedLimits>;
}

export interface OwnerFeedLimits {
  /** Events that are kept for those who come back, and their length in all. */
  readonly eventsMax: number;
  readonly charactersMax: number;
  /** Exports that have changed and were not read yet. When there are more, everybody is told to read anew. */
  readonly changedMax: number;
  /** Exports that are read at a time, and how long until the next are. */
  readonly readMax: number;
  readonly paceMs: number;
}

export const OWNER_FEED_LIMITS: OwnerFeedLimits = {
  eventsMax: 2_000,
  charactersMax: 4_000_000,
  changedMax: 2_000,
  readMax: 50,
  paceMs: 100,
};

/** After a failure to read; the changes wait. */
const RETRY_MS = 1_000;
/** How often everybody is told to read anew, at most. */
const START_ANEW_MS = 1_000;

/**
 * What happens to exports and rules, in one order, for all who follow it. However many follow, a change is read from the
 * store once, at a bounded pace, and an export that changes faster than that is told of as it is in the end. Nobody
 * follows: nothing is read. All that is kept is bounded; who has fallen behind what is kept is told to read anew.
 */
export class OwnerFeed {
  readonly #parts: OwnerFeedParts;
  readonly #limits: OwnerFeedLimits;
  readonly #followers = new Set<() => void>();
  readonly #changed = new Set<string>();
  #events: OwnerEvent[] = [];
  #characters = 0;
  /** Of the last event. */
  #number = 0;
  /** What came before the event of this number is no longer known in full. */
  #knownFrom = 0;
  #isReading = false;
  /** Counts the rules that were told of. */
  #rulesTold = 0;
  /** Whether more has changed than can be told one by one, and nobody knows yet. */
  #hasLostCount = false;
  /** There while the next read waits for its time. */
  #pause: Cancel | null = null;

  constructor(parts: OwnerFeedParts) {
    this.#parts = parts;
    this.#limits = { ...OWNER_FEED_LIMITS, ...parts.limits };
  }

  /** Where the order is now, and the name of that place for those who come back. */
  get newest(): number {
    return this.#number;
  }

  nameOf(number: number): string {
    return `${this.#parts.life}-${number}`;
  }

  /** The place of that name; null when it is of another life of the service, or none. */
  placeOf(name: string): number | null {
    const [life, number] = [name.slice(0, name.lastIndexOf('-')), name.slice(name.lastIndexOf('-') + 1)];
    if (life !== this.#parts.life || !/^\d{1,15}$/.test(number)) return null;
    return Number(number) <= this.#number ? Number(number) : null;
  }

  /** What came after `place`; null when that is no longer known: then everything is to be read anew. */
  after(place: number): readonly OwnerEvent[] | null {
    if (place < this.#knownFrom) return null;
    const oldest = this.#events[0]?.number ?? 0;
    return this.#events.slice(Math.max(place - oldest + 1, 0));
  }

  /** Calls `wake` when there is more, until the returned function is called. */
  follow(wake: () => void): () => void {
    this.#followers.add(wake);
    this.#read();
    return () => this.#followers.delete(wake);
  }

  /** These exports have changed. */
  changed(ids: readonly string[]): void {
    for (const id of ids) this.#changed.add(id);
    if (this.#changed.size > this.#limits.changedMax) {
      this.#changed.clear();
      this.#hasLostCount = true;
    }
    this.#read();
  }

  ruleChanged(change: 'added' | 'removed', rule: Rule): void {
    this.#rulesTold += 1;
    this.#publish([{ kind: 'rule', change, rule }]);
  }

  #read(): void {
    if (this.#isReading || this.#pause !== null) return;
    if (this.#hasLostCount) this.#startAnew();
    else if (this.#followers.size > 0 && this.#changed.size > 0) {
      this.#isReading = true;
      void this.#readSome();
    }
  }

  /** Whoever follows reads everything now, and not again at once. */
  #startAnew(): void {
    this.#hasLostCount = false;
    this.#events = [];
    this.#characters = 0;
    this.#number += 1;
    this.#knownFrom = this.#number;
    this.#rest(START_ANEW_MS);
    this.#wakeAll();
  }

  /** Read after it is taken out: a change meanwhile brings it in again. */
  async #readSome(): Promise<void> {
    const ids = [...this.#changed].slice(0, this.#limits.readMax);
    for (const id of ids) this.#changed.delete(id);
    const rulesTold = this.#rulesTold;
    try {
      const found = await Promise.all(ids.map((id) => this.#parts.find(id)));
      // What was read before a rule came or went would be told after it, and not know of it: it is read once more. So would
      // what was read before everybody reads anew, who then have it.
      if (rulesTold !== this.#rulesTold) this.changed(ids);
      else if (!this.#hasLostCount)
        this.#publish(found.flatMap((each) => (each === null ? [] : [{ kind: 'export', export: each }])));
      this.#rest(this.#limits.paceMs);
    } catch {
      for (const id of ids) this.#changed.add(id);
      this.#rest(RETRY_MS);
    }
    this.#isReading = false;
  }

  #rest(ms: number): void {
    this.#pause = this.#parts.clock.schedule(ms, () => {
      this.#pause = null;
      this.#read();
    });
  }

  #publish(news: readonly OwnerNews[]): void {
    for (const each of news) {
      const text = this.#parts.render(each);
      this.#number += 1;
      this.#events.push({ number: this.#number, kind: each.kind, text });
      this.#characters += text.length;
    }
    this.#dropOldest();
    if (news.length > 0) this.#wakeAll();
  }

  #dropOldest(): void {
    const { eventsMax, charactersMax } = this.#limits;
    let dropped = 0;
    for (const { number, text } of this.#events) {
      if (this.#events.length - dropped <= eventsMax && this.#characters <= charactersMax) break;
      dropped += 1;
      this.#characters -= text.length;
      this.#knownFrom = number;
    }
    if (dropped > 0) this.#events = this.#events.slice(dropped);
  }

  #wakeAll(): void {
    for (const wake of [...this.#followers]) wake();
  }
}
