import type { FinishedExport } from '../../client/index.ts';
import type { Ledger, LedgerAttempt, LedgerJob } from './ledger.ts';
import { mayBeDone, type OwnerAct } from './owner.ts';
import { compareOwner } from './owner-audit.ts';
import { compareRecord, type Record } from './record.ts';
import { type Arrival, receiptFor, statusOf } from './recording-destination.ts';
import type { Submission } from './submissions.ts';

export interface Evidence {
  readonly submissions: readonly Submission[];
  readonly arrivals: readonly Arrival[];
  readonly ledger: Ledger;
  /** The entries of what the service itself keeps as its ledger. */
  readonly record: Record;
  /** What the owner asked for. */
  readonly acts: readonly OwnerAct[];
  /** Whether old results were deleted in some life: then those of exports without a key may be gone. */
  readonly hasDeleted: boolean;
}

export interface Figures {
  /** Answered with 200. */
  accepted: number;
  arrivals: number;
  /** Accepted, and neither arrived nor ended with a reason. */
  lost: number;
  /** Accepted and ended with a reason, without having arrived. */
  endedWithoutArrival: number;
  /** Arrivals after an export's first one. */
  duplicates: number;
  /** Of these, those that follow an attempt whose answer is unknown. The others follow one that failed. */
  duplicatesAfterUnknown: number;
  /** Exports whose arrivals the attempts on record do not explain. */
  unexplained: number;
  /** Attempts on record as `answer_unknown`. */
  unknownAttempts: number;
  refused: number;
  /** Handed over without a key, answer lost. */
  unknown: number;
  deleted: number;
  /** Exports that the ledger tells of; 0 when texts were erased. */
  recorded: number;
  /** What the owner asked for and was answered with yes. */
  ownerActs: number;
}

/** Holds what the submitters know, what arrived and what the store says against each other. */
export function audit(evidence: Evidence): { figures: Figures; wrongs: string[] } {
  const auditor = new Auditor(evidence);
  auditor.run();
  return { figures: auditor.figures, wrongs: [...evidence.ledger.wrongs, ...auditor.wrongs] };
}

