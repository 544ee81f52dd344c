import type { ProblemCode } from '../problem.ts';
import type { JsonSchema } from '../schema/json-schema.ts';
import {
  LEDGER_ENTRIES_SCHEMA,
  LEDGER_LOGS_SCHEMA,
  LINK_SCHEMA,
  OWNED_EXPORT_SCHEMA,
  OWNED_EXPORTS_SCHEMA,
  REFRESHED_SCHEMA,
  RULE_SCHEMA,
  RULES_SCHEMA,
  SESSION_OPENED_SCHEMA,
  SIGNING_KEYS_SCHEMA,
  SUMMARIES_SCHEMA,
} from '../schema/owner-answer-schemas.ts';
import {
  BLOCK_OR_HOLD_SCHEMA,
  BUDGET_SCHEMA,
  EXPORT_QUERY_SCHEMA,
  LEDGER_QUERY_SCHEMA,
  LOG_QUERY_SCHEMA,
  REFRESH_SCHEMA,
  SESSION_SCHEMA,
  SUMMARY_QUERY_SCHEMA,
} from '../schema/owner-schemas.ts';
import { type Content, type Operation, type Parameter, TOKEN_REFUSALS } from './operation.ts';

const EVENTS_DESCRIPTION = `Server-sent events, in one order, without payloads:

- \`export\`: an export is new or has changed; \`data\` is the export as \`GET /owner/exports/{id}\` answers it. One that changes many times in a moment is told of as it is in the end.
- \`rule\`: \`data\` is \`{"change": "added" or "removed", "rule": {…}}\`. Which exports a rule holds is not told again for each of them.
- \`reset\`: what happened since is no longer known one by one: after a restart of the service, a long absence, or when very much changes at once. Read the lists anew; events go on from there.

A comment is sent every 15 seconds. A reader that takes nothing for half a minute is cut off, and may come back with \`Last-Event-ID\`; browsers do that by themselves.`;

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
    answer: json('The export as it is now; what is being sent has not ended yet.', OWNED_EXPORT_SCHEMA),
    refusals: refusals('invalid_request', 'unknown_export', 'already_finished'),
  },
  {
    ...owner('post', '/owner/exports/{id}/redeliver', 'redeliverExport', 'Deliver an export once more'),
    description:
      'Its data leaves again, as a new export of the same app with as many attempts and a new `webhook-id`, as long as the data is kept (`--keep-payloads`). Rules, budgets and limits hold for it as for any new export.',
    parameters: [id('export')],
    answer: json('The new export; `redelivery_of` names the one that it repeats.', OWNED_EXPORT_SCHEMA),
    refusals: refusals(
      'shutting_down',
      'invalid_request',
      'unknown_export',
      'destination_refused',
      'payload_erased',
      'too_many_pending',
      'budget_exhausted',
      'store_full',
    ),
  },
  {
    ...owner('get', '/owner/summary', 'summary', 'What went where: counts and bytes'),
    description: 'For each app and destination.',
    parameters: queryParameters(SUMMARY_QUERY_SCHEMA),
    answer: json('All of them, on one page.', SUMMARIES_SCHEMA),
    refusals: refusals('invalid_request'),
  },
  {
    ...owner('get', '/owner/exports/{id}/receipt', 'receipt', 'Proof of how an export ended'),
    description:
      'A C2SP tlog-proof file: the entry of its end in the `extra` line, and the hashes that lead from it to a signed checkpoint. Whoever has the verifier key can check it without this box.',
    parameters: [id('export')],
    answer: text('The receipt.'),
    refusals: refusals('unknown_export', 'not_found'),
  },
  {
    ...owner('get', '/owner/ledger/logs', 'listLogs', 'The logs of the ledger'),
    description: 'In the order in which they began; the last one is written to.',
    answer: json('All of them, on one page.', LEDGER_LOGS_SCHEMA),
    refusals: refusals(),
  },
  {
    ...owner('get', '/owner/ledger', 'listEntries', 'Entries of the ledger'),
    description: 'What left the box, what did not, and who decided so; in the order of the log, by page.',
    parameters: queryParameters(LEDGER_QUERY_SCHEMA),
    answer: json('A page of entries.', LEDGER_ENTRIES_SCHEMA),
    refusals: refusals('invalid_request', 'not_found'),
  },
  {
    ...owner('get', '/owner/ledger/checkpoint', 'checkpoint', "A log's signed checkpoint"),
    description:
      'A C2SP tlog-checkpoint: origin, size, root hash, signature. Of the log that is written to it covers every entry there is.',
    parameters: queryParameters(LOG_QUERY_SCHEMA),
    answer: text('The signed note.'),
    refusals: refusals('invalid_request', 'not_found'),
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
    ...owner('get', '/owner/events', 'events', 'What is happening'),
    description: EVENTS_DESCRIPTION,
    parameters: [
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: 'The `id` of the last event that was read: the stream goes on after it.',
        schema: { type: 'string' },
      },
    ],
    answer: {
      description: 'A stream that ends when the connection does.',
      content: { contentType: 'text/event-stream', schema: { type: 'string' } },
    },
    refusals: refusals('too_many_waiting', 'shutting_down'),
  },
  {
    ...owner('post', '/owner/links', 'createLink', "Make a link to the owner's page"),
    description:
      'A one-time code, good for 10 minutes, that opens the page signed in. `export-service owner-link` prints the whole link.',
    answer: json('The code. It is not told again.', LINK_SCHEMA),
    refusals: refusals('invalid_request'),
  },
  {
    method: 'post',
    path: '/ui/session',
    operationId: 'openSession',
    tag: 'Owner',
    summary: "Sign the owner's page in",
    description:
      'Takes a one-time code and sets a cookie (`HttpOnly`, `SameSite=Strict`, over TLS `Secure`) that stands for an owner token on `/owner/*` for 12 hours. A change by cookie needs the header `Origin` of this very service.',
    needsToken: false,
    body: { contentType: 'application/json', schema: SESSION_SCHEMA },
    answer: {
      ...json('It is signed in.', SESSION_OPENED_SCHEMA),
      headers: { 'Set-Cookie': { description: 'The session.', schema: { type: 'string' } } },
    },
    refusals: [
      'caveat_refused',
      'invalid_json',
      'invalid_request',
      'invalid_token',
      'store_unavailable',
      'internal_error',
    ],
  },
  {
    method: 'delete',
    path: '/ui/session',
    operationId: 'endSession',
    tag: 'Owner',
    summary: "Sign the owner's page out",
    description: 'Ends the session of the cookie, and takes the cookie away. Harmless without one.',
    needsToken: false,
    answer: { status: 204, description: 'It is signed out.' },
    refusals: ['caveat_refused', 'store_unavailable', 'internal_error'],
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

function text(description: string): Operation['answer'] {
  return { description, content: { contentType: 'text/plain', schema: { type: 'string' } } };
}

/** Those that every route of the owner has, around its own. */
function refusals(...own: readonly ProblemCode[]): readonly ProblemCode[] {
  return [...TOKEN_REFUSALS, ...own, 'store_unavailable', 'internal_error'];
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
