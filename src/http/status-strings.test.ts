import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statusString } from './status-strings.ts';
import vectors from './vectors/status-strings.json' with { type: 'json' };

const known: Readonly<Record<string, string>> = vectors.strings;

describe('a status', () => {
  it('reads as in the original service, and is a bare number where that knew no title', () => {
    for (let status = 100; status <= 999; status += 1) {
      assert.equal(statusString(status), known[status] ?? String(status));
    }
  });
});
