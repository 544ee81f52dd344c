const NAMES = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Ctrl-C and its kin, as a signal: they end what is under way, and what was started is put away. */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  readonly #abort: () => void;

  /**
   * @param reason what the signal aborts with
   * @param staysOn whether a second one changes nothing; otherwise it ends the process at once
   */
  constructor(reason: Error, { staysOn = false }: { staysOn?: boolean } = {}) {
    this.#abort = () => {
      if (!staysOn) this[Symbol.dispose]();
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
