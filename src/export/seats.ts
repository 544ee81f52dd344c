/** A bounded number of seats: whoever finds none is told so, and does not stand in line. */
export class Seats {
  readonly #max: number;
  readonly #house: Seats | null;
  #taken = 0;

  /** @param house whose seats these are too, if they are a part of more */
  constructor(max: number, house: Seats | null = null) {
    this.#max = max;
    this.#house = house;
  }

  /** A seat, to be disposed once; null when these, or those of the house, are all taken. */
  take(): Disposable | null {
    if (this.#taken >= this.#max) return null;
    const outer = this.#house?.take();
    if (outer === null) return null;
    this.#taken += 1;
    return {
      [Symbol.dispose]: () => {
        this.#taken -= 1;
        outer?.[Symbol.dispose]();
      },
    };
  }
}