class Auditor {
  readonly wrongs: string[] = [];
  readonly figures: Figures;
  readonly #evidence: Evidence;
  readonly #byKey: ReadonlyMap<string, Submission>;
  readonly #arrivalsById = new Map<string, Arrival[]>();
  readonly #idByKey = new Map<string, string>();

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
    this.#byKey = new Map(evidence.submissions.map((each) => [each.key, each]));
    const count = (fate: Submission['fate']): number =>
      evidence.submissions.filter((each) => each.fate === fate).length;
    this.figures = {
      accepted: count('accepted'),
      arrivals: evidence.arrivals.length,
      lost: 0,
      endedWithoutArrival: 0,
      duplicates: 0,
      duplicatesAfterUnknown: 0,
      unexplained: 0,
      unknownAttempts: 0,
      refused: count('refused'),
      unknown: count('unknown'),
      deleted: 0,
      recorded: 0,
      ownerActs: evidence.acts.filter(({ fate }) => fate === 'done').length,
    };
  }

  run(): void {
    for (const arrival of this.#evidence.arrivals) this.#auditArrival(arrival);
    for (const submission of this.#evidence.submissions) this.#auditSubmission(submission);
    for (const job of this.#evidence.ledger.jobs.values()) this.#auditJob(job);
    this.#auditRecord();
    this.#auditOrder();
  }

  /**
   * What came is what was handed over, whole, under one id for ever, and not something that was refused. What the owner
   * had sent once more has an id of its own.
   */
  #auditArrival(arrival: Arrival): void {
    const { id, key, lane, body } = arrival;
    const submission = this.#byKey.get(key);
    const known = this.#isRedelivery(id) ? id : (this.#idByKey.get(key) ?? submission?.id ?? id);
    if (!this.#isRedelivery(id)) this.#idByKey.set(key, known);
    this.#arrivalsById.set(id, [...(this.#arrivalsById.get(id) ?? []), arrival]);
    this.#expect(submission !== undefined, `${key} arrived, and nobody handed it over`);
    if (submission === undefined) return;
    this.#expect(submission.fate !== 'refused', `${key} arrived, though it was refused`);
    this.#expect(submission.json === body, `${key}: other bytes arrived than were handed over`);
    this.#expect(submission.lane === lane, `${key} arrived at ${lane} instead of ${submission.lane}`);
    this.#expect(known === id, `${key} arrived under ${id} and under ${known}: it was queued twice`);
  }

  /** Of one that is deleted, and whose answer the owner never got, nobody knows any more. */
  #isRedelivery(id: string): boolean {
    const { ledger, acts, hasDeleted } = this.#evidence;
    const job = ledger.jobs.get(id);
    if (job !== undefined) return job.redeliveryOf !== null;
    const asked = acts.filter((act) => act.kind === 'redeliver' && mayBeDone(act));
    return asked.some(({ made }) => made === id || (made === null && hasDeleted));
  }

  #auditSubmission({ key, fate, id, isKeyed, result }: Submission): void {
    this.#expect(fate !== 'sent', `${key} never got an answer`);
    if (fate !== 'accepted' || id === null) return;
    const job = this.#evidence.ledger.jobs.get(id);
    const hasArrived = this.#arrivalsById.has(id);
    this.#auditEnd(key, id, hasArrived, job);
    if (job === undefined || job.isHistory) {
      this.figures.deleted += 1;
      this.#expect(!isKeyed && this.#evidence.hasDeleted, `${key} (${id}) can be read no more`);
      return;
    }
    this.#expect(result !== null, `${key} (${id}): no result could be read`);
    if (result !== null) this.#auditResult(key, result, job);
  }

  /** What was accepted ends with an answer, which takes an arrival, or with a reason. Until then it waits. */
  #auditEnd(key: string, id: string, hasArrived: boolean, job: LedgerJob | undefined): void {
    const isWaiting = job !== undefined && !job.isFinished;
    const hasAnswer = job?.resultStatus != null;
    const hasReason = job?.resultCode != null;
    if (job?.isFinished) {
      this.#expect(
        hasAnswer !== hasReason,
        `${key} (${id}) ended with neither an answer nor a reason, or both`,
      );
      this.#expect(
        !hasReason || isReasonOf(job),
        `${key} (${id}) ended as ${job.resultCode}, for no such reason`,
      );
    }
    if (hasArrived || isWaiting) return;
    if (hasReason) this.figures.endedWithoutArrival += 1;
    else {
      this.figures.lost += 1;
      this.wrongs.push(`${key} (${id}) is lost: accepted, never arrived, and the store gives no reason`);
    }
  }

  /** The app was told how the last attempt ended. */
  #auditResult(
    key: string,
    { answer }: FinishedExport,
    { state, resultStatus, resultCode, ledger }: LedgerJob,
  ): void {
    const last = ledger.at(-1);
    const told = answer.error?.code ?? String(answer.status);
    const kept = resultCode ?? String(resultStatus);
    const made =
      state === 'cancelled' ? 'cancelled' : last?.status === null ? last.error : String(last?.status);
    this.#expect(told === kept && kept === made, `${key}: told ${told}, kept ${kept}, last attempt ${made}`);
    if (answer.ok) this.#expect(answer.body === receiptFor(key), `${key}: told the answer "${answer.body}"`);
  }

  #auditJob(job: LedgerJob): void {
    const arrivals = this.#arrivalsById.get(job.id) ?? [];
    const unknown = job.ledger.filter(isUnknown).length;
    this.figures.unknownAttempts += unknown;
    this.#expect(
      job.ledger.every(({ number }, index) => number === index + 1) && job.ledger.length === job.attempts,
      `${job.id}: ${job.attempts} attempts counted, on record are ${job.ledger.map(({ number }) => number)}`,
    );
    this.#expect(
      job.attemptsSpent === job.ledger.length - unknown && job.attemptsSpent <= job.attemptsMax,
      `${job.id}: ${job.attemptsSpent} attempts spent of ${job.attemptsMax}, ${unknown} of ${job.attempts} unknown`,
    );
    const causes = explain(arrivals, job.ledger);
    if (causes === null) {
      this.figures.unexplained += 1;
      this.wrongs.push(`${job.id}: ${describe(arrivals, job.ledger)}`);
    } else this.#countDuplicates(causes);
  }

  /** What arrived is in the ledger, and of what is in it nothing did not happen. */
  #auditRecord(): void {
    const { ledger, record, hasDeleted } = this.#evidence;
    for (const job of ledger.jobs.values()) this.wrongs.push(...compareRecord(job, record));
    this.wrongs.push(...compareOwner(this.#evidence));
    for (const [id, { outcomes }] of record.exports) {
      this.#expect(ledger.jobs.has(id) || hasDeleted, `${id} is in the ledger, and the store never had it`);
      const isDelivered = outcomes.some(({ state }) => state === 'delivered');
      if (isDelivered)
        this.#expect(this.#arrivalsById.has(id), `${id} was delivered, says the ledger, and never arrived`);
    }
    if (record.isErased) return;
    for (const id of this.#arrivalsById.keys())
      this.#expect(record.exports.has(id), `${id} arrived, and the ledger knows nothing of it`);
    this.figures.recorded = record.exports.size;
  }

  #countDuplicates(causes: readonly LedgerAttempt[]): void {
    this.figures.duplicates += Math.max(causes.length - 1, 0);
    this.figures.duplicatesAfterUnknown += causes.slice(0, -1).filter(isUnknown).length;
  }

  /** First arrivals and first attempts of a lane are in the order of acceptance. */
  #auditOrder(): void {
    const firstArrivals = new Map([...this.#arrivalsById.keys()].map((id, index) => [id, index]));
    for (const [lane, jobs] of Map.groupBy(this.#evidence.ledger.jobs.values(), (job) => job.lane)) {
      // `seq` orders them. A single submitter knows the order too: it had the answer to one before the next began.
      const arrived = jobs.filter(({ id }) => firstArrivals.has(id));
      this.#expectRising(`first arrivals of ${lane}`, arrived, ({ id }) => firstArrivals.get(id) ?? 0);
      const sent = jobs.filter(({ ledger }) => ledger.length > 0);
      this.#expectRising(`first attempts of ${lane}`, sent, ({ ledger }) => ledger[0]?.startedAt ?? 0);
    }
    for (const [lane, submissions] of Map.groupBy(this.#evidence.submissions, (each) => each.lane)) {
      const accepted = submissions.filter(({ fate }) => fate === 'accepted');
      const inStore = accepted.flatMap(({ id }) => this.#evidence.ledger.jobs.get(id ?? '') ?? []);
      if (lane !== 'parallel') this.#expectRising(`acceptance in ${lane}`, inStore, ({ seq }) => seq);
    }
  }

  #expectRising(what: string, jobs: readonly LedgerJob[], numberOf: (job: LedgerJob) => number): void {
    let before = Number.NEGATIVE_INFINITY;
    for (const job of jobs) {
      const number = numberOf(job);
      this.#expect(number >= before, `${what}: ${job.id} is out of order`);
      before = Math.max(before, number);
    }
  }

  #expect(isRight: boolean, wrong: string): void {
    if (!isRight) this.wrongs.push(wrong);
  }
}

/**
 * For each arrival the attempt that made it, so that every arrival has one of its own, in order, and every attempt on
 * record that says it got there did; null when there is no such reading. Each attempt but the last has an error by
 * then, and so each arrival but the last has an explanation.
 */
function explain(arrivals: readonly Arrival[], attempts: readonly LedgerAttempt[]): LedgerAttempt[] | null {
  const [attempt, ...later] = attempts;
  const [arrival, ...next] = arrivals;
  if (attempt === undefined) return arrival === undefined ? [] : null;
  if (later.length > 0 && attempt.error === null) return null;
  if (arrival !== undefined && mayHaveMade(attempt, arrival)) {
    const rest = explain(next, later);
    if (rest !== null) return [attempt, ...rest];
  }
  return mayHaveMissed(attempt) ? explain(arrivals, later) : null;
}

/** Whether the attempts on record bear out how an export ended that has no answer: none was made, or the last says so. */
function isReasonOf({ state, resultCode, ledger }: LedgerJob): boolean {
  if (state === 'cancelled' || resultCode === 'cancelled')
    return state === 'cancelled' && resultCode === 'cancelled';
  const last = ledger.findLast((attempt) => !isUnknown(attempt));
  return last === undefined ? resultCode === 'expired' : last.error === resultCode;
}

function mayHaveMade(attempt: LedgerAttempt, { behaviour }: Arrival): boolean {
  if (isUnknown(attempt) || attempt.error === 'timeout') return true;
  const status = statusOf(behaviour);
  if (status !== null || behaviour === 'stays silent') return attempt.status === status && status !== null;
  return attempt.error === 'connection_failed' || attempt.error === 'malformed_response';
}

/** Whether the destination need not have seen it. */
function mayHaveMissed(attempt: LedgerAttempt): boolean {
  return isUnknown(attempt) || attempt.error === 'timeout';
}

function isUnknown({ error }: LedgerAttempt): boolean {
  return error === 'answer_unknown';
}

function describe(arrivals: readonly Arrival[], attempts: readonly LedgerAttempt[]): string {
  const came = arrivals.map(({ behaviour }) => behaviour).join(', ');
  const made = attempts.map(({ status, error }) => error ?? status).join(', ');
  return `${arrivals[0]?.key ?? 'nothing'} arrived [${came}], which the attempts on record do not explain [${made}]`;
}
