import type { JsonSchema } from './json-schema.ts';

/** Why an export ended without an answer, or why its last attempt failed. */
const FAILURE_SCHEMA = {
  type: 'object',
  properties: {
    code: { type: 'string', description: 'To branch on; the list is under Errors.', examples: ['timeout'] },
    detail: { type: 'string', description: 'For people.' },
  },
  required: ['code', 'detail'],
} as const satisfies JsonSchema;

const RESPONSE_SCHEMA = {
  title: 'answer',
  description: 'There once the state is `Finished`; empty before.',
  anyOf: [
    { title: 'not ended', type: 'object', maxProperties: 0 },
    {
      title: 'ended',
      type: 'object',
      properties: {
        status: {
          type: 'string',
          description: 'Number and name, or the number alone where it has no name.',
          examples: ['200 OK'],
        },
        body: {
          type: 'string',
          description: 'What the destination answered; bytes that are not UTF-8 become U+FFFD.',
        },
        truncated: {
          const: true,
          description: 'There when the body was longer than the service keeps.',
        },
        error: {
          ...FAILURE_SCHEMA,
          description:
            'There only when no answer of the destination ended the export; `status` stands in for one.',
        },
      },
      required: ['status', 'body'],
    },
  ],
} as const satisfies JsonSchema;

export const EXPORT_SCHEMA = {
  title: 'export',
  description: 'An export as it is now.',
  type: 'object',
  properties: {
    id: { type: 'string', format: 'uuid', description: 'To poll with.' },
    state: {
      type: 'string',
      enum: ['Pending', 'Processing', 'Finished'],
      description:
        '`Pending` while it is queued or held, `Processing` from the first attempt to the end, also between attempts, `Finished` once and for good.',
    },
    ext_response: RESPONSE_SCHEMA,
    attempts: {
      type: 'integer',
      description: 'Attempts so far. This and the next two are there while it waits for another attempt.',
    },
    next_attempt_at: { type: 'string', format: 'date-time' },
    last_error: {
      ...FAILURE_SCHEMA,
      description: 'Why the last attempt failed; `http_status` for an answer that is tried again.',
    },
  },
  required: ['id', 'state', 'ext_response'],
} as const satisfies JsonSchema;

/** @param codes what the operation can refuse with */
export function problemSchema(codes: readonly string[]) {
  return {
    title: 'problem',
    description: 'A refusal (RFC 9457).',
    type: 'object',
    properties: {
      type: {
        type: 'string',
        format: 'uri-reference',
        description: 'Leads to the section about the code.',
      },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string', description: 'What is wrong and what to do.' },
      code: { type: 'string', enum: codes, description: 'To branch on.' },
    },
    required: ['type', 'title', 'status', 'detail', 'code'],
  } as const satisfies JsonSchema;
}
