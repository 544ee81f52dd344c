/**
 * Method: random JSON documents are written down by a writer of the test's own, with blanks and escaped keys where JSON
 * allows them; what is taken out must be what the same writer writes without blanks.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memberTexts } from './data-text.ts';

/** A JSON value whose scalars are texts, so that their digits can be seen. */
type Doc =
  | { kind: 'scalar'; text: string }
  | { kind: 'array'; items: Doc[] }
  | { kind: 'object'; members: [string, Doc][] };

const scalarText = fc.oneof(
  fc.constantFrom('null', 'true', 'false', '0', '-0', '1.10', '1e400', '-1.5E-7', '12345678901234567890'),
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u0041"', '"a \\" b"', '"\\\\"', '"[,]{:} "', '"\\ud800"'),
);
const key = fc.oneof(
  fc.constantFrom(
    '"data"',
    '"d\\u0061ta"',
    '"\\u0064ata"',
    '"__proto__"',
    '"1"',
    '"datas"',
    '"data\\n"',
    '""',
  ),
  fc.string().map((text) => JSON.stringify(text)),
);
const { doc } = fc.letrec<{ doc: Doc }>((tie) => ({
  doc: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalarText.map((text): Doc => ({ kind: 'scalar', text })),
    fc.array(tie('doc'), { maxLength: 4 }).map((items): Doc => ({ kind: 'array', items })),
    fc
      .array(fc.tuple(key, tie('doc')), { maxLength: 4 })
      .map((members): Doc => ({ kind: 'object', members })),
  ),
}));
const object = fc
  .array(fc.tuple(key, doc), { maxLength: 5 })
  .map((members): Doc => ({ kind: 'object', members }));
const blanks = fc.infiniteStream(fc.constantFrom('', '', ' ', '\n', '\t\r\n  '));

function write(value: Doc, blank: () => string): string {
  const list = (parts: string[]): string => parts.join(`${blank()},${blank()}`);
  switch (value.kind) {
    case 'scalar':
      return value.text;
    case 'array':
      return `[${blank()}${list(value.items.map((item) => write(item, blank)))}${blank()}]`;
    case 'object': {
      const members = value.members.map(
        ([name, item]) => `${name}${blank()}:${blank()}${write(item, blank)}`,
      );
      return `{${blank()}${list(members)}${blank()}}`;
    }
  }
}

function lastData(value: Doc): string | null {
  if (value.kind !== 'object') return null;
  const member = value.members.findLast(([name]) => JSON.parse(name) === 'data');
  return member === undefined ? null : write(member[1], () => '');
}

function spaced(value: Doc, stream: Iterator<string>): string {
  const blank = (): string => stream.next().value ?? '';
  return `${blank()}${write(value, blank)}${blank()}`;
}

describe('the data of a body', () => {
  it('is taken out of an object as it was written, without the blanks between its parts', () => {
    fc.assert(
      fc.property(object, blanks, (value, stream) => {
        assert.deepEqual(memberTexts(spaced(value, stream), 'data'), [lastData(value)]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is taken out of every element of a batch, whatever else the batch holds', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(object, doc), { maxLength: 5 }), blanks, (items, stream) => {
        assert.deepEqual(memberTexts(spaced({ kind: 'array', items }, stream), 'data'), items.map(lastData));
      }),
      { numRuns: 2_000 },
    );
  });

  it('means the same as what JSON.parse reads', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        assert.deepEqual(JSON.parse(memberTexts(`{"data": ${text} }`, 'data')[0] ?? ''), JSON.parse(text));
      }),
    );
  });

  it('may be nested as deep as a body is long', () => {
    const deep = '['.repeat(500_000) + ']'.repeat(500_000);
    assert.deepEqual(memberTexts(`{"data": ${deep}}`, 'data'), [deep]);
  });
});
