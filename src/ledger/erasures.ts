const ERASURE = /,"kind":"erasure","log":(null|"[^"\\]*"),"before":(0|[1-9][0-9]{0,15}),/;

/**
 * Which entries have no text any more, and whether the log itself says why: an entry of the kind `erasure` tells that all
 * before a certain one were erased. (Inside a text of JSON the pattern cannot occur as anything else: there its quotes
 * would have backslashes.)
 */
export class Erasures {
  #count = 0;
  #erasedBefore: number;
  /** Runs of entries without text. There is one, unless somebody erased what is not old. */
  readonly #runs: { start: number; end: number }[] = [];

  /** @param erasedBefore what a later log says of this one; 0 when none does */
  constructor(erasedBefore = 0) {
    this.#erasedBefore = erasedBefore;
  }

  add(index: number, text: string | null): void {
    if (text === null) {
      this.#addErased(index);
      return;
    }
    const recorded = recordedErasure(text);
    if (recorded?.log === null)
      this.#erasedBefore = Math.max(this.#erasedBefore, Math.min(recorded.before, index));
  }

  get count(): number {
    return this.#count;
  }

  /** The first entry without text that no record explains; null when there is none. Only final at the end of a log. */
  firstUnexplained(): number | null {
    const run = this.#runs.find(({ end }) => end > this.#erasedBefore);
    return run === undefined ? null : Math.max(run.start, this.#erasedBefore);
  }

  #addErased(index: number): void {
    this.#count += 1;
    const last = this.#runs.at(-1);
    if (last?.end === index) last.end += 1;
    else this.#runs.push({ start: index, end: index + 1 });
  }
}

/** What an entry of the kind `erasure` says: of which log (null: its own) and before which entry. Null for every other text. */
export function recordedErasure(
  text: string,
): { readonly log: string | null; readonly before: number } | null {
  const [, log = '', before] = ERASURE.exec(text) ?? [];
  return before === undefined ? null : { log: JSON.parse(log) as string | null, before: Number(before) };
}
