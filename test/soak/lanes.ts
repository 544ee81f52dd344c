import { tokenFor } from '../support/service.ts';

/** How a destination behaves. The path of its URL begins with this word. */
export type LaneKind = 'steady' | 'flaky' | 'slow' | 'flapping';

export interface SoakLane {
  readonly kind: LaneKind;
  readonly destination: string;
  readonly token: string;
}

/** How many lanes of each kind there are. */
const LANES: Readonly<Record<LaneKind, number>> = { steady: 12, flaky: 4, slow: 4, flapping: 2 };

/**
 * Exports a second and lane for the kinds that cannot take more: a slow one needs a quarter of a second for each, and
 * one that flaps is away for half of the time and then catches up.
 */
const LANE_RATE: Partial<Record<LaneKind, number>> = { slow: 1, flapping: 2 };
/** Of what is left, the flaky ones get this share. */
const FLAKY_SHARE = 0.2;

export function soakLanes(origin: string): SoakLane[] {
  const kinds = Object.entries(LANES) as [LaneKind, number][];
  return kinds.flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, n) => {
      const destination = `${origin}/${kind}/${n}`;
      return { kind, destination, token: tokenFor({ destination, client: `${kind}-${n}` }) };
    }),
  );
}

/** Draws the lane of the next export, so that together they come at `rate` a second. */
export function laneDrawer(lanes: readonly SoakLane[], rate: number, random: () => number): () => SoakLane {
  const weights = lanes.map(({ kind }) => laneWeight(kind, rate));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return () => {
    let left = random() * total;
    const at = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return lanes.at(at) as SoakLane;
  };
}

function laneWeight(kind: LaneKind, rate: number): number {
  const fixed = LANE_RATE[kind];
  if (fixed !== undefined) return fixed;
  const fixedTotal = LANES.slow * (LANE_RATE.slow ?? 0) + LANES.flapping * (LANE_RATE.flapping ?? 0);
  const share = kind === 'flaky' ? FLAKY_SHARE : 1 - FLAKY_SHARE;
  return (Math.max(rate - fixedTotal, 1) * share) / LANES[kind];
}
