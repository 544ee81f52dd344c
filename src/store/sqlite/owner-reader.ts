import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
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

const UNFINISHED = 'j.finished_at IS NULL';
const PHASE: Readonly<Record<Phase, string>> = {
  pending: `j.finished_at IS NULL AND j.state = ${STATE.queued} AND j.attempts = 0`,
  processing: `j.finished_at IS NULL AND NOT (j.state = ${STATE.queued} AND j.attempts = 0)`,
  finished: 'j.finished_at IS NOT NULL',
};

/**
 * A lane's jobs lie in several partial indexes, each under a condition. The two long ones are in the order of acceptance;
 * few are being sent, and what waits is sorted.
 */
const OF_LANE: readonly { readonly index: string; readonly condition: string }[] = [
  { index: 'jobs_queued', condition: `j.state = ${STATE.queued}` },
  { index: 'jobs_sending', condition: `j.state = ${STATE.sending}` },
  { index: 'jobs_waiting', condition: `j.state = ${STATE.waiting}` },
  { index: 'jobs_finished_of_lane', condition: 'j.finished_at IS NOT NULL' },
];

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

  list({ app, destination, phase, before, limit }: ExportQuery): ExportPage {
    const below = before === null ? NEWEST : Number(before);
    const condition = phase === null ? 'TRUE' : PHASE[phase];
    // One more tells whether there is another page.
    const rows =
      app === null && destination === null
        ? this.#newest(condition, phase, below, limit + 1)
        : this.#newestOf(this.#lanes(app, destination), condition, below, limit + 1);
    const items = this.#owned(rows.slice(0, limit));
    return { items, next: rows.length > limit ? String(rows[limit - 1]?.seq) : null };
  }

  find(id: string): OwnedExport | null {
    const row = this.#all(`${SELECT_OWNED} WHERE j.id = ?`, fromUuid(id))[0];
    return row === undefined ? null : (this.#owned([row])[0] ?? null);
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

  /**
   * Of all lanes. What few exports are is found by the index that has only them, and what most are by looking from the
   * newest on: either looks at little.
   */
  #newest(condition: string, phase: Phase | null, below: number, count: number): Row[] {
    const select = (index: string) =>
      this.#all(
        `SELECT j.*, l.client, l.destination, NULL AS body, 0 AS truncated
        FROM jobs j ${index} CROSS JOIN lanes l ON l.id = j.lane
        WHERE j.seq < ? AND ${condition} ORDER BY j.seq DESC LIMIT ?`,
        below,
        count,
      );
    const isRare = phase !== null && phase !== 'finished' && this.#unfinishedAreFew();
    return select(isRare ? 'INDEXED BY jobs_unfinished' : 'NOT INDEXED');
  }

  #unfinishedAreFew(): boolean {
    const bound = 100_000;
    const found = this.#all(
      `SELECT count(*) AS n FROM (SELECT 1 FROM jobs j INDEXED BY jobs_unfinished WHERE ${UNFINISHED} LIMIT ?)`,
      bound,
    )[0];
    return Number(found?.n) < bound;
  }

  /** Of some lanes: each lane's newest, and of these the newest. */
  #newestOf(lanes: readonly number[], condition: string, below: number, count: number): Row[] {
    const statements = OF_LANE.map((part) =>
      this.#db.prepare(
        `SELECT j.seq FROM jobs j INDEXED BY ${part.index}
        WHERE j.lane = ? AND ${part.condition} AND j.seq < ? AND ${condition}
        ORDER BY j.seq DESC LIMIT ?`,
      ),
    );
    const seqs = lanes.flatMap((lane) =>
      statements.flatMap((statement) =>
        (statement.all(lane, below, count) as Row[]).map(({ seq }) => Number(seq)),
      ),
    );
    seqs.sort((a, b) => b - a);
    const statement = this.#db.prepare(`${SELECT_OWNED} WHERE j.seq = ?`);
    return seqs.slice(0, count).map((seq) => statement.get(seq) as Row);
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
