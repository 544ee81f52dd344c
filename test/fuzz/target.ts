import type { Random } from '../fault/random.ts';

/**
 * A parser that sees bytes from outside, and what must hold of it for all of them. To add one: a file in `targets/` that
 * exports `open`. The file's name is the target's.
 */
export interface FuzzTarget {
  /** Inputs that are good or nearly so: most inputs are made of them. */
  readonly seeds: readonly Uint8Array[];
  /** Words that mean something to the parser, to be put in anywhere. */
  readonly dictionary: readonly string[];
  /** Makes an input by rules of its own, in the place of changing a seed. */
  make?(random: Random): Uint8Array;
  /**
   * Gives one input to the parser. What is refused in the right way is no finding.
   *
   * @returns in a word how it went, for the summary
   * @throws when something is wrong: that is a finding
   */
  check(input: Uint8Array): string | Promise<string>;
  /** Closes what it has opened. */
  close?(): Promise<void>;
}

/** What a file in `targets/` exports. */
export interface FuzzTargetModule {
  open(): FuzzTarget | Promise<FuzzTarget>;
}

/** Makes sure that `error` is of one of these kinds: the ways in which the parser says no. */
export function mustBe<T>(error: unknown, ...kinds: (new (...args: never[]) => T)[]): T {
  for (const kind of kinds) if (error instanceof kind) return error;
  throw error;
}
