import { useState } from 'preact/hooks';
import { type BudgetUse, budgetUntil, isBudget } from '../model/rules.ts';
import { Release } from '../parts/concerns.tsx';
import { Icon, type IconName } from '../parts/icon.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { StopDialog } from '../parts/stop.tsx';
import { amount, removeRule, usedAmount } from '../state/actions.ts';
import { budgets, rules } from '../state/box.ts';
import { now } from '../state/clock.ts';
import { format, t, targetText } from '../texts/texts.ts';
import type { Rule } from '../wire.ts';

const ICONS = { hold: 'pause', block: 'block', budget: 'limit' } as const satisfies Record<string, IconName>;

/** What the owner decided, and how to take it back. */
export function RulesView() {
  const [isMaking, setMaking] = useState(false);
  return (
    <>
      <h1 tabIndex={-1}>{t.rules.title}</h1>
      <p class="lead">{t.rules.lead}</p>
      <p>
        <button type="button" onClick={() => setMaking(true)}>
          {t.rules.add}
        </button>
      </p>
      {isMaking && <StopDialog subject={{}} onClose={() => setMaking(false)} />}
      <Loaded of={rules}>
        {(known) =>
          known.length === 0 ? (
            <p class="empty">{t.rules.empty}</p>
          ) : (
            <ul class="rule-list">
              {known.map((rule) => (
                <RuleItem key={rule.id} rule={rule} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

function RuleItem({ rule }: { readonly rule: Rule }) {
  const { kind, note } = rule;
  const use = budgets.value?.get(rule.id);
  return (
    <li class={`card rule ${kind}`}>
      <Icon name={ICONS[kind]} />
      <div class="rule-words">
        <h2>
          {t.rules.kinds[kind]}: <bdi>{targetText(rule)}</bdi>
        </h2>
        {isBudget(rule) && (
          <p>
            {(rule.per === 'day' ? t.rules.perDay : t.rules.perHour)(amount(rule.limit, rule.unit))}
            {use !== undefined && <Use use={use} />}
          </p>
        )}
        {note !== undefined && (
          <p>
            {t.rules.note}: <bdi>{note}</bdi>
          </p>
        )}
        <p class="aside">{t.rules.made(format.exactly(Date.parse(rule.created_at)))}</p>
      </div>
      <div class="rule-actions">{kind === 'hold' ? <Release rule={rule} /> : <Remove rule={rule} />}</div>
    </li>
  );
}

function Use({ use: { rule, used, fraction, isNearlyUsed } }: { readonly use: BudgetUse }) {
  const text = t.rules.used({
    used: usedAmount(used, rule.unit),
    limit: amount(rule.limit, rule.unit),
    percent: format.percent(fraction),
  });
  return (
    <>
      <span class={isNearlyUsed ? 'meter nearly' : 'meter'} aria-hidden="true">
        <span style={{ inlineSize: `${Math.min(100, 100 * fraction)}%` }} />
      </span>
      <span class="aside">
        {text}, {t.rules.anew(format.moment(budgetUntil(rule, now.value), now.value))}
      </span>
    </>
  );
}

/** It can be made again, so nothing is asked. */
function Remove({ rule }: { readonly rule: Rule }) {
  const action = t.rules.remove[rule.kind];
  return (
    <button
      type="button"
      aria-label={t.rules.removeOf(action, targetText(rule))}
      onClick={() => removeRule(rule)}
    >
      {action}
    </button>
  );
}
