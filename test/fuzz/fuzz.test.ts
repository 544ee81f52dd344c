/**
 * The fuzzing of `npm run fuzz`, in short: every target for as many inputs as fit into the tests, always the same ones;
 * and that the harness finds what it is there to find.
 */
import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { inputOf, openTarget, type Plan, runCampaign } from './campaign.ts';
import { watchedCampaign } from './watched.ts';

/** Those that go over a socket; the others take microseconds. */
const INPUTS: Readonly<Record<string, number>> = {
  requests: 300,
  responses: 300,
  frames: 300,
  bodies: 2_000,
};
const INPUTS_DEFAULT = 5_000;
const SEED = 'tests';
const ENDLESS = { began: () => {}, isOver: () => false };

const targets = globSync('targets/*.ts', { cwd: import.meta.dirname }).map((file) => basename(file, '.ts'));

function plan(target: string, count = INPUTS[target] ?? INPUTS_DEFAULT): Plan {
  return { target, seed: SEED, from: 0, count };
}

describe('whatever comes from outside', () => {
  for (const name of targets) {
    it(`is read or refused, and nothing else happens: ${name}`, async () => {
      const target = await openTarget(name);
      try {
        const { inputs, tally, finding } = await runCampaign(target, plan(name), ENDLESS);
        assert.equal(finding, null, JSON.stringify(finding));
        assert.equal(inputs, plan(name).count);
        // Both what is refused and what is not, or the inputs are not worth much.
        assert.ok(Object.keys(tally).length >= 2, JSON.stringify(tally));
      } finally {
        await target.close?.();
      }
    });
  }

  it('is every parser there is', () => {
    assert.ok(targets.length >= 11, targets.join());
  });
});

describe('the harness', () => {
  it('makes the same inputs for the same plan, each by its number alone', async () => {
    for (const name of targets) {
      const [one, other] = [await openTarget(name), await openTarget(name)];
      for (const at of [0, 7, 7, 3]) {
        assert.deepEqual(inputOf(one, plan(name), at), inputOf(other, plan(name), at), name);
      }
      await Promise.all([one.close?.(), other.close?.()]);
    }
  });

  for (const [name, what, limits] of [
    ['throws', /TypeError: a mistake that nobody foresaw/, {}],
    ['hangs', /It hangs/, { hangMs: 500 }],
    ['grows', /memory limit|ERR_WORKER_OUT_OF_MEMORY/, { heapMbMax: 32 }],
  ] as const) {
    it(`finds a parser that ${name}, and the input for it`, async () => {
      const target = `../planted/${name}`;
      const { finding } = await watchedCampaign(plan(target, 1_000_000), { seconds: 60, ...limits });
      assert.match(finding?.what ?? '', what);
      const input = inputOf(await openTarget(target), plan(target), finding?.at ?? -1);
      assert.equal(finding?.inputBase64, Buffer.from(input).toString('base64'));
    });
  }

  it('ends when its time is over', async () => {
    const { inputs, finding } = await watchedCampaign(plan('headers', Number.MAX_SAFE_INTEGER), {
      seconds: 0.5,
    });
    assert.equal(finding, null);
    assert.ok(inputs > 0);
  });
});
