import assert from 'node:assert/strict';
import { it } from 'node:test';
import { newId } from './new-id.ts';

it('ids are UUIDs of version 7, of this moment, each another one, and sort as they were made', () => {
  const before = Date.now();
  const ids = Array.from({ length: 20_000 }, newId);
  assert.deepEqual(ids, ids.toSorted());
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const timeOf = (id = ''): number => Number.parseInt(id.replace('-', '').slice(0, 12), 16);
  assert.ok(timeOf(ids[0]) >= before && timeOf(ids.at(-1)) <= Date.now() + 1);
});

it('what is random in them differs from id to id', () => {
  const tails = Array.from({ length: 1_000 }, () => newId().slice(-10));
  assert.equal(new Set(tails).size, tails.length);
});
