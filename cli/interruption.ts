const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Ctrl-C and its kin, as a signal: they end what is under way, and what was started is put away. A second one ends at
 * once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #abort: () => void;

  /** @param reason what the signal aborts with */
  constructor(reason: Error) {
    this.#abort = () => {
      this[Symbol.dispose]();
      this.#controller.abort(reason);
    };
    for (const name of NAMES) process.on(name, this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    for (const name of NAMES) process.off(name, this.#abort);
  }
}
