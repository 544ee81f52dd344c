import type { ProblemCode } from '../problem.ts';
import type { JsonSchema, JsonSchemaReference } from '../schema/json-schema.ts';

/** A parameter of a request, as OpenAPI has it. */
export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'header' | 'path';
  readonly required?: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
}

/** A body, or an answer that is no refusal. */
export interface Content {
  readonly contentType: string;
  readonly schema: JsonSchema | JsonSchemaReference;
  /** Of a body that may be left out. */
  readonly isOptional?: boolean;
  /** By name: what the API page shows. */
  readonly examples?: Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>;
}

/** What one method on one path does: all that is known of it for the API page. */
export interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly operationId: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description: string;
  readonly needsToken: boolean;
  readonly parameters?: readonly Parameter[];
  readonly body?: Content;
  readonly answer: {
    /** Default 200. */
    readonly status?: 200 | 204;
    readonly description: string;
    readonly content?: Content;
    readonly headers?: Readonly<
      Record<string, { readonly description: string; readonly schema: JsonSchema }>
    >;
  };
  /** What it can refuse with, in the order of judgement. */
  readonly refusals: readonly ProblemCode[];
  /** The stem of its example programs in docs/examples. */
  readonly example?: string;
}

/** What every route that asks for a token may answer before it looks at the request, in the order of judgement. */
export const TOKEN_REFUSALS: readonly ProblemCode[] = [
  'no_root_key',
  'missing_token',
  'malformed_token',
  'invalid_token',
  'caveat_refused',
  'caveat_missing',
];

/** The headings of the API page, in their order. */
export const TAGS = {
  Exports: 'What apps call.',
  Owner:
    'What the owner of the box sees and does. It needs a token with a path caveat that begins with `/owner/`, and without a destination: no token of an app is one.',
  Service:
    'How the service is, and whose signature to look for. No token is needed, and nothing is told about exports.',
} as const;

export type Tag = keyof typeof TAGS;
