/** A bounded number of seats: whoever finds none is told so, and does not stand in line. */
export class Seats {
  readonly #max: number;
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** How many are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** A seat, to be disposed once; null when the house is full. */
  take(): Disposable | null {
    if (this.#taken >= this.#max) return null;
    this.#taken += 1;
    return {
      [Symbol.dispose]: () => {
        this.#taken -= 1;
      },
    };
  }
}
