import type { ProblemCode } from '../problem.ts';
import type { JsonSchema } from '../schema/json-schema.ts';
import {
  CANCELLED_SCHEMA,
  OWNED_EXPORT_SCHEMA,
  OWNED_EXPORTS_SCHEMA,
  REFRESHED_SCHEMA,
  RULE_SCHEMA,
  RULES_SCHEMA,
  SIGNING_KEYS_SCHEMA,
  SUMMARIES_SCHEMA,
} from '../schema/owner-answer-schemas.ts';
import {
  BLOCK_OR_HOLD_SCHEMA,
  BUDGET_SCHEMA,
  EXPORT_QUERY_SCHEMA,
  REFRESH_SCHEMA,
  SUMMARY_QUERY_SCHEMA,
} from '../schema/owner-schemas.ts';
import type { Content, Operation, Parameter } from './operation.ts';

/** What the owner of the box may see and do. */
export const OWNER_OPERATIONS: readonly Operation[] = [
  {
    ...owner('get', '/owner/exports', 'listExports', 'What left, and what is on its way'),
    description: 'Newest first, by page.',
    parameters: queryParameters(EXPORT_QUERY_SCHEMA),
    answer: json('A page of exports.', OWNED_EXPORTS_SCHEMA),
    refusals: refusals('invalid_request'),
  },
  {
    ...owner('get', '/owner/exports/{id}', 'showExport', 'One export, with its attempts'),
    description: 'Never what was exported.',
    parameters: [id('export')],
    answer: json('The export.', OWNED_EXPORT_SCHEMA),
    refusals: refusals('unknown_export'),
  },
  {
    ...owner('post', '/owner/exports/{id}/cancel', 'cancelExport', 'Stop an export'),
    description:
      'A request that is open to the destination ends as it does; nothing more is sent. The app sees `403 Forbidden` with the code `cancelled`.',
    parameters: [id('export')],
    answer: json('It is cancelled.', CANCELLED_SCHEMA),
    refusals: refusals('invalid_request', 'unknown_export', 'already_finished'),
  },
  {
    ...owner('get', '/owner/summary', 'summary', 'What went where: counts and bytes'),
    description: 'For each app and destination.',
    parameters: queryParameters(SUMMARY_QUERY_SCHEMA),
    answer: json('All of them, on one page.', SUMMARIES_SCHEMA),
    refusals: refusals('invalid_request'),
  },
  {
    ...owner('get', '/owner/rules', 'listRules', 'The rules'),
    description: 'Every rule that holds now.',
    answer: json('All of them, on one page.', RULES_SCHEMA),
    refusals: refusals(),
  },
  {
    ...owner('post', '/owner/rules', 'addRule', 'Make a rule'),
    description: 'It holds from the answer on, also for exports that are on their way.',
    body: {
      contentType: 'application/json',
      schema: { anyOf: [BLOCK_OR_HOLD_SCHEMA, BUDGET_SCHEMA] },
      examples: {
        block: {
          summary: 'Nothing more to this destination',
          value: { kind: 'block', destination: 'https://lab.example/in' },
        },
        hold: { summary: 'Nothing of this app for now', value: { kind: 'hold', app: 'steps' } },
        budget: {
          summary: 'At most a hundred exports a day',
          value: { kind: 'budget', limit: 100, unit: 'exports', per: 'day', note: 'enough' },
        },
      },
    },
    answer: json('The rule.', RULE_SCHEMA),
    refusals: refusals('invalid_json', 'invalid_request'),
  },
  {
    ...owner('delete', '/owner/rules/{id}', 'removeRule', 'Remove a rule'),
    description: 'Removing a `hold` releases what it held.',
    parameters: [id('rule')],
    answer: { status: 204, description: 'It is gone.' },
    refusals: refusals('invalid_request', 'not_found'),
  },
  {
    ...owner('post', '/owner/root-key/refresh', 'refreshRootKey', 'Get a new root key from the arbiter'),
    description: 'Tokens under the last keys stay good, unless `drop_old` ends them.',
    body: { contentType: 'application/json', schema: REFRESH_SCHEMA, isOptional: true },
    answer: json('The arbiter gave one.', REFRESHED_SCHEMA),
    refusals: refusals('invalid_json', 'invalid_request', 'not_found'),
  },
  {
    ...owner('post', '/owner/signing-key/rotate', 'rotateSigningKey', 'Sign deliveries with a new key'),
    description:
      'The old one goes on signing beside it for a day, so that receivers have time to learn of the new one.',
    answer: json('The public keys that are good now.', SIGNING_KEYS_SCHEMA),
    refusals: refusals('invalid_request'),
  },
];

function owner(method: Operation['method'], path: string, operationId: string, summary: string) {
  return { method, path, operationId, summary, tag: 'Owner', needsToken: true } as const;
}

function json(description: string, schema: JsonSchema): Operation['answer'] {
  const content: Content = { contentType: 'application/json', schema };
  return { description, content };
}

/** Those that every route of the owner has, around its own. */
function refusals(...own: readonly ProblemCode[]): readonly ProblemCode[] {
  return [
    'no_root_key',
    'missing_token',
    'malformed_token',
    'invalid_token',
    'caveat_refused',
    'caveat_missing',
    ...own,
    'store_unavailable',
    'internal_error',
  ];
}

function id(what: string): Parameter {
  return {
    name: 'id',
    in: 'path',
    required: true,
    description: `Of the ${what}.`,
    schema: { type: 'string', format: 'uuid' },
  };
}

/** A schema that judges a query, as parameters. */
function queryParameters({
  properties,
}: {
  readonly properties: Readonly<Record<string, JsonSchema>>;
}): Parameter[] {
  return Object.entries(properties).map(([name, { description = '', ...schema }]) => ({
    name,
    in: 'query',
    description,
    schema,
  }));
}
