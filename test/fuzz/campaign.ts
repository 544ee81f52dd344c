import { Random } from '../fault/random.ts';
import { mutate } from './mutate.ts';
import type { FuzzTarget, FuzzTargetModule } from './target.ts';

/** Which inputs a campaign makes: the same plan makes the same ones. */
export interface Plan {
  readonly target: string;
  readonly seed: string;
  /** The first input and how many at most. */
  readonly from: number;
  readonly count: number;
}

/** An input for which something that must hold does not. */
export interface Finding {
  readonly what: string;
  /** Its number in the plan. */
  readonly at: number;
  readonly inputBase64: string;
}

export interface Summary {
  readonly inputs: number;
  /** How they went, in the target's own words. */
  readonly tally: Readonly<Record<string, number>>;
  readonly finding: Finding | null;
}

export interface Watch {
  /** Called before each input, so that a watcher knows which one never came back. */
  began(at: number): void;
  /** Whether to end after this input. */
  isOver(): boolean;
}

/** An input that takes longer is a finding. They are small: the slowest known takes a few milliseconds. */
const INPUT_MS_MAX = 2_000;
/** Memory outside the heap (buffers) that a target may hold; the heap has a limit of its own, set where it runs. */
const EXTERNAL_BYTES_MAX = 512 * 1_024 ** 2;
/** After so many inputs memory is looked at, and others get a turn. */
const INPUTS_AT_ONCE = 500;

/** Loads a target by its name. */
export async function openTarget(name: string): Promise<FuzzTarget> {
  const module = (await import(`./targets/${name}.ts`)) as FuzzTargetModule;
  return await module.open();
}

/** Makes one input after the other and gives each to the target, until the first finding. */
export async function runCampaign(target: FuzzTarget, plan: Plan, watch: Watch): Promise<Summary> {
  const tally: Record<string, number> = {};
  let inputs = 0;
  for (let at = plan.from; at < plan.from + plan.count; at += 1) {
    const input = inputOf(target, plan, at);
    watch.began(at);
    const found = await tryInput(target, input, tally);
    inputs += 1;
    const what = found ?? (at % INPUTS_AT_ONCE === 0 ? await excess() : null);
    if (what !== null) return { inputs, tally, finding: { what, at, inputBase64: toBase64(input) } };
    if (watch.isOver()) break;
  }
  return { inputs, tally, finding: null };
}

/** The input of a plan by its number: it depends on nothing that came before. */
export function inputOf(target: FuzzTarget, { target: name, seed }: Plan, at: number): Uint8Array {
  const random = new Random(name, seed, at);
  return target.make?.(random) ?? mutate(target.seeds, target.dictionary, random);
}

/** @returns what is wrong; null when nothing is */
async function tryInput(
  target: FuzzTarget,
  input: Uint8Array,
  tally: Record<string, number>,
): Promise<string | null> {
  const startedAt = performance.now();
  try {
    const word = await target.check(input);
    tally[word] = (tally[word] ?? 0) + 1;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const ms = performance.now() - startedAt;
  return ms > INPUT_MS_MAX ? `It took ${Math.round(ms)} ms.` : null;
}

async function excess(): Promise<string | null> {
  await new Promise(setImmediate);
  const { external } = process.memoryUsage();
  return external > EXTERNAL_BYTES_MAX ? `${external} bytes are held outside the heap.` : null;
}

function toBase64(input: Uint8Array): string {
  return Buffer.from(input).toString('base64');
}
