/** Bodies of requests. What is read is what `JSON.parse` reads, and what is sent on is valid JSON of the same value. */
import assert from 'node:assert/strict';
import { ExportError } from '../../../src/export/errors.ts';
import type { ExportRequest } from '../../../src/export/export-service.ts';
import { readExportCall } from '../../../src/http/export-call.ts';
import { BATCH_ELEMENTS_MAX } from '../../../src/http/schema/request-schemas.ts';
import { type FuzzTarget, mustBe } from '../target.ts';

const RULES = { idempotencyHeader: undefined, attemptsMax: 9, takesBatches: true };

export function open(): FuzzTarget {
  return {
    seeds: [
      '{"id":"","uri":"https://a.example/in","data":"{\\"a\\":1}"}',
      '{"uri":"https://a.example/in","data":{"b":[1.10,-0,1e400,12345678901234567890,true,null],"a":{"":{}}}}',
      '[{"uri":"https://a.example/","data":[]},{"uri":"https://b.example/","data":"null","idempotency_key":"k"}]',
      '{"id":"018f0000-0000-7000-8000-000000000000","uri":"https://a.example/in"}',
      '[{"id":"018F0000-0000-7000-8000-000000000000"},{"id":"018f0000-0000-7000-8000-000000000001"}]',
      ' { "uri" : "https://a.example/" , "data" : "\\u00fc\\ud83d\\ude00" , "attempts_max" : 3 } ',
    ].map((text) => Buffer.from(text)),
    dictionary: [
      ...[
        '"data":',
        '"uri":',
        '"id":',
        '"attempts_max":',
        '"idempotency_key":',
        '"d\\u0061ta":',
        '"__proto__":',
      ],
      ...[
        'null',
        'true',
        '1e999',
        '-0',
        '\\ud800',
        '\\u0000',
        '\\',
        '"',
        '[',
        ']',
        '{',
        '}',
        '[[[[',
        ',',
        ':',
        '\ufeff',
      ],
      ...['00000000-0000-0000-0000-000000000000', 'https://', 'javascript:1', '\u2028', '//'],
    ],
    check(input) {
      try {
        const call = readExportCall(input, RULES);
        const given = JSON.parse(Buffer.from(input).toString('utf8'));
        const elements: unknown[] = call.isBatch ? given : [given];
        assert.ok(elements.length <= BATCH_ELEMENTS_MAX);
        if (call.kind === 'poll') return 'polls';
        assert.equal(call.requests.length, elements.length);
        for (const [index, request] of call.requests.entries()) assertSame(request, elements[index] as Given);
        return 'new exports';
      } catch (error) {
        const { code, message } = mustBe(error, ExportError);
        assert.ok(code === 'invalid_json' || code === 'invalid_request', code);
        assert.ok(message.length < 300, message);
        return code;
      }
    },
  };
}

interface Given {
  readonly uri: string;
  readonly data: unknown;
}

function assertSame(request: ExportRequest, { uri, data }: Given): void {
  assert.equal(request.destination.uri, uri);
  const text = Buffer.from(request.data).toString('utf8');
  if (typeof data === 'string') assert.equal(text, data);
  assert.deepEqual(JSON.parse(text), typeof data === 'string' ? JSON.parse(data) : data);
}
