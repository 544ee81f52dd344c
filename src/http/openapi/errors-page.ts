import { ERROR_ENTRIES, FAILURE_TEXTS } from './error-texts.ts';

/** The text of docs/errors.md. `npm run docs` writes it, a test compares. */
export function errorsPage(): string {
  const errors = ERROR_ENTRIES.map(({ code, status, when, remedy }) => [
    `\`${code}\``,
    String(status),
    when,
    remedy,
  ]);
  const failures = FAILURE_TEXTS.map(({ code, status, what }) => [`\`${code}\``, status, what]);
  return `${INTRODUCTION}
${table(['code', 'status', 'when', 'what to do'], errors)}
${ENDS_WITHOUT_ANSWER}
${table(['`error.code`', '`status`', 'what happened'], failures)}`;
}

const INTRODUCTION = `# Errors

<!-- Written by \`npm run docs\` from src/http/openapi/error-texts.ts: change it there. -->

Every refusal is a problem document (RFC 9457, \`application/problem+json\`) with a stable \`code\` to branch on, and a
\`detail\` that says what was wrong and what to do. It never holds a token, a key or a payload. Its \`type\` leads to the
section about the code on the API page of the service, \`/docs\`.

\`\`\`json
{
  "type": "/docs#caveat_refused",
  "title": "A caveat of the token refuses this request",
  "status": 401,
  "detail": "The token says \\"path = /lp/export\\", and the path of the request is \\"/export\\". Ask the box for a token with \\"path = /export\\".",
  "code": "caveat_refused"
}
\`\`\`

A request that is wrong in several ways gets the error that is judged first, in the order of this table. An export that
was refused was not queued. Only \`store_unavailable\`, \`internal_error\` (our own mistake), or no answer at all leave it
open: repeat the request with the same \`Idempotency-Key\`, and it is queued once.

On a [WebSocket](websocket.md) the same document comes as a text frame.
`;

const ENDS_WITHOUT_ANSWER = `## When an export ends without an answer

Then it is \`Finished\` with an \`ext_response\` that has an \`error\`; an answer of the destination never has one.
`;

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, headings.map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
