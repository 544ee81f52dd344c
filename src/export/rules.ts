import type { Lane } from './job.ts';

/**
 * What the owner decided: a rule is about everything that an app, a destination, both or neither of them name.
 *
 * - `block`: new exports are refused, queued and waiting ones end.
 * - `hold`: exports are taken in and not sent until the rule is gone.
 * - `budget`: new exports are refused once `limit` exports or bytes were taken in within the hour or the day.
 */
export type Rule = BlockRule | HoldRule | BudgetRule;

interface RuleBase {
  readonly id: string;
  /** A macaroon identifier; null means every app. */
  readonly app: string | null;
  /** A URL, or an origin, which stands for every URL that begins with it; null means every destination. */
  readonly destination: string | null;
  /** The owner's own words. */
  readonly note: string | null;
  /** Wall clock. */
  readonly createdAt: number;
}

export interface BlockRule extends RuleBase {
  readonly kind: 'block';
}

export interface HoldRule extends RuleBase {
  readonly kind: 'hold';
}

export interface BudgetRule extends RuleBase {
  readonly kind: 'budget';
  /** Whole, at least 0. */
  readonly limit: number;
  readonly unit: 'bytes' | 'exports';
  readonly per: 'hour' | 'day';
}

/** What rules a store may hold; every one is looked at for every lane once, and budgets at every acceptance. */
export const RULES_MAX = 1_000;

const WINDOW_MS = { hour: 3_600_000, day: 86_400_000 } as const;

/** A rule that is ready to be asked; parsing its destination for every question would cost too much. */
export interface RuleMatcher<R extends Rule = Rule> {
  readonly rule: R;
  /** @param given the lane's destination, when it has been parsed already */
  matches(lane: Lane, given?: UrlParts | null): boolean;
}

export function matcherOf<R extends Rule>(rule: R): RuleMatcher<R> {
  const { app, destination } = rule;
  const wanted = destination === null ? null : parts(destination);
  return {
    rule,
    matches: (lane, given) =>
      (app === null || app === lane.client) && isAbout(wanted, destination, lane.destination, given),
  };
}

/** The rules that concern a lane, in the order of {@link Rule}'s kinds. */
export interface LaneRules {
  /** The first block; null when none concerns it. */
  readonly block: BlockRule | null;
  readonly hold: HoldRule | null;
  readonly budgets: readonly BudgetRule[];
}

export const NO_RULES: LaneRules = { block: null, hold: null, budgets: [] };

/** What `rules` say about a lane. */
export function rulesFor(rules: readonly RuleMatcher[], lane: Lane): LaneRules {
  const given = parts(lane.destination);
  const found = rules.filter((matcher) => matcher.matches(lane, given)).map(({ rule }) => rule);
  if (found.length === 0) return NO_RULES;
  return {
    block: found.find((rule) => rule.kind === 'block') ?? null,
    hold: found.find((rule) => rule.kind === 'hold') ?? null,
    budgets: found.filter((rule) => rule.kind === 'budget'),
  };
}

/** When the hour or day began that holds `now` (wall clock, UTC). */
export function windowStart({ per }: BudgetRule, now: number): number {
  return Math.floor(now / WINDOW_MS[per]) * WINDOW_MS[per];
}

/** When the next one begins. */
export function windowEnd(rule: BudgetRule, now: number): number {
  return windowStart(rule, now) + WINDOW_MS[rule.per];
}

/** What an export takes of a budget. */
export function costOf({ unit }: BudgetRule, dataBytes: number): number {
  return unit === 'exports' ? 1 : dataBytes;
}

interface UrlParts {
  readonly href: string;
  readonly origin: string;
  /** Whether it names no path: then it stands for every URL of its origin. */
  readonly isOrigin: boolean;
}

/**
 * The text is compared as it is and as a URL: what an app writes differently but reaches the same place (an upper-case
 * host, a default port, a dot behind the name) is stopped too.
 */
function isAbout(
  wanted: UrlParts | null,
  text: string | null,
  destination: string,
  given: UrlParts | null = parts(destination),
): boolean {
  if (text === null || text === destination) return true;
  if (wanted === null || given === null) return false;
  return wanted.isOrigin ? wanted.origin === given.origin : wanted.href === given.href;
}

function parts(text: string): UrlParts | null {
  const url = URL.parse(text);
  if (url === null) return null;
  url.hostname = url.hostname.replace(/\.+$/, '');
  url.hash = '';
  // An empty query is not sent: `/in?` reaches what `/in` does.
  if (url.search === '') url.search = '';
  return { href: url.href, origin: url.origin, isOrigin: /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*$/i.test(text) };
}
