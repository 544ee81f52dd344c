import type { Lane } from '../../export/job.ts';
import type { Now, StoreTotals } from '../../export/job-store.ts';
import {
  type BudgetRule,
  costOf,
  type LaneRules,
  matcherOf,
  NO_RULES,
  type Rule,
  type RuleMatcher,
  rulesFor,
  windowStart,
} from '../../export/rules.ts';
import type { Row } from './rows.ts';
import type { Statements } from './statements.ts';

/** How many lanes' rules are remembered; when there are more, all are forgotten and looked up again. */
const LANES_MAX = 100_000;
const NO_COUNTS = { block: 0, hold: 0, budget: 0 };

/**
 * The owner's rules, as the writer asks them in its transactions. What is remembered here is in the store too, and is
 * read again after a transaction that failed.
 */
export class RuleBook {
  readonly #sql: Statements;
  readonly #byLane = new Map<number, LaneRules>();
  #matchers: RuleMatcher[] = [];
  #counts: StoreTotals['rules'] = NO_COUNTS;

  constructor(sql: Statements) {
    this.#sql = sql;
    this.reload();
  }

  get rules(): Rule[] {
    return this.#matchers.map(({ rule }) => rule);
  }

  /** How many there are of each kind. */
  get counts(): StoreTotals['rules'] {
    return this.#counts;
  }

  reload(): void {
    const rules = (this.#sql.rules.all() as Row[]).map(toRule);
    this.#matchers = rules.map(matcherOf);
    const counts = { ...NO_COUNTS };
    for (const { kind } of rules) counts[kind] += 1;
    this.#counts = counts;
    this.#byLane.clear();
  }

  /** What the rules say about a lane; `find` tells which lane that is, when it is not known yet. */
  of(laneId: number, find: () => Lane): LaneRules {
    if (this.#matchers.length === 0) return NO_RULES;
    const known = this.#byLane.get(laneId);
    if (known !== undefined) return known;
    const found = rulesFor(this.#matchers, find());
    // A lane that is not in the store has no number of its own.
    if (laneId < 0) return found;
    if (this.#byLane.size >= LANES_MAX) this.#byLane.clear();
    this.#byLane.set(laneId, found);
    return found;
  }

  /** Forgets a lane that is gone: its number may be given to another one. */
  forget(laneId: number): void {
    this.#byLane.delete(laneId);
  }

  add(rule: Rule): void {
    const budget = rule.kind === 'budget' ? rule : null;
    this.#sql.addRule.run(
      rule.id,
      rule.kind,
      rule.app,
      rule.destination,
      budget?.limit ?? null,
      budget?.unit ?? null,
      budget?.per ?? null,
      rule.note,
      rule.createdAt,
    );
    this.reload();
  }

  /** False when there is no such rule. */
  remove(id: string): boolean {
    const { changes } = this.#sql.removeRule.run(id);
    this.#sql.removeBudgetUse.run(id);
    this.reload();
    return changes > 0;
  }

  /** What is left of a budget in the present window. */
  left(budget: BudgetRule, now: number): number {
    const row = this.#sql.findBudgetUse.get(budget.id, windowStart(budget, now)) as Row | undefined;
    return budget.limit - Number(row?.used ?? 0);
  }

  charge(budgets: readonly BudgetRule[], dataBytes: number, now: Now): void {
    for (const budget of budgets) {
      const cost = costOf(budget, dataBytes);
      this.#sql.addBudgetUse.run(budget.id, windowStart(budget, now.wall), cost, now.steady);
    }
  }
}

/** What a batch of new jobs would take of budgets, one job after the other. */
export class BudgetCheck {
  readonly #book: RuleBook;
  readonly #now: number;
  readonly #left = new Map<string, number>();

  constructor(book: RuleBook, now: number) {
    this.#book = book;
    this.#now = now;
  }

  /** Takes what a job costs; the first budget that has too little left, and then none is taken. */
  take(budgets: readonly BudgetRule[], dataBytes: number): BudgetRule | null {
    for (const budget of budgets) {
      const left = this.#left.get(budget.id) ?? this.#book.left(budget, this.#now);
      const after = left - costOf(budget, dataBytes);
      if (after < 0) return budget;
      this.#left.set(budget.id, after);
    }
    return null;
  }
}

export function toRule(row: Row): Rule {
  const base = {
    id: String(row.id),
    app: textOrNull(row.app),
    destination: textOrNull(row.destination),
    note: textOrNull(row.note),
    createdAt: Number(row.created_at),
  };
  if (row.kind !== 'budget') return { ...base, kind: row.kind as 'block' | 'hold' };
  const { unit, per } = row as { unit: BudgetRule['unit']; per: BudgetRule['per'] };
  return { ...base, kind: 'budget', limit: Number(row.budget_limit), unit, per };
}

function textOrNull(value: unknown): string | null {
  return value === null ? null : String(value);
}
