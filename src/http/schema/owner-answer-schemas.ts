import { isFinal } from '../../export/job.ts';
import { JOB_STATES } from '../../export/job-store.ts';
import type { JsonSchema } from './json-schema.ts';

const TIME = { type: 'string', format: 'date-time' } as const satisfies JsonSchema;
const TIME_OR_NULL = { type: ['string', 'null'], format: 'date-time' } as const satisfies JsonSchema;
const COUNT = { type: 'integer', minimum: 0 } as const satisfies JsonSchema;
const APP = {
  type: ['string', 'null'],
  description: 'The macaroon identifier; null when the token has none, as those of a real arbiter.',
} as const satisfies JsonSchema;

function pageOf(items: JsonSchema) {
  return {
    type: 'object',
    properties: {
      items: { type: 'array', items },
      next: { type: ['string', 'null'], description: 'For `before`; null on the last page.' },
    },
    required: ['items', 'next'],
  } as const satisfies JsonSchema;
}

const ATTEMPT_SCHEMA = {
  title: 'attempt',
  type: 'object',
  properties: {
    number: { type: 'integer', minimum: 1 },
    started_at: TIME,
    ended_at: TIME,
    address: { type: ['string', 'null'], description: 'The address connected to.' },
    tls_fingerprint: {
      type: ['string', 'null'],
      pattern: '^[0-9a-f]{64}$',
      description:
        'SHA-256 of the certificate shown there, also of one that was refused; null without TLS, or when none was shown.',
    },
    status: { type: ['integer', 'null'], description: "Of the destination's answer." },
    error: {
      type: ['object', 'null'],
      properties: { code: { type: 'string' }, detail: { type: 'string' } },
      required: ['code', 'detail'],
    },
  },
  required: ['number', 'started_at', 'ended_at', 'address', 'tls_fingerprint', 'status', 'error'],
} as const satisfies JsonSchema;

export const OWNED_EXPORT_SCHEMA = {
  title: 'export',
  description: 'An export as its owner sees it; never what was exported.',
  type: 'object',
  properties: {
    id: { type: 'string', format: 'uuid' },
    app: APP,
    peer: {
      type: ['string', 'null'],
      description:
        'Who handed it in: an address, and in brackets its name on the network of the box, where a reverse lookup gives one. It is not proven, and says nothing about the app.',
    },
    destination: { type: 'string', format: 'uri' },
    state: { type: 'string', enum: ['Pending', 'Processing', 'Finished'] },
    outcome: {
      description: 'How it ended; null until then.',
      enum: [...JOB_STATES.filter(isFinal), null],
    },
    bytes: { ...COUNT, description: 'Of its data.' },
    accepted_at: TIME,
    finished_at: TIME_OR_NULL,
    attempts: { type: 'array', items: ATTEMPT_SCHEMA },
    held_by: { type: ['string', 'null'], description: 'The rule that keeps it from leaving.' },
    redelivery_of: { type: ['string', 'null'], description: 'The export that this one repeats.' },
  },
  required: [
    'id',
    'app',
    'peer',
    'destination',
    'state',
    'outcome',
    'bytes',
    'accepted_at',
    'finished_at',
    'attempts',
    'held_by',
    'redelivery_of',
  ],
} as const satisfies JsonSchema;

export const OWNED_EXPORTS_SCHEMA = pageOf(OWNED_EXPORT_SCHEMA);

export const SUMMARIES_SCHEMA = pageOf({
  title: 'summary',
  type: 'object',
  properties: {
    app: APP,
    destination: { type: 'string', format: 'uri' },
    accepted: COUNT,
    outcomes: {
      type: 'object',
      description: 'How many ended how; `open` have not.',
      properties: {
        delivered: COUNT,
        undeliverable: COUNT,
        blocked: COUNT,
        cancelled: COUNT,
        open: COUNT,
      },
      required: ['delivered', 'undeliverable', 'blocked', 'cancelled', 'open'],
    },
    bytes: COUNT,
    first_at: TIME,
    last_at: TIME,
  },
  required: ['app', 'destination', 'accepted', 'outcomes', 'bytes', 'first_at', 'last_at'],
});

