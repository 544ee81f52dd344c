import type { HttpSettings } from '../http-settings.ts';
import type { ProblemCode } from '../problem.ts';
import type { JsonSchema, JsonSchemaReference } from '../schema/json-schema.ts';
import { BATCH_ELEMENTS_MAX, IDEMPOTENCY_KEY_SCHEMA } from '../schema/request-schemas.ts';
import { type Content, type Operation, type Parameter, TOKEN_REFUSALS } from './operation.ts';

const ID = '01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061';
const URI = 'https://lab.example/in';

/** The operations for apps. */
export function appOperations(settings: HttpSettings): readonly Operation[] {
  const longPollMaxSeconds = Math.floor(settings.longPollMaxMs / 1_000);
  return [
    {
      ...SHARED,
      path: '/export',
      operationId: 'export',
      summary: 'Export, or ask how an export goes',
      description: `${WHAT_IT_DOES}\n\n${bounds(settings)}`,
      parameters: [IDEMPOTENCY_KEY, prefer(longPollMaxSeconds)],
      example: 'export',
    },
    {
      ...SHARED,
      path: '/lp/export',
      operationId: 'longPollExport',
      summary: 'The same, and a poll waits for the next change of state',
      description: `Takes and answers what \`/export\` does. A poll is answered when the state has changed, or when \`timeout\` is over, with the present state. A new export is answered at once here too, unless \`Prefer: wait\` asks otherwise.\n\n${bounds(settings)}`,
      parameters: [timeout(longPollMaxSeconds), IDEMPOTENCY_KEY, prefer(longPollMaxSeconds)],
      example: 'watch',
    },
  ];
}

const WHAT_IT_DOES = `A new export (no \`id\`) is answered as soon as it is on disk, as \`Pending\`; from then on it is delivered whatever happens to the service, and its id asks how it goes. With an \`id\` it is a poll. An array is a batch: all are accepted or none, and the answers come in its order.

What is exported goes to \`uri\` as the body of a POST. Whatever the destination answers ends the export, except 408, 425, 429 and most 5xx, which are tried again, as is every failure before an answer. A finished export can be polled again and again, until the service forgets it.`;

function bounds({ bodyBytesMax, attemptsMax }: HttpSettings): string {
  return `Here a body has at most ${bodyBytesMax} bytes, a batch ${BATCH_ELEMENTS_MAX} elements, and an export ${attemptsMax} attempts.`;
}

const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  description: `${IDEMPOTENCY_KEY_SCHEMA.description} Of a single new export; good for 24 hours, or to the end of the export if that is later.`,
  schema: { type: 'string', pattern: IDEMPOTENCY_KEY_SCHEMA.pattern },
};

function prefer(secondsMax: number): Parameter {
  return {
    name: 'Prefer',
    in: 'header',
    description: `\`wait=SECONDS\` (RFC 7240): the answer comes when the export is \`Finished\` or the time is over, after ${secondsMax} seconds at most. Of a single export, new or polled; a batch never waits.`,
    schema: { type: 'string', examples: ['wait=30'] },
  };
}

function timeout(secondsMax: number): Parameter {
  return {
    name: 'timeout',
    in: 'query',
    description: `Seconds that a poll waits for a change, ${secondsMax} at most. What is no number counts as 5.`,
    schema: { type: 'number', default: 5, maximum: secondsMax },
  };
}

const NEW_EXPORT: JsonSchemaReference = { $ref: '#/components/schemas/NewExport' };
const POLL: JsonSchemaReference = { $ref: '#/components/schemas/Poll' };
const EXPORT: JsonSchemaReference = { $ref: '#/components/schemas/Export' };

function batchOf(title: string, items: JsonSchemaReference): JsonSchema {
  return { title, type: 'array', items, minItems: 1, maxItems: BATCH_ELEMENTS_MAX };
}

const BODY: Content = {
  contentType: 'application/json',
  schema: {
    anyOf: [NEW_EXPORT, POLL, batchOf('batch of new exports', NEW_EXPORT), batchOf('batch of polls', POLL)],
  },
  examples: {
    value: {
      summary: 'A new export of a JSON value',
      value: { uri: URI, data: { room: 'Küche', celsius: 21.5 } },
    },
    text: {
      summary: 'A new export of JSON text, sent byte for byte',
      value: { uri: URI, data: '{"celsius": 36.60}', attempts_max: 1 },
    },
    poll: { summary: 'A poll', value: { id: ID } },
    batch: {
      summary: 'A batch of new exports',
      value: [
        { uri: URI, data: [1], idempotency_key: 'reading-17' },
        { uri: URI, data: [2], idempotency_key: 'reading-18' },
      ],
    },
    polls: { summary: 'A batch of polls', value: [{ id: ID }] },
  },
};

const ANSWER: Operation['answer'] = {
  description: 'The export as it is now, or those of the batch, in its order.',
  headers: {
    'Preference-Applied': {
      description: 'With `Prefer: wait`: the seconds applied.',
      schema: { type: 'string', examples: ['wait=30'] },
    },
  },
  content: {
    contentType: 'application/json',
    schema: { anyOf: [EXPORT, { title: 'batch', type: 'array', items: EXPORT }] },
    examples: {
      pending: { summary: 'On disk', value: { id: ID, state: 'Pending', ext_response: {} } },
      waiting: {
        summary: 'Between attempts',
        value: {
          id: ID,
          state: 'Processing',
          ext_response: {},
          attempts: 2,
          next_attempt_at: '2026-03-01T12:00:30.000Z',
          last_error: { code: 'http_status', detail: 'The destination answered 503 Service Unavailable.' },
        },
      },
      finished: {
        summary: 'Answered by the destination',
        value: { id: ID, state: 'Finished', ext_response: { status: '200 OK', body: 'thanks' } },
      },
      failed: {
        summary: 'Ended without an answer',
        value: {
          id: ID,
          state: 'Finished',
          ext_response: {
            status: '504 Gateway Timeout',
            body: '',
            error: { code: 'timeout', detail: 'The destination did not answer within 30 s.' },
          },
        },
      },
    },
  },
};

/** In the order of judgement; those that only some configurations know are left out where they are not known. */
const REFUSALS: readonly ProblemCode[] = [
  ...TOKEN_REFUSALS,
  'payload_too_large',
  'invalid_json',
  'invalid_request',
  'destination_missing',
  'destination_refused',
  'idempotency_mismatch',
  'budget_exhausted',
  'too_many_waiting',
  'too_many_pending',
  'unknown_export',
  'shutting_down',
  'store_full',
  'store_unavailable',
  'internal_error',
];

const SHARED = {
  method: 'post',
  tag: 'Exports',
  needsToken: true,
  body: BODY,
  answer: ANSWER,
  refusals: REFUSALS,
} as const satisfies Partial<Operation>;
