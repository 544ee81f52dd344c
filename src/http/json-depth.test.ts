import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isTooDeep, JSON_DEPTH_MAX } from './json-depth.ts';

const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const objects = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

describe('JSON', () => {
  for (const nested of [arrays, objects]) {
    it(`may be ${JSON_DEPTH_MAX} ${nested.name} deep and no deeper, however often`, () => {
      assert.equal(isTooDeep(nested(JSON_DEPTH_MAX)), false);
      assert.equal(isTooDeep(nested(JSON_DEPTH_MAX + 1)), true);
      const many = Array(20).fill(nested(JSON_DEPTH_MAX - 1));
      assert.equal(isTooDeep(`[${many}]`), false);
      assert.equal(isTooDeep(`[${many},${nested(JSON_DEPTH_MAX)}]`), true);
    });
  }

  it('may have as many brackets in its strings as there is room, with quotes and backslashes between', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[[\]{}"\\a]*$/), (text) => {
        const brackets = '['.repeat(JSON_DEPTH_MAX + 1);
        const strings = JSON.stringify({ [text]: text + brackets, last: brackets + text });
        assert.equal(isTooDeep(strings), false);
        assert.equal(isTooDeep(`[${strings},${arrays(JSON_DEPTH_MAX)}]`), true);
      }),
    );
  });

  it('that breaks off in a string is left to the parser', () => {
    for (const text of ['"', '"\\', '"\\"', `"${'['.repeat(JSON_DEPTH_MAX + 1)}`])
      assert.equal(isTooDeep(text), false);
  });
});
