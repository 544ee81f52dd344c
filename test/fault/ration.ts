/**
 * How many exports may be handed over in the present life of the service: enough that every step is reached, and not so
 * many that a run of hundreds of deaths drowns in exports.
 */
export class Ration {
  readonly #taken = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #each = 0;
  #isOver = false;

  /** Gives each taker this many more. */
  renew(each: number): void {
    this.#taken.clear();
    this.#each = each;
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Resolves to true when `taker` may hand over the next, to false when all is over. */
  async take(taker: string): Promise<boolean> {
    while (!this.#isOver) {
      const taken = this.#taken.get(taker) ?? 0;
      if (taken < this.#each) {
        this.#taken.set(taker, taken + 1);
        return true;
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return false;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
