import type { WireRule } from '../../client/wire.ts';
import { ExportError } from '../export/errors.ts';
import type { NewRule } from '../export/owner-service.ts';
import type { Rule } from '../export/rules.ts';
import type { Members } from './json-body.ts';
import { judgeBy } from './schema/judge.ts';
import { BLOCK_OR_HOLD_SCHEMA, BUDGET_SCHEMA, RULE_KIND_SCHEMA } from './schema/owner-schemas.ts';

const BUDGET_FIELDS = ['limit', 'unit', 'per'] as const;

/** A rule as the owner's interface has it (section 5); what it does not have is left out. */
export function wireRule(rule: Rule): WireRule {
  const { id, kind, app, destination, note, createdAt } = rule;
  return {
    id,
    kind,
    ...(app === null ? {} : { app }),
    ...(destination === null ? {} : { destination }),
    ...(rule.kind === 'budget' ? { limit: rule.limit, unit: rule.unit, per: rule.per } : {}),
    ...(note === null ? {} : { note }),
    created_at: new Date(createdAt).toISOString(),
  };
}

const judgeKind = judgeBy(RULE_KIND_SCHEMA);
const judgeBlockOrHold = judgeBy(BLOCK_OR_HOLD_SCHEMA);
const judgeBudget = judgeBy(BUDGET_SCHEMA);

/** A new rule whose members have the kinds that its schema says; what is left out may also be null. */
type RuleMembers = {
  readonly app?: string | null;
  readonly destination?: string | null;
  readonly note?: string | null;
} & (
  | { readonly kind: 'block' | 'hold' }
  | {
      readonly kind: 'budget';
      readonly limit: number;
      readonly unit: 'bytes' | 'exports';
      readonly per: 'hour' | 'day';
    }
);

/**
 * Reads a new rule; what its fields hold beyond their kind is the domain's to judge.
 *
 * @throws ExportError `invalid_request`, naming the field
 */
export function readRule(json: Members): NewRule {
  const members = judgedRule(json);
  const { app = null, destination = null, note = null } = members;
  const target = { app, destination, note };
  if (members.kind !== 'budget') return { ...target, kind: members.kind };
  const { kind, limit, unit, per } = members;
  return { ...target, kind, limit, unit, per };
}

function judgedRule(json: Members): RuleMembers {
  judgeKind(json);
  if (json.kind === 'budget') judgeBudget(json);
  else {
    const odd = BUDGET_FIELDS.find((name) => json[name] !== undefined);
    if (odd !== undefined) {
      throw new ExportError('invalid_request', `"${odd}" belongs to a budget, and this is a ${json.kind}.`);
    }
    judgeBlockOrHold(json);
  }
  return json as unknown as RuleMembers;
}
