import type { HttpSettings } from '../http-settings.ts';
import { PROBLEM_CONTENT_TYPE, PROBLEM_KINDS, type ProblemCode } from '../problem.ts';
import { EXPORT_SCHEMA, problemSchema } from '../schema/answer-schemas.ts';
import type { JsonSchema } from '../schema/json-schema.ts';
import { newExportSchema, POLL_SCHEMA } from '../schema/request-schemas.ts';
import { appOperations } from './app-operations.ts';
import { ERROR_ENTRIES } from './error-texts.ts';
import { type CodeSample, codeSamples } from './examples.ts';
import { type Content, type Operation, TAGS } from './operation.ts';
import { OWNER_OPERATIONS } from './owner-operations.ts';
import { SERVICE_OPERATIONS } from './service-operations.ts';

/** An OpenAPI 3.1 document; nobody here reads on in it, so its shape is OpenAPI's business. */
export type OpenApiDocument = Readonly<Record<string, unknown>>;

/** Describes the HTTP interface of a service with these settings, by the schemas that it judges requests by. */
export function openApiDocument(version: string, settings: HttpSettings): OpenApiDocument {
  const operations = [...appOperations(settings), ...OWNER_OPERATIONS, ...SERVICE_OPERATIONS];
  return {
    openapi: '3.1.1',
    info: {
      title: 'Databox export service',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description: DESCRIPTION,
    },
    // Beside this document, wherever a proxy may put that.
    servers: [{ url: '.', description: 'This service' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: paths(operations),
    components: {
      schemas: {
        NewExport: newExportSchema(settings.attemptsMax),
        Poll: POLL_SCHEMA,
        Export: EXPORT_SCHEMA,
        Problem: problemSchema(ERROR_ENTRIES.map(({ code }) => code)),
      },
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const DESCRIPTION = `The door out of a Databox: queues what apps export, delivers it by HTTP POST, and tells them how it went.

**Tokens.** Every export needs a token (a macaroon) of the box, which says where its holder may export to. \`export-service token inspect\` shows what a token says.

**Errors.** Every refusal is \`application/problem+json\` with a stable \`code\`; [Errors](#errors) has a section about each.

**Clients.** The package \`databox-export-client\` repeats what was lost, waits as it is told and renews tokens, so that an app need not. The examples beside each operation run as they are, with \`EXPORT_URL\`, \`EXPORT_TOKEN\` and \`DESTINATION\` in the environment.`;

const SECURITY_SCHEMES = {
  apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key', description: 'The token.' },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'The token as the user name; the password is not looked at.',
  },
  bearer: { type: 'http', scheme: 'bearer', description: 'The token.' },
};

function paths(operations: readonly Operation[]): Record<string, Record<string, object>> {
  const byPath: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    byPath[operation.path] = { ...byPath[operation.path], [operation.method]: described(operation) };
  }
  return byPath;
}

function described(operation: Operation): object {
  const { operationId, tag, summary, description, needsToken, parameters, body, example } = operation;
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    security: needsToken ? Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })) : [],
    ...(parameters === undefined ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: !body.isOptional, content: content(body) } }),
    responses: responses(operation),
    ...(example === undefined
      ? {}
      : { 'x-codeSamples': codeSamples(example) satisfies readonly CodeSample[] }),
  };
}

function content({ contentType, schema, examples }: Content): object {
  return { [contentType]: { schema, ...(examples === undefined ? {} : { examples }) } };
}

function responses({ answer, refusals }: Operation): Record<string, object> {
  const { status: doneStatus = 200, description, headers } = answer;
  const statuses = [...new Set(refusals.map((code) => PROBLEM_KINDS[code].status))].sort((a, b) => a - b);
  const refused = statuses.map((status): [string, object] => [
    String(status),
    refusal(
      status,
      refusals.filter((code) => PROBLEM_KINDS[code].status === status),
    ),
  ]);
  const done = {
    description,
    ...(headers === undefined ? {} : { headers }),
    ...(answer.content === undefined ? {} : { content: content(answer.content) }),
  };
  return { [doneStatus]: done, ...Object.fromEntries(refused) };
}

function refusal(status: number, codes: readonly ProblemCode[]): object {
  const headers = refusalHeaders(status);
  return {
    description: codes.map((code) => `[\`${code}\`](#${code}): ${textOf(code)}.`).join('\n\n'),
    ...(headers === null ? {} : { headers }),
    content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

function textOf(code: ProblemCode): string {
  return ERROR_ENTRIES.find((entry) => entry.code === code)?.when ?? '';
}

function refusalHeaders(status: number): Record<string, { description: string; schema: JsonSchema }> | null {
  if (status === 401) {
    return { 'WWW-Authenticate': { description: 'How to send a token.', schema: { type: 'string' } } };
  }
  if (status !== 429 && status !== 503) return null;
  return {
    'Retry-After': {
      description: 'After how many seconds trying again makes sense.',
      schema: { type: 'integer', minimum: 1 },
    },
  };
}
