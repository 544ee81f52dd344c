import { ExportClient, type ExportStatus } from '../../client/index.ts';
import { tokenFor } from '../support/service.ts';
import { type Answer, askOnce, isNobodyThere, SLEEP_MS_MAX, sleepFor, untilHeard } from './asking.ts';
import { OWNED_LANE, Owner, type OwnerAct } from './owner.ts';
import { Random } from './random.ts';
import type { Ration } from './ration.ts';
import type { Mood, RecordingDestination } from './recording-destination.ts';
import type { Submission, Submissions } from './submissions.ts';

/**
 * How a lane is used. `sequential`: one submitter, each export handed over after the answer to the one before. `owned`: the
 * same, and the submitter waits for no result, since the owner may hold them.
 */
type Style = 'sequential' | 'parallel' | 'batches' | 'without keys' | 'refused' | 'owned';

export interface LanePlan {
  readonly name: string;
  readonly client: string;
  readonly style: Style;
  readonly mood: Mood;
  /** Left out: as many as the service allows. */
  readonly attemptsMax?: number;
}

const FLAKY: Mood = {
  'answers 503': 0.05,
  'answers 500': 0.05,
  resets: 0.04,
  'cuts off': 0.03,
  'takes slowly': 0.1,
  'stays silent': 0.002,
};

export const LANES: readonly LanePlan[] = [
  { name: 'steady', client: 'app-1', style: 'sequential', mood: {} },
  { name: 'picky', client: 'app-1', style: 'sequential', mood: { 'answers 500': 0.2 } },
  { name: 'flaky', client: 'app-2', style: 'sequential', mood: FLAKY },
  {
    name: 'once',
    client: 'app-2',
    style: 'sequential',
    mood: { ...FLAKY, 'answers 500': 0.2 },
    attemptsMax: 1,
  },
  { name: 'batch', client: 'app-1', style: 'batches', mood: { 'takes slowly': 0.1 } },
  { name: 'batch-flaky', client: 'app-3', style: 'batches', mood: FLAKY },
  { name: 'batch-once', client: 'app-3', style: 'batches', mood: FLAKY, attemptsMax: 1 },
  { name: 'parallel', client: 'app-2', style: 'parallel', mood: { 'takes slowly': 0.4 } },
  { name: 'keyless', client: 'app-3', style: 'without keys', mood: { 'answers 500': 0.1 } },
  { name: 'refused', client: 'app-1', style: 'refused', mood: {} },
  { name: OWNED_LANE, client: 'app-4', style: 'owned', mood: { 'takes slowly': 0.3, 'answers 500': 0.2 } },
];

const PARALLEL_SUBMITTERS = 3;
const BATCH_MAX = 12;
const POLLED_AT_ONCE_MAX = 10;
const RESULT_WAIT_MS = 90_000;
const STATE_RANK = { Pending: 0, Processing: 1, Finished: 2 } as const;

export interface WorkloadParts {
  readonly seed: string;
  readonly url: string;
  readonly destination: RecordingDestination;
  readonly submissions: Submissions;
  readonly ration: Ration;
}

/** Several apps at once that hand over and ask, through every death of the service. */
export class Workload {
  readonly #parts: WorkloadParts;
  readonly #clients = new Map<string, ExportClient>();
  readonly #owner: Owner;

