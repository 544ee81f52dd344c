/** The crash matrix in short: every step once or twice. In full it is `npm run test:fault`. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import { runFirstStart } from './first-start.ts';
import { OLD_VERSIONS, runMigration } from './migration.ts';
import { Random } from './random.ts';
import { runWorld, WORLD_STEPS } from './world.ts';

const SEED = process.env.FAULT_SEED ?? String(randomInt(1_000_000));
const REPLAY = `seed ${SEED}; again: FAULT_SEED=${SEED} node --test test/fault/matrix.test.ts`;
const FIRST_STARTS = 3;
/** Points of a migration, one out of each of these: the first are those of its VACUUM. */
const MIGRATION_POINTS = [
  [6, 20],
  [25, 40],
] as const;
/** A first start has at least so many points at which it can be killed. */
const FIRST_START_POINTS = 20;

describe(`crash matrix in short, ${REPLAY}`, () => {
  it('a first start that is killed between two statements is begun anew by the next start', async () => {
    const random = new Random(SEED, 'first start');
    for (let count = 0; count < FIRST_STARTS; count += 1) {
      const report = await runFirstStart(SEED, 'first start', random.int(1, FIRST_START_POINTS));
      assert.deepEqual(report?.wrongs, [], REPLAY);
    }
  });

  it('a first start that is killed around the writing of its key is begun anew by the next start', async () => {
    for (const nth of [1, 2]) {
      assert.deepEqual((await runFirstStart(SEED, 'key file', nth))?.wrongs, [], REPLAY);
    }
  });

  it('a migration that is killed, in its rewriting or between two statements, is done by the next start', async () => {
    for (const version of OLD_VERSIONS) {
      for (const [from, to] of MIGRATION_POINTS) {
        const report = await runMigration(
          version,
          new Random(SEED, 'migration', version, from).int(from, to),
        );
        assert.deepEqual(report?.wrongs, [], REPLAY);
      }
    }
  });

  it('nothing is lost, repeated without a reason or out of order, killed once at every step', async () => {
    const { kills, counts, wrongs } = await runWorld(SEED, new Random(SEED, 'deaths').shuffle(WORLD_STEPS));
    assert.deepEqual(wrongs, [], REPLAY);
    assert.ok(counts.accepted > 0 && counts.lost === 0, REPLAY);
    const missed = WORLD_STEPS.filter((step) => step !== 'stop' && !kills.has(step));
    assert.deepEqual(missed, [], REPLAY);
  });
});
