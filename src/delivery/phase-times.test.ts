import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PhaseTimes } from './phase-times.ts';

/** Says these times, one after the other. */
function saying(...times: number[]): () => number {
  return () => times.shift() ?? assert.fail('asked too often');
}

it('a phase lasts until the next one, and the last one until the end', () => {
  const times = new PhaseTimes(saying(100, 101, 103.5, 110, 150));
  times.begin('dns');
  times.begin('connect');
  times.begin('wait');
  assert.deepEqual(times.end(), { totalMs: 50, phases: { dns: 2.5, connect: 6.5, wait: 40 } });
});

it('a phase that comes twice counts as one', () => {
  const times = new PhaseTimes(saying(0, 0, 10, 12, 20));
  times.begin('wait');
  times.begin('connect');
  times.begin('wait');
  assert.deepEqual(times.end(), { totalMs: 20, phases: { wait: 18, connect: 2 } });
});

it('an attempt that came to nothing has no phases', () => {
  assert.deepEqual(new PhaseTimes(saying(5, 7)).end(), { totalMs: 2, phases: {} });
});
