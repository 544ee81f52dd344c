/** A place to wait in. */
export interface WaitingPlace extends Disposable {
  /** Calls `leave` when the place is needed for somebody else, at once if it is already. The place is gone then. */
  whenNeeded(leave: () => void): void;
}

/** A bounded number of places to wait in, for which nobody stands in line. */
export class WaitingRoom {
  readonly #max: number;
  /** By who holds them; the longest held come first. Whoever holds none is not in it. */
  readonly #held = new Map<string, Set<HeldPlace>>();
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How many places are held. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * A place; null when all are taken. One may hold all of them while nobody else asks. But when somebody asks who would
   * still hold fewer than another, that one's oldest wait ends: its answer is what it is now, and costs one more question,
   * while somebody who finds no place learns nothing.
   */
  take(who: string): WaitingPlace | null {
    if (this.#taken >= this.#max && !this.#takeFromLargest(this.#count(who) + 1)) return null;
    const place = new HeldPlace(() => this.#remove(who, place));
    const places = this.#held.get(who);
    if (places === undefined) this.#held.set(who, new Set([place]));
    else places.add(place);
    this.#taken += 1;
    return place;
  }

  #count(who: string): number {
    return this.#held.get(who)?.size ?? 0;
  }

  /** Ends the oldest wait of whoever holds most, if that is more than `than`. */
  #takeFromLargest(than: number): boolean {
    let largest: ReadonlySet<HeldPlace> = new Set();
    for (const places of this.#held.values()) if (places.size > largest.size) largest = places;
    if (largest.size <= than) return false;
    const [oldest] = largest;
    oldest?.need();
    return oldest !== undefined;
  }

  #remove(who: string, place: HeldPlace): void {
    const places = this.#held.get(who);
    if (!places?.delete(place)) return;
    if (places.size === 0) this.#held.delete(who);
    this.#taken -= 1;
  }
}

class HeldPlace implements WaitingPlace {
  readonly #giveUp: () => void;
  #isNeeded = false;
  #leave: () => void = () => {};

  constructor(giveUp: () => void) {
    this.#giveUp = giveUp;
  }

  whenNeeded(leave: () => void): void {
    this.#leave = leave;
    if (this.#isNeeded) leave();
  }

  need(): void {
    this.#isNeeded = true;
    this.#giveUp();
    this.#leave();
  }

  [Symbol.dispose](): void {
    this.#giveUp();
  }
}
