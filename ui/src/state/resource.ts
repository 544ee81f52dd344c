/** Something that is asked of the service, shown, and asked again when it may have changed. */
import { type ReadonlySignal, signal } from '@preact/signals';

export interface Loaded<T> {
  /** The last answer; undefined before the first. */
  readonly value: T | undefined;
  /** Why the last question got none; null when it did. What is shown then is older than it could be. */
  readonly error: Error | null;
  readonly isLoading: boolean;
}

/** Between the end of an answer and the next question, when changes come without an end. */
const REST_MS = 400;
/** An answer that takes long is asked for less often: the service is to spend a fifth of its time on us at most. */
const REST_OF_DURATION = 4;

/**
 * At most one question is under way. What changes meanwhile leads to one more, after a rest that grows with how long an
 * answer takes, so that a page that is left open costs little, however much goes on.
 */
export class Resource<T> {
  readonly #load: (signal: AbortSignal) => Promise<T>;
  readonly #state = signal<Loaded<T>>({ value: undefined, error: null, isLoading: false });
  #question = new AbortController();
  #isAsking = false;
  #isStale = false;
  #restUntil = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(load: (signal: AbortSignal) => Promise<T>) {
    this.#load = load;
  }

  get state(): ReadonlySignal<Loaded<T>> {
    return this.#state;
  }

  get value(): T | undefined {
    return this.#state.value.value;
  }

  /** It may have changed: asks again, at once if it has rested. */
  renew(): void {
    if (this.#isAsking) {
      this.#isStale = true;
      return;
    }
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#ask(), Math.max(0, this.#restUntil - performance.now()));
  }

  /** Asks now; what is under way is let go of. Resolves when the answer is there, or there is none. */
  async reload(): Promise<void> {
    this.#drop();
    await this.#ask();
  }

  /** Changes what is known without asking. */
  update(change: (value: T) => T): void {
    const { value } = this.#state.value;
    if (value !== undefined) this.#state.value = { ...this.#state.value, value: change(value) };
  }

  /** Forgets everything. */
  clear(): void {
    this.#drop();
    this.#state.value = { value: undefined, error: null, isLoading: false };
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#question.abort();
    this.#isAsking = false;
    this.#isStale = false;
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    this.#isAsking = true;
    this.#isStale = false;
    const question = new AbortController();
    this.#question = question;
    this.#state.value = { ...this.#state.value, isLoading: true };
    const startedAt = performance.now();
    const answer = await this.#load(question.signal).then(
      (value) => ({ value, error: null }),
      (error: Error) => ({ value: this.value, error }),
    );
    if (question.signal.aborted) return;
    const endedAt = performance.now();
    this.#restUntil = endedAt + Math.max(REST_MS, REST_OF_DURATION * (endedAt - startedAt));
    this.#isAsking = false;
    this.#state.value = { ...answer, isLoading: false };
    if (this.#isStale) this.renew();
  }
}
