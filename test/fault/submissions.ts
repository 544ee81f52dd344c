import type { FinishedExport } from '../../client/index.ts';
import { Random } from './random.ts';

/**
 * What becomes of a submission, as its submitter knows it. `sent`: no answer yet. `accepted`: answered with 200.
 * `refused`: answered with a 4xx, or not to be queued for another reason. `unknown`: the answer was lost, and without an
 * idempotency key it must not be asked for again.
 */
export type Fate = 'sent' | 'accepted' | 'refused' | 'unknown';

/** One export as an app hands it over. */
export interface Submission {
  /** In the payload, and the idempotency key where there is one. */
  readonly key: string;
  readonly lane: string;
  /** JSON text, to arrive byte for byte. */
  readonly json: string;
  readonly isKeyed: boolean;
  fate: Fate;
  id: string | null;
  /** The result that was read first; any other later one would be wrong. */
  result: FinishedExport | null;
}

/** Everything that was handed over, and what the submitters saw of it. */
export class Submissions {
  readonly all = new Map<string, Submission>();
  readonly wrongs: string[] = [];
  /** Requests whose answer was lost, and which were made again. */
  repeats = 0;
  /** Requests that were made again on purpose, though answered. */
  deliberateRepeats = 0;
  polls = 0;
  readonly #seed: string;

  constructor(seed: string) {
    this.#seed = seed;
  }

  make(lane: string, isKeyed: boolean): Submission {
    const key = `${lane}-${this.all.size}`;
    const submission: Submission = {
      key,
      lane,
      json: payload(key, new Random(this.#seed, key)),
      isKeyed,
      fate: 'sent',
      id: null,
      result: null,
    };
    this.all.set(key, submission);
    return submission;
  }

  accept(submission: Submission, id: string): void {
    if (submission.id !== null && submission.id !== id) {
      this.wrongs.push(
        `${submission.key}: a repeat was answered with ${id}, the first with ${submission.id}`,
      );
    }
    submission.fate = 'accepted';
    submission.id = id;
  }

  /** A result that was read; it must never change. */
  finish(submission: Submission, result: FinishedExport): void {
    const before = submission.result;
    if (before !== null && JSON.stringify(before) !== JSON.stringify(result)) {
      this.wrongs.push(
        `${submission.key}: finished with ${JSON.stringify(before)}, later ${JSON.stringify(result)}`,
      );
    }
    submission.result ??= result;
  }

  acceptedIn(lane: string): Submission[] {
    return [...this.all.values()].filter((each) => each.lane === lane && each.fate === 'accepted');
  }
}

/** Odd but valid JSON text of a size that now and then needs several pages of the store. */
function payload(key: string, random: Random): string {
  const size = random.chance(0.1) ? random.int(10_000, 40_000) : random.int(0, 600);
  return `{ "key":"${key}",\n\t"pad": "${'ü°'.repeat(size / 2)}", "n": 1.0${random.int(0, 9)}0 }`;
}
