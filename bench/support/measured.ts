import {
  type Contender,
  type ContenderName,
  type ContenderOptions,
  startContender,
  usageOf,
} from './contenders.ts';
import { DestinationProcess } from './destination.ts';
import { LoadGenerator } from './load.ts';
import type { Usage } from './processes.ts';

/** A contender, somebody who sends, and where exports go: three parties, each in processes of its own. */
export interface Scene extends AsyncDisposable {
  readonly contender: Contender;
  readonly load: LoadGenerator;
  readonly destination: DestinationProcess;
}

export interface SceneOptions extends ContenderOptions {
  /** Whether the destination takes exports and never answers. */
  readonly silent?: boolean;
}

export async function openScene(name: ContenderName, options: SceneOptions = {}): Promise<Scene> {
  await using cleanup = new AsyncDisposableStack();
  const destination = cleanup.use(await DestinationProcess.start(options.silent));
  const contender = cleanup.use(await startContender(name, options));
  const load = cleanup.use(await LoadGenerator.start());
  const owned = cleanup.move();
  return { contender, load, destination, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** CPU time that some work took, in seconds. */
export interface Cpu {
  /** Of the contender, its database included. */
  readonly contender: number;
  /** Of everybody: sender and destination too. */
  readonly all: number;
}

export async function withCpu<T>(scene: Scene, work: () => Promise<T>): Promise<{ result: T; cpu: Cpu }> {
  const before = cpuOf(scene);
  const result = await work();
  const after = cpuOf(scene);
  return {
    result,
    cpu: { contender: after.contender - before.contender, all: after.all - before.all },
  };
}

function cpuOf({ contender, load, destination }: Scene): Cpu {
  const own: Usage = usageOf(contender);
  const others = load.process.usage().cpuSeconds + destination.process.usage().cpuSeconds;
  return { contender: own.cpuSeconds, all: own.cpuSeconds + others };
}
