import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { Lane } from '../../export/job.ts';
import type { StoreKeys } from '../../export/job-store.ts';
import type { ExportPage, ExportQuery, LaneSummary, OwnedExport, Phase } from '../../export/owner-store.ts';
import { matcherOf, type RuleMatcher, rulesFor } from '../../export/rules.ts';
import { Vault } from '../vault/vault.ts';
import { LedgerReader } from './ledger-reader.ts';
import { fromUuid, type Row, STATE, toAttempt, toJob, toUuid } from './rows.ts';
import { toRule } from './rule-book.ts';
import { SealedText } from './sealed-text.ts';

/** No seq is larger: for the first page. */
const NEWEST = Number.MAX_SAFE_INTEGER;

const SELECT_OWNED = `
  SELECT j.*, l.client, l.destination, NULL AS body, 0 AS truncated FROM jobs j JOIN lanes l ON l.id = j.lane`;

/** Passing over so many exports that have not ended takes milliseconds, */
const UNFINISHED_FEW = 10_000;
/** and looking at so many lanes a hundred of them. */
const LANES_FEW = 10_000;

/** Exports that are found the newest first, by an index that has only them. */
interface Part {
  readonly phase: Phase;
  readonly condition: string;
  /** Of all lanes. */
  readonly index: string;
  /** Of one lane; null where there are so few of all lanes that these are looked through. */
  readonly ofLane: string | null;
}

/** What has not ended. What is being sent is few, and so is what goes back to the queue after that. */
const UNFINISHED: readonly Part[] = [
  {
    phase: 'pending',
    condition: `j.state = ${STATE.queued} AND j.attempts = 0`,
    index: 'jobs_untried',
    ofLane: 'jobs_queued',
  },
  {
    phase: 'processing',
    condition: `j.state = ${STATE.queued} AND j.attempts > 0`,
    index: 'jobs_tried',
    ofLane: null,
  },
  { phase: 'processing', condition: `j.state = ${STATE.sending}`, index: 'jobs_sending', ofLane: null },
  {
    phase: 'processing',
    condition: `j.state = ${STATE.waiting}`,
    index: 'jobs_waiting_newest',
    ofLane: 'jobs_waiting_of_lane',
  },
];
/** There is no index of these alone over all lanes: every export would pay for it. */
const FINISHED = { condition: 'j.finished_at IS NOT NULL', ofLane: 'jobs_finished_of_lane' };

/** Where a page begins, and how much is looked for. */
interface Place {
  readonly below: number;
  readonly count: number;
}

/**
 * What the owner sees of a store, over a read-only connection. It may take seconds with millions of exports: it belongs
 * into a thread of its own.
 */
export class OwnerReader implements Disposable {
  readonly #db: DatabaseSync;
  readonly #texts: SealedText;
  readonly ledger: LedgerReader;

