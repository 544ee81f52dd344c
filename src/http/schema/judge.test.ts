import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonSchema } from './json-schema.ts';
import { judgeBy } from './judge.ts';
import { IDEMPOTENCY_KEY_SCHEMA, newExportSchema, POLL_SCHEMA } from './request-schemas.ts';

const uri = 'https://a.example/in';

function refusal(schema: JsonSchema, value: unknown): string | null {
  try {
    judgeBy(schema)(value);
    return null;
  } catch (error) {
    const { name, code, message } = error as { name: string; code: string; message: string };
    assert.deepEqual([name, code], ['ExportError', 'invalid_request']);
    return message;
  }
}

test('what a new export is refused for, in words that name the field and show no value', () => {
  const schema = newExportSchema(9);
  for (const [members, message] of [
    [{ data: 1 }, `"uri" is missing: the destination's URL, exactly as the token names it.`],
    [{ uri }, '"data" is missing: what to export: a string that holds JSON text'],
    [{ uri: 5, data: 1 }, '"uri" is no string.'],
    [{ uri: null, data: 1 }, '"uri" is no string.'],
    [{ uri, data: 'secret text' }, '"data" is a string that does not hold JSON.'],
    [{ uri, data: '"\ud800"' }, '"data" is not well-formed Unicode: it has a lone surrogate.'],
    [{ uri, data: 1, attempts_max: 0 }, '"attempts_max" is no whole number from 1 to 9.'],
    [{ uri, data: 1, attempts_max: 10 }, '"attempts_max" is no whole number from 1 to 9.'],
    [{ uri, data: 1, attempts_max: 1.5 }, '"attempts_max" is no whole number from 1 to 9.'],
    [{ uri, data: 1, attempts_max: '1' }, '"attempts_max" is no whole number from 1 to 9.'],
    [
      { uri, data: 1, idempotency_key: 'a b' },
      '"idempotency_key" is no text of 1 to 255 visible ASCII characters.',
    ],
    [
      { uri, data: 1, idempotency_key: '' },
      '"idempotency_key" is no text of 1 to 255 visible ASCII characters.',
    ],
    [5, 'The request is no new export.'],
  ] as const) {
    const told = refusal(schema, members);
    assert.ok(told?.startsWith(message), `${JSON.stringify(members)}: ${told}`);
    assert.doesNotMatch(told ?? '', /secret/);
  }
});

test('what a new export may be', () => {
  const schema = newExportSchema(9);
  for (const members of [
    { uri, data: null },
    { uri, data: [], attempts_max: 1, idempotency_key: '!'.repeat(255) },
    { uri, data: '"text"', attempts_max: 9, unknown: 'member' },
    { id: null, uri, data: false },
    { id: '', uri, data: 0 },
    { id: '00000000-0000-0000-0000-000000000000', uri, data: {} },
  ]) {
    assert.equal(refusal(schema, members), null);
  }
});

test('a poll has an id, in either case, and perhaps a destination', () => {
  const id = '01912345-1234-7234-8234-123456789ABC';
  assert.equal(refusal(POLL_SCHEMA, { id }), null);
  assert.equal(refusal(POLL_SCHEMA, { id: id.toLowerCase(), uri, data: 'whatever' }), null);
  assert.equal(refusal(POLL_SCHEMA, { id: `${id}0` }), '"id" is no UUID.');
  assert.equal(refusal(POLL_SCHEMA, { id: 5 }), '"id" is no UUID.');
  assert.equal(refusal(POLL_SCHEMA, { id, uri: 5 }), '"uri" is no string.');
});

test('a key of 256 characters is too long, and its name is the one it came under', () => {
  const judge = judgeBy(IDEMPOTENCY_KEY_SCHEMA, { whole: 'The header "Idempotency-Key"' });
  judge('k'.repeat(255));
  assert.throws(() => judge('k'.repeat(256)), {
    message: 'The header "Idempotency-Key" is no text of 1 to 255 visible ASCII characters.',
  });
});
