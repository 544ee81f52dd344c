import { SIGNING_KEYS_SCHEMA } from '../schema/owner-answer-schemas.ts';
import type { Content, Operation } from './operation.ts';

const TEXT: Content = { contentType: 'text/plain', schema: { type: 'string' } };

function probe(
  path: string,
  operationId: string,
  summary: string,
  answer: string,
): Pick<
  Operation,
  'method' | 'path' | 'operationId' | 'tag' | 'summary' | 'needsToken' | 'refusals' | 'answer'
> {
  return {
    method: 'get',
    path,
    operationId,
    tag: 'Service',
    summary,
    needsToken: false,
    refusals: [],
    answer: { description: `\`${answer}\``, content: TEXT },
  };
}

/** How the service is. */
export const SERVICE_OPERATIONS: readonly Operation[] = [
  {
    ...probe('/status', 'status', 'Is it there?', 'active'),
    description: 'What every component of a Databox answers.',
  },
  {
    ...probe('/healthz', 'health', 'Is the process alive?', 'ok'),
    description: 'Looks at nothing but itself: restart it when this fails.',
  },
  {
    ...probe('/readyz', 'readiness', 'Can it do its work?', 'ready'),
    description:
      'Looks at the store and at the root key. Not ready is no reason for a restart: `detail` says why.',
    refusals: ['no_root_key', 'store_unavailable', 'shutting_down'],
  },
  {
    method: 'get',
    path: '/metrics',
    operationId: 'metrics',
    tag: 'Service',
    summary: 'Numbers for Prometheus',
    description:
      'How much came in, left and waits, and how the service is. No label names an app, a destination or an export. ' +
      'At most a second old.',
    needsToken: false,
    refusals: [],
    answer: {
      description: 'The text format of Prometheus.',
      content: { contentType: 'text/plain; version=0.0.4; charset=utf-8', schema: { type: 'string' } },
    },
  },
  {
    method: 'get',
    path: '/.well-known/export-signing-keys',
    operationId: 'signingKeys',
    tag: 'Service',
    summary: 'The keys that deliveries are signed with',
    description:
      'For receivers, who check the header `webhook-signature` (Standard Webhooks, `v1a`) with them.',
    needsToken: false,
    refusals: [],
    answer: {
      description: 'The public keys.',
      content: { contentType: 'application/jwk-set+json', schema: SIGNING_KEYS_SCHEMA },
    },
  },
];