  constructor(path: string, keys: StoreKeys) {
    this.#db = new DatabaseSync(path, { readOnly: true });
    this.#texts = new SealedText(new Vault(keys));
    this.ledger = new LedgerReader(this.#db);
  }

  list(query: ExportQuery): ExportPage {
    return this.#atOneMoment(() => {
      const seqs = this.#seqs(query);
      const rows = this.#rows(seqs.slice(0, query.limit));
      return {
        items: this.#owned(rows),
        next: seqs.length > query.limit ? String(seqs[query.limit - 1]) : null,
      };
    });
  }

  find(id: string): OwnedExport | null {
    return this.#atOneMoment(() => {
      const rows = this.#all(`${SELECT_OWNED} WHERE j.id = ?`, fromUuid(id));
      return this.#owned(rows)[0] ?? null;
    });
  }

  summary(since: number, until: number): LaneSummary[] {
    // Of everything, row after row is read faster than by an index.
    const indexed = since > 0 ? 'INDEXED BY jobs_accepted' : 'NOT INDEXED';
    const ended = (state: keyof typeof STATE) => `count(*) FILTER (WHERE j.state = ${STATE[state]})`;
    const rows = this.#all(
      `SELECT l.client, l.destination, count(*) AS accepted, sum(j.data_bytes) AS bytes,
        min(j.accepted_at) AS first_at, max(j.accepted_at) AS last_at,
        ${ended('delivered')} AS delivered, ${ended('undeliverable')} AS undeliverable,
        ${ended('blocked')} AS blocked, ${ended('cancelled')} AS cancelled
      FROM jobs j ${indexed} CROSS JOIN lanes l ON l.id = j.lane
      WHERE j.accepted_at >= ? AND j.accepted_at < ? GROUP BY j.lane ORDER BY last_at DESC`,
      since,
      until,
    );
    return rows.map(toSummary);
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** All that is read in here is of one commit, however many statements read it: exports move on meanwhile. */
  #atOneMoment<T>(read: () => T): T {
    this.#db.exec('BEGIN');
    try {
      return read();
    } finally {
      this.#db.exec('COMMIT');
    }
  }

  /** What a page shows, the newest first, and one more if there is another page. */
  #seqs({ app, destination, phase, before, limit }: ExportQuery): number[] {
    const place = { below: before === null ? NEWEST : Number(before), count: limit + 1 };
    if (app !== null || destination !== null)
      return this.#ofLanes(this.#lanes(app, destination), phase, place);
    if (phase === null) return this.#newest('NOT INDEXED', 'TRUE', place);
    if (phase === 'finished') return this.#finished(place);
    const parts = UNFINISHED.filter((part) => part.phase === phase);
    return newestOf(
      parts.flatMap(({ index, condition }) => this.#newest(`INDEXED BY ${index}`, condition, place)),
      place,
    );
  }

  #newest(index: string, condition: string, { below, count }: Place): number[] {
    return this.#all(
      `SELECT j.seq FROM jobs j ${index} WHERE j.seq < ? AND ${condition} ORDER BY j.seq DESC LIMIT ?`,
      below,
      count,
    ).map(seqOf);
  }

  /** From the newest on, unless so much has not ended that it is found sooner lane by lane. */
  #finished(place: Place): number[] {
    const isMany = (from: string, few: number) =>
      Number(this.#all(`SELECT count(*) AS n FROM (SELECT 1 FROM ${from} LIMIT ?)`, few)[0]?.n) === few;
    const hasManyUnfinished = isMany(
      'jobs INDEXED BY jobs_unfinished WHERE finished_at IS NULL',
      UNFINISHED_FEW,
    );
    if (!hasManyUnfinished || isMany('lanes', LANES_FEW))
      return this.#newest('NOT INDEXED', FINISHED.condition, place);
    return this.#ofLanes(
      this.#all('SELECT id FROM lanes').map(({ id }) => Number(id)),
      'finished',
      place,
    );
  }

  /** Each lane's newest, and of these the newest. */
  #ofLanes(lanes: readonly number[], phase: Phase | null, place: Place): number[] {
    const unfinished = UNFINISHED.filter((part) => phase === null || part.phase === phase);
    const hasFinished = phase === null || phase === 'finished';
    const ofLane = [...unfinished, ...(hasFinished ? [FINISHED] : [])].flatMap(
      ({ ofLane: index, condition }) => (index === null ? [] : [this.#laneStatement(index, condition)]),
    );
    const found = lanes.flatMap((lane) =>
      ofLane.flatMap((statement) => (statement.all(lane, place.below, place.count) as Row[]).map(seqOf)),
    );
    const few = unfinished.filter((part) => part.ofLane === null);
    const among = new Set(lanes);
    return newestOf([...found, ...few.flatMap((part) => this.#lookThrough(part, among, place))], place);
  }

  #laneStatement(index: string, condition: string): StatementSync {
    return this.#db.prepare(
      `SELECT j.seq FROM jobs j INDEXED BY ${index}
      WHERE j.lane = ? AND ${condition} AND j.seq < ? ORDER BY j.seq DESC LIMIT ?`,
    );
  }

  #lookThrough({ index, condition }: Part, lanes: ReadonlySet<number>, { below, count }: Place): number[] {
    const found: number[] = [];
    const rows = this.#db.prepare(
      `SELECT j.seq, j.lane FROM jobs j INDEXED BY ${index} WHERE ${condition} AND j.seq < ? ORDER BY j.seq DESC`,
    );
    for (const row of rows.iterate(below) as Iterable<Row>) {
      if (lanes.has(Number(row.lane))) found.push(seqOf(row));
      if (found.length === count) break;
    }
    return found;
  }

  #rows(seqs: readonly number[]): Row[] {
    const statement = this.#db.prepare(`${SELECT_OWNED} WHERE j.seq = ?`);
    return seqs.map((seq) => statement.get(seq) as Row);
  }

  #lanes(app: string | null, destination: string | null): number[] {
    const matcher = matcherOf({ id: '', kind: 'hold', app, destination, note: null, createdAt: 0 });
    return this.#all('SELECT id, client, destination FROM lanes')
      .filter((row) => matcher.matches(laneOf(row)))
      .map(({ id }) => Number(id));
  }

  #owned(rows: readonly Row[]): OwnedExport[] {
    const rules = this.#all('SELECT * FROM rules ORDER BY created_at, id').map((row) =>
      matcherOf(toRule(row)),
    );
    const attempts = this.#db.prepare(
      'SELECT a.*, j.id FROM attempts a JOIN jobs j ON j.seq = a.job WHERE a.job = ? ORDER BY a.number',
    );
    return rows.map((row) => ({
      job: toJob(row, this.#texts),
      peer: row.peer === null ? null : String(row.peer),
      attempts: (attempts.all(Number(row.seq)) as Row[]).map((attempt) => toAttempt(attempt, this.#texts)),
      heldBy: heldBy(row, rules),
      redeliveryOf: row.redelivery_of === null ? null : toUuid(row.redelivery_of as Uint8Array),
    }));
  }

  #all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#db.prepare(sql).all(...values) as Row[];
  }
}

function heldBy(row: Row, rules: readonly RuleMatcher[]): string | null {
  const isSending = row.state === STATE.sending;
  if (row.finished_at !== null || isSending) return null;
  return rulesFor(rules, laneOf(row)).hold?.id ?? null;
}

function seqOf({ seq }: Row): number {
  return Number(seq);
}

/** Of what was found in several places. */
function newestOf(seqs: number[], { count }: Place): number[] {
  return seqs.sort((one, other) => other - one).slice(0, count);
}

function laneOf(row: Row): Lane {
  return { client: String(row.client), destination: String(row.destination) };
}

function toSummary(row: Row): LaneSummary {
  const number = (name: string): number => Number(row[name]);
  return {
    app: String(row.client),
    destination: String(row.destination),
    accepted: number('accepted'),
    delivered: number('delivered'),
    undeliverable: number('undeliverable'),
    blocked: number('blocked'),
    cancelled: number('cancelled'),
    bytes: number('bytes'),
    firstAt: number('first_at'),
    lastAt: number('last_at'),
  };
}
