/**
 * Wakes whoever waits for a job to change. It holds nothing but the waiters of open polls and what WebSockets are to be
 * told of, so its memory is bounded by the seats of both and does not grow with the queue.
 */
export class JobFeed {
  readonly #waiters = new Map<string, Set<() => void>>();

  /** Calls `wake` at every change of the job, until the returned function is called. */
  watch(id: string, wake: () => void): () => void {
    const waiters = this.#waiters.get(id) ?? new Set();
    this.#waiters.set(id, waiters.add(wake));
    return () => {
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
    };
  }

  /** Wakes every waiter of these jobs. */
  publish(ids: readonly string[]): void {
    if (this.#waiters.size === 0) return;
    for (const id of ids) {
      for (const wake of [...(this.#waiters.get(id) ?? [])]) wake();
    }
  }
}