  constructor(parts: WorkloadParts) {
    this.#parts = parts;
    this.#owner = new Owner(parts);
    for (const { name, client } of LANES) {
      const token = tokenFor({ destination: parts.destination.urlOf(name), client });
      this.#clients.set(
        name,
        new ExportClient({ url: parts.url, token, fetch: this.#fetch, repeat: PATIENT }),
      );
    }
  }

  /** Runs until the ration is over; everything that was handed over has its answer then. */
  async run(): Promise<void> {
    const tasks = LANES.flatMap((lane) => [...this.#submitters(lane), ...this.#pollers(lane)]);
    tasks.push(this.#owner.run());
    await Promise.all(tasks.map((task) => task.catch((error: unknown) => this.#wrong(String(error)))));
  }

  /** What the owner asked for so far. */
  get ownerActs(): readonly OwnerAct[] {
    return this.#owner.acts;
  }

  /** Hands over one export, and waits for its end. */
  async exportOne(lane: LanePlan): Promise<void> {
    const submission = this.#parts.submissions.make(lane.name, true);
    await this.#submit(lane, submission);
    await this.#awaitResult(submission);
  }

  clientOf(lane: string): ExportClient {
    return this.#clients.get(lane) as ExportClient;
  }

  #submitters(lane: LanePlan): Promise<void>[] {
    switch (lane.style) {
      case 'sequential':
      case 'owned':
        return [this.#submitSingly(lane, 0)];
      case 'parallel':
        return Array.from({ length: PARALLEL_SUBMITTERS }, (_, n) => this.#submitSingly(lane, n));
      case 'batches':
        return [this.#submitBatches(lane)];
      case 'without keys':
        return [this.#submitWithoutKeys(lane)];
      case 'refused':
        return [this.#submitRefused(lane)];
    }
  }

  #pollers(lane: LanePlan): Promise<void>[] {
    return lane.style === 'refused' || lane.style === 'without keys' ? [] : [this.#poll(lane)];
  }

  async #submitSingly(lane: LanePlan, number: number): Promise<void> {
    const { submissions, ration, seed } = this.#parts;
    const random = new Random(seed, lane.name, number);
    while (await ration.take(`${lane.name}/${number}`)) {
      const submission = submissions.make(lane.name, true);
      await this.#submit(lane, submission);
      if (random.chance(0.15)) {
        submissions.deliberateRepeats += 1;
        await this.#submit(lane, submission);
      }
      if (lane.style !== 'owned' && random.chance(0.2)) await this.#awaitResult(submission);
    }
  }

  async #submit(lane: LanePlan, submission: Submission): Promise<void> {
    const status = await this.clientOf(lane.name).submit(this.#newExport(lane, submission));
    this.#parts.submissions.accept(submission, status.id);
  }

  async #submitBatches(lane: LanePlan): Promise<void> {
    const { submissions, ration, seed } = this.#parts;
    const random = new Random(seed, lane.name);
    while (await ration.take(lane.name)) {
      const batch = Array.from({ length: random.int(1, BATCH_MAX) }, () => submissions.make(lane.name, true));
      const statuses = await this.clientOf(lane.name).submitMany(
        batch.map((each) => this.#newExport(lane, each)),
      );
      for (const [index, submission] of batch.entries()) {
        submissions.accept(submission, statuses[index]?.id ?? '');
      }
      if (random.chance(0.2)) await this.#awaitResult(random.pick(batch));
    }
  }

  #newExport({ name, attemptsMax }: LanePlan, { json, key }: Submission) {
    const destination = this.#parts.destination.urlOf(name);
    return { destination, json, idempotencyKey: key, ...(attemptsMax === undefined ? {} : { attemptsMax }) };
  }

  async #awaitResult(submission: Submission): Promise<void> {
    const client = this.clientOf(submission.lane);
    const result = await client.wait(submission.id ?? '', { timeoutMs: RESULT_WAIT_MS });
    this.#parts.submissions.finish(submission, result);
  }

  /** What is handed over without a key is handed over once: whether a lost answer was a yes, nobody can ask. */
  async #submitWithoutKeys(lane: LanePlan): Promise<void> {
    const { submissions, ration } = this.#parts;
    while (await ration.take(lane.name)) {
      const submission = submissions.make(lane.name, false);
      const answer = await untilHeard(() =>
        this.#post(this.#token(lane), this.#wireExport(lane, submission)),
      );
      if (answer === null || answer.code === 'store_unavailable') submission.fate = 'unknown';
      else if (answer.status === 200) submissions.accept(submission, answer.id);
      else if (answer.status === 503) submission.fate = 'refused';
      else this.#wrong(`${submission.key}: ${answer.status} ${answer.code}`);
    }
  }

  /** What must never arrive, refused for one cause after the other. */
  async #submitRefused(lane: LanePlan): Promise<void> {
    const { submissions, ration, seed } = this.#parts;
    const random = new Random(seed, lane.name);
    const known = submissions.make(lane.name, true);
    if (await ration.take(lane.name)) await this.#submit(lane, known);
    while (await ration.take(lane.name)) {
      const submission = submissions.make(lane.name, false);
      const { status, code } = await this.#insist(this.#refusable(lane, submission, known, random.int(0, 4)));
      submission.fate = 'refused';
      if (status < 400 || status >= 500)
        this.#wrong(`${submission.key}: ${status} ${code} instead of a refusal`);
    }
  }

  /** A request that the service has to refuse. */
  #refusable(
    lane: LanePlan,
    submission: Submission,
    known: Submission,
    cause: number,
  ): () => Promise<Answer | null> {
    const good = this.#wireExport(lane, submission);
    const token = this.#token(lane);
    switch (cause) {
      case 0:
        return () =>
          this.#post(tokenFor({ destination: good.uri, client: lane.client, rootKey: 'another key' }), good);
      case 1:
        return () => this.#post(this.#token({ ...lane, name: 'steady' }), good);
      case 2:
        return () => this.#post(token, { ...good, attempts_max: 0 });
      case 3:
        return () => this.#post(token, good, { 'idempotency-key': known.key });
      default:
        return () => this.#post(token, [good, { ...good, data: 'no JSON' }]);
    }
  }

  /** Asks until there is an answer that says what became of it. */
  async #insist(request: () => Promise<Answer | null>): Promise<Answer> {
    for (;;) {
      const answer = await untilHeard(request);
      if (answer !== null && answer.status !== 503) return answer;
      this.#parts.submissions.repeats += 1;
      await PATIENT.sleep(SLEEP_MS_MAX);
    }
  }

  /** Looks at exports of a lane as an app would: all must be known, and none may go back to an earlier state. */
  async #poll(lane: LanePlan): Promise<void> {
    const { submissions, ration, seed } = this.#parts;
    const random = new Random(seed, lane.name, 'poll');
    const seen = new Map<string, ExportStatus>();
    while (await ration.take(`${lane.name}/poll`)) {
      const accepted = submissions.acceptedIn(lane.name);
      if (accepted.length === 0) continue;
      const asked = Array.from({ length: random.int(1, POLLED_AT_ONCE_MAX) }, () => random.pick(accepted));
      submissions.polls += 1;
      const statuses = await this.clientOf(lane.name).getMany(asked.map(({ id }) => id ?? ''));
      for (const [index, submission] of asked.entries()) {
        const status = statuses[index] as ExportStatus;
        this.#look(submission, status, seen.get(submission.key));
        seen.set(submission.key, status);
      }
    }
  }

  #look(submission: Submission, status: ExportStatus, before: ExportStatus | undefined): void {
    if (status.id !== submission.id)
      this.#wrong(`${submission.key}: asked for ${submission.id}, got ${status.id}`);
    if (before !== undefined && STATE_RANK[status.state] < STATE_RANK[before.state]) {
      this.#wrong(`${submission.key}: ${status.state} after ${before.state}`);
    }
    if (status.state === 'Finished') this.#parts.submissions.finish(submission, status);
  }

  #wireExport(lane: LanePlan, { json }: Submission) {
    return { uri: this.#parts.destination.urlOf(lane.name), data: json };
  }

  #token({ name, client }: LanePlan): string {
    return tokenFor({ destination: this.#parts.destination.urlOf(name), client });
  }

  #post(token: string, body: object, headers: Record<string, string> = {}): Promise<Answer | null> {
    return askOnce(`${this.#parts.url}/export`, 'POST', token, { body, headers });
  }

  /** Counts the requests that the SDK makes again although the service may have taken them. */
  readonly #fetch: typeof fetch = async (...args) => {
    try {
      const response = await fetch(...args);
      if (response.status === 503) this.#parts.submissions.repeats += 1;
      return response;
    } catch (error) {
      if (!isNobodyThere(error)) this.#parts.submissions.repeats += 1;
      throw error;
    }
  };

  #wrong(what: string): void {
    this.#parts.submissions.wrongs.push(what);
  }
}

/** Tries for as long as the service keeps dying. */
const PATIENT = {
  triesMax: Number.POSITIVE_INFINITY,
  backoffMs: () => SLEEP_MS_MAX,
  sleep: sleepFor,
};
