/** What rules mean for what is shown. The matching is the service's own. */
import { matcherOf, windowEnd, windowStart } from '../../../src/export/rules.ts';
import type { Budget, LaneSum, Rule, RuleKind, RuleTarget } from '../wire.ts';

type Lane = { readonly app: string | null; readonly destination: string };
export type BudgetRule = Rule & { readonly kind: 'budget' } & Budget;

/** From here on a budget is worth a look. */
const NEARLY_USED = 0.8;

export function matches(rule: RuleTarget, { app, destination }: Lane): boolean {
  const asked = { app: rule.app ?? null, destination: rule.destination ?? null };
  return matcherOf({ ...asked, id: '', kind: 'hold', note: null, createdAt: 0 }).matches({
    client: app ?? '',
    destination,
  });
}

/** The first rule of this kind about a lane; undefined when there is none. */
export function ruleFor(rules: readonly Rule[], kind: RuleKind, lane: Lane): Rule | undefined {
  return rules.find((rule) => rule.kind === kind && matches(rule, lane));
}

/** The rule that holds everything; undefined when none does. */
export function holdOfAll(rules: readonly Rule[]): Rule | undefined {
  return rules.find(
    ({ kind, app, destination }) => kind === 'hold' && app === undefined && destination === undefined,
  );
}

export function isBudget(rule: Rule): rule is BudgetRule {
  return rule.kind === 'budget';
}

/** From when what is taken in counts for a budget: since its hour or day began, or since it was made. */
export function budgetSince(rule: BudgetRule, now: number): number {
  return Math.max(windowStart(asDomainRule(rule), now), Date.parse(rule.created_at));
}

/** When it begins anew. */
export function budgetUntil(rule: BudgetRule, now: number): number {
  return windowEnd(asDomainRule(rule), now);
}

export interface BudgetUse {
  readonly rule: BudgetRule;
  readonly used: number;
  /** Of the limit: 1 is all of it. */
  readonly fraction: number;
  readonly isNearlyUsed: boolean;
}

/** @param sums of what was taken in since {@link budgetSince} */
export function budgetUse(rule: BudgetRule, sums: readonly LaneSum[]): BudgetUse {
  const about = sums.filter((sum) => matches(rule, sum));
  const used = about.reduce((all, sum) => all + (rule.unit === 'bytes' ? sum.bytes : sum.accepted), 0);
  const fraction = rule.limit === 0 ? 1 : used / rule.limit;
  return { rule, used, fraction, isNearlyUsed: fraction >= NEARLY_USED };
}

function asDomainRule({ id, limit, unit, per }: BudgetRule) {
  return {
    id,
    kind: 'budget' as const,
    app: null,
    destination: null,
    note: null,
    createdAt: 0,
    limit,
    unit,
    per,
  };
}
