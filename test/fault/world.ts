import { audit } from './audit.ts';
import { countUnfinished, readLedger } from './ledger.ts';
import { compareOwner } from './owner-audit.ts';
import { Random } from './random.ts';
import { Ration } from './ration.ts';
import { compareRecord, flawsOf, type Record as LedgerRecord, readRecord, startWrongs } from './record.ts';
import { RecordingDestination } from './recording-destination.ts';
import type { Report } from './report.ts';
import type { InnerStep, KillOrder, StartStep, Step } from './steps.ts';
import { Submissions } from './submissions.ts';
import { type End, type Life, Victim } from './victim.ts';
import { LANES, Workload } from './workload.ts';

const FLAGS = ['--retry-base', '2ms', '--attempt-timeout', '4s'];
/** In lives that are to end in a deletion results are deleted at once; those under an idempotency key live on with it. */
const DELETING_FLAGS = ['--keep-results', '50ms', '--keep-ledger', '500ms'];

/** How many exports (or batches) each submitter may hand over at once, and how often it may again while nobody died. */
const RATION = 6;
const RATION_MS = 500;
/** A step that was not reached by then is not there any more. */
const LIFE_MS_MAX = 30_000;
const RANDOM_LIFE_MS_MAX = 3_000;
const DRAIN_MS_MAX = 90_000;
const LOOK_MS = 50;
const IDS_PER_POLL = 200;

/** How often a step may be passed before it kills, so that it hits the start, the rush after it, and later. */
const NTH_MAX: Readonly<Record<Exclude<InnerStep, StartStep>, number>> = {
  recovery: 20,
  'before commit': 60,
  'during commit': 40,
  'after commit': 60,
  'before send': 50,
  'before settle': 50,
  deletion: 200,
  checkpoint: 8,
};
const BEFORE_ANSWER_NTH_MAX = 50;

export type WorldStep = Exclude<Step, StartStep>;

export const WORLD_STEPS: readonly WorldStep[] = [
  ...(Object.keys(NTH_MAX) as WorldStep[]),
  'before answer',
  'stop',
  'random',
];

/** One store, and the apps and the destination around it, through a list of deaths and on to a quiet end. */
export async function runWorld(seed: string, steps: readonly WorldStep[]): Promise<Report> {
  await using world = await World.create(seed);
  return await world.run(steps);
}

class World implements AsyncDisposable {
  readonly #seed: string;
  readonly #victim = new Victim(FLAGS);
  readonly #destination: RecordingDestination;
  readonly #submissions: Submissions;
  readonly #ration = new Ration();
  readonly #kills = new Map<Step, number>();
  readonly #wrongs: string[] = [];
  #hasDeleted = false;
  #workload: Workload | null = null;
  /** Entries that the ledger had after the last death. */
  #entries = 0;

  private constructor(seed: string, destination: RecordingDestination) {
    this.#seed = seed;
    this.#destination = destination;
    this.#submissions = new Submissions(seed);
  }

  static async create(seed: string): Promise<World> {
    const moods = new Map(LANES.map(({ name, mood }) => [name, mood]));
    return new World(seed, await RecordingDestination.start(seed, moods));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ration.end();
    await this.#victim[Symbol.asyncDispose]();
    await this.#destination[Symbol.asyncDispose]();
  }

  async run(steps: readonly WorldStep[]): Promise<Report> {
    // The first start finds the port, which stays the same; nobody asks anything yet.
    const first = this.#victim.start(null);
    await this.#expectReady(first);
    const workload = this.#makeWorkload();
    const submitted = workload.run();
    first.kill('random');
    await first.ended;
    this.#auditStart(readRecord(this.#victim.storePath), true);
    for (const [index, step] of steps.entries())
      await this.#dieAt(step, new Random(this.#seed, 'death', index));
    await this.#end(workload, submitted);
    return this.#report();
  }

  #makeWorkload(): Workload {
    const parts = { destination: this.#destination, submissions: this.#submissions, ration: this.#ration };
    this.#workload = new Workload({ seed: this.#seed, url: this.#victim.url, ...parts });
    return this.#workload;
  }

  /** One life: it is started, works, and dies. */
  async #dieAt(step: WorldStep, random: Random): Promise<void> {
    const isDeleting = step === 'deletion';
    this.#hasDeleted ||= isDeleting;
    const life = this.#victim.start(orderFor(step, random), isDeleting ? DELETING_FLAGS : []);
    this.#ration.renew(RATION);
    using timers = new Timers();
    timers.every(RATION_MS, () => this.#ration.renew(RATION));
    timers.after(LIFE_MS_MAX, () => life.stop());
    if (step === 'random') timers.after(random.int(0, RANDOM_LIFE_MS_MAX), () => life.kill(step));
    if (step === 'before answer') this.#killBeforeAnswer(life, random.int(1, BEFORE_ANSWER_NTH_MAX));
    if (step === 'stop') void this.#killInStop(life, timers, random.int(0, 400), random.int(0, 40));
    const end = await life.ended;
    this.#destination.onArrival = () => false;
    this.#count(step, end);
    await this.#auditDeath(step, await life.ready);
  }

