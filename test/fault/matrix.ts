import { type FirstStartStep, runFirstStart } from './first-start.ts';
import { OLD_VERSIONS, runMigration } from './migration.ts';
import { Random } from './random.ts';
import type { Report } from './report.ts';
import { INNER_STEPS, OUTER_STEPS, type Step } from './steps.ts';
import { runWorld, WORLD_STEPS, type WorldStep } from './world.ts';

/** Deaths of one store, after which everything is drained and audited. */
const DEATHS_PER_WORLD = 28;
/** Of a round through the steps: so many deaths at random moments, for one at each named step. */
const RANDOM_PER_ROUND = 4;

export const ALL_STEPS = Object.keys({ ...INNER_STEPS, ...OUTER_STEPS }) as Step[];

/** A part of the matrix that stands for itself: a store with its deaths. */
export interface Part {
  /** What the failures in it are listed under. */
  readonly name: string;
  readonly report: Report;
}

/**
 * The whole matrix: a first start and the migration of old stores, killed at every point of them, then stores that are killed in use until there were
 * `kills` kills. Everything that is drawn is drawn from `seed`.
 */
export async function* runMatrix(seed: string, kills: number): AsyncGenerator<Part, void, void> {
  let left = kills;
  for await (const part of sweepFirstStart(seed)) {
    left -= 1;
    yield part;
  }
  for await (const part of sweepMigrations()) {
    left -= 1;
    yield part;
  }
  const deaths = drawDeaths(new Random(seed, 'deaths'), left);
  for (let index = 0; deaths.length > 0; index += 1) {
    const name = `${seed}/store ${index + 1}`;
    yield { name, report: await runWorld(name, deaths.splice(0, DEATHS_PER_WORLD)) };
  }
}

async function* sweepFirstStart(seed: string): AsyncGenerator<Part, void, void> {
  for (const step of ['first start', 'key file'] satisfies FirstStartStep[]) {
    for (let nth = 1; ; nth += 1) {
      const name = `${seed}/${step} ${nth}`;
      const report = await runFirstStart(name, step, nth);
      if (report === null) break;
      yield { name, report };
    }
  }
}

async function* sweepMigrations(): AsyncGenerator<Part, void, void> {
  for (const version of OLD_VERSIONS) {
    for (let nth = 1; ; nth += 1) {
      const report = await runMigration(version, nth);
      if (report === null) break;
      yield { name: `migration of version ${version}, ${nth}`, report };
    }
  }
}

/** Rounds through all steps, each in an order of its own. */
export function drawDeaths(random: Random, count: number): WorldStep[] {
  const round: WorldStep[] = [
    ...WORLD_STEPS,
    ...Array.from({ length: RANDOM_PER_ROUND - 1 }, () => 'random' as const),
  ];
  const deaths: WorldStep[] = [];
  while (deaths.length < count) deaths.push(...random.shuffle(round));
  return deaths.slice(0, Math.max(count, 0));
}
