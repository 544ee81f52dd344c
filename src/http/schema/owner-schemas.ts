import type { JsonSchema } from './json-schema.ts';

/** Exports on a page: the most, and when nothing is said. */
export const PAGE_EXPORTS_MAX = 500;
export const PAGE_EXPORTS = 50;

/** Entries of the ledger on a page: the same. */
export const PAGE_ENTRIES = PAGE_EXPORTS;

/** A body that takes nothing, or none at all. */
export const NOTHING_SCHEMA = {
  title: 'nothing',
  type: 'object',
  properties: {},
  additionalProperties: false,
} as const satisfies JsonSchema;

export const SESSION_SCHEMA = {
  title: 'sign-in',
  type: 'object',
  properties: {
    code: {
      title: 'code of a one-time link',
      description: 'What stands in the fragment of a one-time link.',
      type: 'string',
      pattern: '^[A-Za-z0-9_-]{1,100}$',
    },
  },
  required: ['code'],
  additionalProperties: false,
} as const satisfies JsonSchema;

export const REFRESH_SCHEMA = {
  title: 'refresh',
  type: 'object',
  properties: {
    drop_old: { type: 'boolean', description: 'Ends every token in the field.', default: false },
  },
  additionalProperties: false,
} as const satisfies JsonSchema;

const RULE_KINDS = ['block', 'hold', 'budget'] as const;

/** Which of the following two is meant. */
export const RULE_KIND_SCHEMA = {
  type: 'object',
  properties: { kind: { description: '"block", "hold" or "budget".', enum: RULE_KINDS } },
  required: ['kind'],
} as const satisfies JsonSchema;

const RULE_TARGET = {
  app: {
    title: 'string',
    description: 'The macaroon identifier of the app; left out or null, every app.',
    type: ['string', 'null'],
  },
  destination: {
    title: 'string',
    description: 'An exact URL, or an origin; left out or null, every destination.',
    type: ['string', 'null'],
  },
  note: { title: 'string', description: "The owner's own words.", type: ['string', 'null'] },
} as const satisfies JsonSchema['properties'];

export const BLOCK_OR_HOLD_SCHEMA = {
  title: 'block or hold',
  type: 'object',
  properties: {
    kind: {
      description:
        '`block` refuses new exports and stops those on the way; `hold` queues and sends nothing until the rule is removed.',
      enum: ['block', 'hold'],
    },
    ...RULE_TARGET,
  },
  required: ['kind'],
  additionalProperties: false,
} as const satisfies JsonSchema;

export const BUDGET_SCHEMA = {
  title: 'budget',
  type: 'object',
  properties: {
    kind: { description: 'New exports beyond it are refused with 429.', enum: ['budget'] },
    limit: { title: 'number', description: 'How much may leave: a whole number.', type: 'number' },
    unit: { description: 'What is counted.', enum: ['bytes', 'exports'] },
    per: { description: 'In which time, by UTC.', enum: ['hour', 'day'] },
    ...RULE_TARGET,
  },
  required: ['kind', 'limit', 'unit', 'per'],
  additionalProperties: false,
} as const satisfies JsonSchema;

export const EXPORT_QUERY_SCHEMA = {
  type: 'object',
  properties: {
    app: { title: 'string', description: 'Only those of this macaroon identifier.', type: 'string' },
    destination: {
      title: 'string',
      description:
        'Only those to this URL, or to this origin, such as `https://lab.example`: what a rule for it is about.',
      type: 'string',
    },
    state: { description: 'Only those in this state.', enum: ['Pending', 'Processing', 'Finished'] },
    before: {
      title: '"next" of a page',
      description: 'The `next` of the page before; left out, the newest.',
      type: 'string',
      pattern: '^[0-9]{1,15}$',
    },
    limit: {
      title: `whole number from 1 to ${PAGE_EXPORTS_MAX}`,
      description: 'Exports on the page.',
      type: 'integer',
      minimum: 1,
      maximum: PAGE_EXPORTS_MAX,
      default: PAGE_EXPORTS,
    },
  },
  additionalProperties: false,
} as const satisfies JsonSchema;

const INSTANT_SCHEMA = {
  title: 'time such as 2026-11-24T12:00:00Z, nor a day such as 2026-11-24',
  type: 'string',
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].*)?$',
} as const satisfies JsonSchema;

export const SUMMARY_QUERY_SCHEMA = {
  type: 'object',
  properties: {
    since: { ...INSTANT_SCHEMA, description: 'Accepted at this time (RFC 3339) or day (of UTC), or later.' },
    until: { ...INSTANT_SCHEMA, description: 'Accepted before this time or day, as for `since`.' },
  },
  additionalProperties: false,
} as const satisfies JsonSchema;

const LOG = {
  title: 'string',
  description: 'The origin of the log; may be left out where there is one.',
  type: 'string',
} as const satisfies JsonSchema;

export const LOG_QUERY_SCHEMA = {
  type: 'object',
  properties: { log: LOG },
  additionalProperties: false,
} as const satisfies JsonSchema;

export const LEDGER_QUERY_SCHEMA = {
  type: 'object',
  properties: {
    log: LOG,
    from: {
      title: 'whole number',
      description: 'The first entry of the page; left out, 0.',
      type: 'integer',
      minimum: 0,
      maximum: 2 ** 40,
      default: 0,
    },
    limit: {
      title: `whole number from 1 to ${PAGE_EXPORTS_MAX}`,
      description: 'Entries on the page.',
      type: 'integer',
      minimum: 1,
      maximum: PAGE_EXPORTS_MAX,
      default: PAGE_ENTRIES,
    },
  },
  additionalProperties: false,
} as const satisfies JsonSchema;
