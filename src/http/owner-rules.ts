import { ExportError } from '../export/errors.ts';
import type { NewRule } from '../export/owner-service.ts';
import type { Rule } from '../export/rules.ts';
import type { Members } from './json-body.ts';

/** A rule as the owner's interface has it (section 5); what it does not have is left out. */
export interface WireRule {
  readonly id: string;
  readonly kind: Rule['kind'];
  readonly app?: string;
  readonly destination?: string;
  readonly limit?: number;
  readonly unit?: 'bytes' | 'exports';
  readonly per?: 'hour' | 'day';
  readonly note?: string;
  readonly created_at: string;
}

export const RULE_FIELDS = ['kind', 'app', 'destination', 'limit', 'unit', 'per', 'note'] as const;
const BUDGET_FIELDS = ['limit', 'unit', 'per'] as const;

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

/**
 * Reads a new rule; what its fields hold beyond their kind is the domain's to judge.
 *
 * @throws ExportError `invalid_request`, naming the field
 */
export function readRule(json: Members): NewRule {
  const kind = oneOf(json, 'kind', ['block', 'hold', 'budget']);
  const target = { app: text(json, 'app'), destination: text(json, 'destination'), note: text(json, 'note') };
  if (kind === 'budget') {
    const unit = oneOf(json, 'unit', ['bytes', 'exports']);
    return { ...target, kind, limit: number(json, 'limit'), unit, per: oneOf(json, 'per', ['hour', 'day']) };
  }
  const odd = BUDGET_FIELDS.find((name) => json[name] !== undefined);
  if (odd !== undefined) throw refused(`"${odd}" belongs to a budget, and this is a ${kind}.`);
  return { ...target, kind };
}

function oneOf<const T extends string>(json: Members, name: string, values: readonly T[]): T {
  const found = values.find((value) => value === json[name]);
  if (found === undefined)
    throw refused(`"${name}" is one of ${values.map((value) => `"${value}"`).join(', ')}.`);
  return found;
}

/** Null when it is left out, or null. */
function text(json: Members, name: string): string | null {
  const value = json[name] ?? null;
  if (value !== null && typeof value !== 'string') throw refused(`"${name}" is no string.`);
  return value;
}

function number(json: Members, name: string): number {
  const value = json[name];
  if (typeof value !== 'number') throw refused(`"${name}" is no number.`);
  return value;
}

function refused(detail: string): ExportError {
  return new ExportError('invalid_request', detail);
}