  /** Whatever was cut off: the ledger holds, and says of each export, and of the owner, what the store does. */
  async #auditDeath(step: WorldStep, wasReady: boolean): Promise<void> {
    const { dataDir, storePath } = this.#victim;
    const record = readRecord(storePath);
    const ledger = readLedger(storePath);
    const acts = this.#workload?.ownerActs ?? [];
    const wrongs = [
      ...(await flawsOf(dataDir, storePath)),
      ...[...ledger.jobs.values()].flatMap((job) => compareRecord(job, record)),
      ...compareOwner({ acts, record, ledger, hasDeleted: this.#hasDeleted }),
      ...(record.logs === 1 ? [] : [`there are ${record.logs} logs, and nothing was restored`]),
    ];
    this.#wrongs.push(...wrongs.map((wrong) => `after a death at "${step}": ${wrong}`));
    this.#auditStart(record, wasReady, step);
  }

  #auditStart({ kinds }: LedgerRecord, wasReady: boolean, step = 'the first start'): void {
    const wrongs = startWrongs(kinds.slice(this.#entries), wasReady);
    this.#entries = kinds.length;
    this.#wrongs.push(...wrongs.map((wrong) => `after a death at "${step}": ${wrong}`));
  }

  #killBeforeAnswer(life: Life, nth: number): void {
    let count = 0;
    this.#destination.onArrival = () => {
      count += 1;
      if (count === nth) life.kill('before answer');
      return count >= nth;
    };
  }

  async #killInStop(life: Life, timers: Timers, aliveMs: number, stoppingMs: number): Promise<void> {
    await life.ready;
    timers.after(aliveMs, () => {
      life.stop();
      timers.after(stoppingMs, () => life.kill('stop'));
    });
  }

  #count(step: WorldStep, end: End): void {
    // A stop may be over before the kill comes: that is an end too, if it is a clean one.
    if (step === 'stop' && end.code === 0) return;
    if (end.step === null)
      this.#wrongs.push(`no death at "${step}", but exit code ${end.code}:\n${end.output}`);
    else this.#kills.set(end.step, (this.#kills.get(end.step) ?? 0) + 1);
  }

  /** The service as it ships, until everything has come to its end; then a stop, and a look into the store. */
  async #end(workload: Workload, submitted: Promise<void>): Promise<void> {
    const life = this.#victim.start(null);
    await this.#expectReady(life);
    this.#ration.end();
    await this.#within(DRAIN_MS_MAX, submitted, 'the submitters did not get their answers');
    await this.#within(DRAIN_MS_MAX, this.#drained(), 'the queue did not drain');
    for (const { name } of LANES) await this.#readResults(workload, name);
    life.stop();
    const { code, output } = await life.ended;
    if (code !== 0) this.#wrongs.push(`the last stop ended with ${code}:\n${output}`);
  }

  async #drained(): Promise<void> {
    while (countUnfinished(this.#victim.storePath) > 0) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Reads every result as its app does. Those without a key may have been deleted in their time. */
  async #readResults(workload: Workload, lane: string): Promise<void> {
    const accepted = this.#submissions.acceptedIn(lane);
    const client = workload.clientOf(lane);
    for (let start = 0; start < accepted.length; start += IDS_PER_POLL) {
      const asked = accepted.slice(start, start + IDS_PER_POLL);
      const mayBeGone = this.#hasDeleted && asked.some(({ isKeyed }) => !isKeyed);
      const read = mayBeGone
        ? await Promise.all(asked.map(({ id }) => client.get(id ?? '').catch(ignoreUnknownExport)))
        : await client.getMany(asked.map(({ id }) => id ?? ''));
      for (const [index, submission] of asked.entries()) {
        const status = read[index];
        if (status?.state === 'Finished') this.#submissions.finish(submission, status);
      }
    }
  }

  #report(): Report {
    const { repeats, deliberateRepeats, polls, wrongs } = this.#submissions;
    const evidence = {
      submissions: [...this.#submissions.all.values()],
      arrivals: this.#destination.arrivals,
      ledger: readLedger(this.#victim.storePath),
      record: readRecord(this.#victim.storePath),
      acts: this.#workload?.ownerActs ?? [],
      hasDeleted: this.#hasDeleted,
    };
    this.#auditStart(evidence.record, true, 'the end');
    const found = audit(evidence);
    return {
      kills: this.#kills,
      counts: { ...found.figures, repeats, deliberateRepeats, polls },
      wrongs: [...this.#wrongs, ...wrongs, ...found.wrongs],
    };
  }

  async #expectReady(life: Life): Promise<void> {
    if (await life.ready) return;
    const { code, output } = await life.ended;
    throw new Error(`The service did not start (${code}):\n${output}`);
  }

  /** @throws Error with what is already known to be wrong, when `event` does not come */
  async #within(ms: number, event: Promise<void>, otherwise: string): Promise<void> {
    using timers = new Timers();
    const late = new Promise<never>((_, reject) => {
      timers.after(ms, () => reject(new Error([otherwise, ...this.#submissions.wrongs].join('\n'))));
    });
    await Promise.race([event, late]);
  }
}

function orderFor(step: WorldStep, random: Random): KillOrder | null {
  const nthMax = NTH_MAX[step as keyof typeof NTH_MAX];
  if (nthMax === undefined) return null;
  return { step: step as keyof typeof NTH_MAX, nth: random.int(1, nthMax), fraction: random.next() };
}

function ignoreUnknownExport(error: unknown): null {
  if ((error as { code?: unknown }).code === 'unknown_export') return null;
  throw error;
}

/** Timers that end with the scope they were set in. */
class Timers implements Disposable {
  readonly #timers: NodeJS.Timeout[] = [];

  after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms));
  }

  every(ms: number, act: () => void): void {
    this.#timers.push(setInterval(act, ms));
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
