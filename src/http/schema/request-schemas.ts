import { DESTINATION_BYTES_MAX } from '../../export/destination.ts';
import { JSON_DEPTH_MAX } from '../json-depth.ts';
import type { JsonSchema } from './json-schema.ts';

/** Most elements of a batch. */
export const BATCH_ELEMENTS_MAX = 1_000;

export const NIL_UUID = '00000000-0000-0000-0000-000000000000';

export const UUID_SCHEMA = {
  title: 'UUID',
  description: "The export's id, from the answer to its submission.",
  type: 'string',
  format: 'uuid',
  pattern: '^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$',
} as const satisfies JsonSchema;

export const IDEMPOTENCY_KEY_SCHEMA = {
  title: 'text of 1 to 255 visible ASCII characters',
  description:
    'Two submissions with the same key and destination are one export. Make it random, and repeat with it when an answer was lost.',
  type: 'string',
  pattern: '^[\\x21-\\x7e]{1,255}$',
} as const satisfies JsonSchema;

const DATA_SCHEMA = {
  title: 'JSON',
  description:
    'What to export: a string that holds JSON text, which is sent byte for byte, or any other JSON value, which is sent as compact JSON with the digits of its numbers as given. ' +
    `No body, and no string in it that holds JSON, is nested deeper than ${JSON_DEPTH_MAX} levels.`,
  type: ['string', 'object', 'array', 'number', 'boolean', 'null'],
  contentMediaType: 'application/json',
  examples: [{ room: 'Küche', celsius: 21.5 }, '{"celsius": 36.60}'],
} as const satisfies JsonSchema;

const URI_SCHEMA = {
  title: 'string',
  description:
    `The destination's URL, exactly as the token names it; at most ${DESTINATION_BYTES_MAX} bytes. ` +
    'It must be `https:`, unless the service is set to allow `http:`.',
  type: 'string',
  format: 'uri',
  examples: ['https://lab.example/in'],
} as const satisfies JsonSchema;

/** @param attemptsMax the most that a request may ask for */
export function newExportSchema(attemptsMax: number) {
  return {
    title: 'new export',
    description: 'Something to be delivered. Members that are not listed are ignored.',
    type: 'object',
    properties: {
      id: {
        description: 'Left out, null, empty or the nil UUID: with any other id it is a poll.',
        enum: [null, '', NIL_UUID],
      },
      uri: URI_SCHEMA,
      data: DATA_SCHEMA,
      attempts_max: {
        title: `whole number from 1 to ${attemptsMax}`,
        description: 'Attempts at the delivery; 1 is one try and no more.',
        type: 'integer',
        minimum: 1,
        maximum: attemptsMax,
        default: attemptsMax,
      },
      idempotency_key: {
        ...IDEMPOTENCY_KEY_SCHEMA,
        description:
          'In a batch, where every element may have one of its own; see the header `Idempotency-Key`.',
      },
    },
    required: ['uri', 'data'],
  } as const satisfies JsonSchema;
}

export const POLL_SCHEMA = {
  title: 'poll',
  description: 'Asks how an export goes. Members that are not listed are ignored.',
  type: 'object',
  properties: {
    id: UUID_SCHEMA,
    uri: {
      ...URI_SCHEMA,
      description: "When it is given, it must be the export's destination.",
    },
  },
  required: ['id'],
} as const satisfies JsonSchema;