export const RULE_SCHEMA = {
  title: 'rule',
  description: 'What a rule does not have is left out.',
  type: 'object',
  properties: {
    id: { type: 'string' },
    kind: { type: 'string', enum: ['block', 'hold', 'budget'] },
    app: { type: 'string' },
    destination: { type: 'string' },
    limit: { type: 'integer', minimum: 1 },
    unit: { type: 'string', enum: ['bytes', 'exports'] },
    per: { type: 'string', enum: ['hour', 'day'] },
    note: { type: 'string' },
    created_at: TIME,
  },
  required: ['id', 'kind', 'created_at'],
  additionalProperties: false,
} as const satisfies JsonSchema;

export const RULES_SCHEMA = pageOf(RULE_SCHEMA);

export const LEDGER_LOGS_SCHEMA = pageOf({
  title: 'log',
  type: 'object',
  properties: {
    origin: { type: 'string', description: 'Its name, and that of its key.' },
    verifier_key: {
      type: 'string',
      description:
        'The key that checkpoints are checked with, as C2SP signed-note writes keys: `NAME+ID+KEY`.',
    },
    size: { ...COUNT, description: 'Entries.' },
  },
  required: ['origin', 'verifier_key', 'size'],
});

export const LEDGER_ENTRIES_SCHEMA = {
  type: 'object',
  properties: {
    items: {
      type: 'array',
      items: {
        title: 'entry',
        type: 'object',
        properties: {
          index: { ...COUNT, description: 'Its place in the log.' },
          entry: {
            type: ['string', 'null'],
            description:
              'The very text that was hashed, a line of JSON; null once it is erased (`--keep-ledger`).',
          },
          leaf_hash: { type: 'string', description: 'SHA-256 by RFC 6962, in base64.' },
        },
        required: ['index', 'entry', 'leaf_hash'],
      },
    },
    next: { type: ['string', 'null'], description: 'For `from`; null on the last page.' },
  },
  required: ['items', 'next'],
} as const satisfies JsonSchema;

export const LINK_SCHEMA = {
  title: 'link',
  type: 'object',
  properties: {
    code: {
      type: 'string',
      description: 'Opens the page once: `/ui/#code=CODE` after the address of the service.',
    },
    expires_at: TIME,
  },
  required: ['code', 'expires_at'],
} as const satisfies JsonSchema;

export const SESSION_OPENED_SCHEMA = {
  title: 'session',
  type: 'object',
  properties: { expires_at: TIME },
  required: ['expires_at'],
} as const satisfies JsonSchema;

export const REFRESHED_SCHEMA = {
  type: 'object',
  properties: {
    keys: { ...COUNT, description: 'Root keys that are good now.' },
    dropped: { ...COUNT, description: 'Those that were good before and are no more.' },
  },
  required: ['keys', 'dropped'],
} as const satisfies JsonSchema;

/** A set of JSON web keys (RFC 7517): the public keys that deliveries are signed with. */
export const SIGNING_KEYS_SCHEMA = {
  title: 'key set',
  type: 'object',
  properties: {
    keys: {
      type: 'array',
      description: 'The one in use first.',
      items: {
        type: 'object',
        properties: {
          kty: { const: 'OKP' },
          crv: { const: 'Ed25519' },
          x: { type: 'string', description: 'The public key, in base64url.' },
          kid: { type: 'string' },
          use: { const: 'sig' },
          alg: { const: 'EdDSA' },
          exp: {
            type: 'integer',
            description: 'Of a key that was replaced: until when it still signs, in seconds since 1970.',
          },
        },
        required: ['kty', 'crv', 'x', 'kid', 'use', 'alg'],
      },
    },
  },
  required: ['keys'],
} as const satisfies JsonSchema;
