import type { Lane } from './job.ts';
import { laneKey } from './job.ts';
import { type LaneRules, matcherOf, NO_RULES, type Rule, type RuleMatcher, rulesFor } from './rules.ts';

/** How many lanes' rules are remembered; when there are more, all are forgotten and looked up again. */
const LANES_MAX = 10_000;

/**
 * Whether a job that was claimed may still leave: asked once more when its request is about to be opened, because a claim
 * may be a moment ahead of its sending. A request that is open ends normally.
 */
export class Consent {
  readonly #byLane = new Map<string, LaneRules>();
  readonly #cancelled = new Set<string>();
  #matchers: readonly RuleMatcher[] = [];

  /** The rules as they are from now on. */
  learn(rules: readonly Rule[]): void {
    this.#matchers = rules.map(matcherOf);
    this.#byLane.clear();
  }

  /** A job that is being sent was taken back. To be forgotten when its attempt has been settled. */
  cancel(id: string): void {
    this.#cancelled.add(id);
  }

  forget(id: string): void {
    this.#cancelled.delete(id);
  }

  permits({ id, lane }: { readonly id: string; readonly lane: Lane }): boolean {
    return !this.#cancelled.has(id) && this.permitsLane(lane);
  }

  permitsLane(lane: Lane): boolean {
    const { block, hold } = this.#rulesOf(lane);
    return block === null && hold === null;
  }

  #rulesOf(lane: Lane): LaneRules {
    if (this.#matchers.length === 0) return NO_RULES;
    const key = laneKey(lane);
    const known = this.#byLane.get(key);
    if (known !== undefined) return known;
    if (this.#byLane.size >= LANES_MAX) this.#byLane.clear();
    const found = rulesFor(this.#matchers, lane);
    this.#byLane.set(key, found);
    return found;
  }
}
