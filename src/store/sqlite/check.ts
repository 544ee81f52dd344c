import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isFinal, type JobState } from '../../export/job.ts';
import { JOB_STATES, type StoreKeys } from '../../export/job-store.ts';
import { PAYLOAD_SEAL_BYTES, Vault, WRAPPED_KEY_BYTES } from '../vault/vault.ts';
import { openPayload } from './payloads.ts';
import { fromUuid, type Row, STATE, toUuid } from './rows.ts';
import { identify, SCHEMA_VERSION } from './schema.ts';
import { sealedPayloads, sealedTexts } from './sealed-rows.ts';
import { isDamage, sqliteCode } from './sqlite-errors.ts';

/** What was found in a store. It is sound when there are no problems. */
export interface StoreReport {
  readonly schemaVersion: number | null;
  /** How many exports are in each state; null when that could not be read. */
  readonly exports: Readonly<Record<JobState, number>> | null;
  /** Of the file, and how many of these are in use. */
  readonly bytes: number;
  readonly bytesUsed: number;
  readonly problems: readonly StoreProblem[];
  /** Whether what is encrypted was opened too. */
  readonly isOpened: boolean;
}

export interface StoreProblem {
  /** Stable, to branch on. */
  readonly rule: string;
  /** What is wrong, in words. */
  readonly detail: string;
}

export type FindKeys = (secret: (name: string) => Uint8Array | null) => StoreKeys | null;

/** What SQLite says of a file is cut after this many lines. */
const DAMAGES_MAX = 20;

/**
 * Looks at a store beside a service that may be using it, and changes nothing: whether the file is whole, whether what is
 * in it makes sense, and, with the store's keys, whether what is encrypted in it opens. All of it is one snapshot.
 *
 * @param findKeys finds the keys by the store's secrets; null leaves alone what is encrypted, and an error is a problem
 * @throws Error when there is no store at `path`, or one that is not ours or newer than we are
 */
export function checkStore(path: string, findKeys: FindKeys = () => null): StoreReport {
  using db = openForReading(path);
  try {
    const schemaVersion = identify(db);
    db.exec('BEGIN');
    return { ...sizes(db), schemaVersion, ...findings(db, schemaVersion, findKeys) };
  } catch (error) {
    if (!isDamage(sqliteCode(error))) throw error;
    const problems = [damage((error as Error).message)];
    return { schemaVersion: null, exports: null, bytes: 0, bytesUsed: 0, problems, isOpened: false };
  }
}

/**
 * A connection that changes nothing.
 *
 * @throws Error when there is no file at `path`
 */
export function openForReading(path: string): DatabaseSync {
  if (!existsSync(path)) throw new Error(`There is no store at ${path}: name its --data-dir or --store.`);
  return new DatabaseSync(path, { readOnly: true });
}

/**
 * When the newest export was accepted, by the clock of that moment; null when there is none, or when that cannot be
 * read.
 */
export function newestAcceptedAt(path: string): number | null {
  using db = openForReading(path);
  try {
    const row = db.prepare('SELECT accepted_at FROM jobs ORDER BY seq DESC LIMIT 1').get() as Row | undefined;
    return row === undefined ? null : Number(row.accepted_at);
  } catch {
    return null;
  }
}

function findings(
  db: DatabaseSync,
  schemaVersion: number,
  findKeys: FindKeys,
): Pick<StoreReport, 'exports' | 'problems' | 'isOpened'> {
  if (schemaVersion < SCHEMA_VERSION) {
    const detail = `The schema has version ${schemaVersion} and not ${SCHEMA_VERSION}: "store migrate", or a start, brings it there.`;
    return { exports: null, problems: [...damages(db), { rule: 'old_schema', detail }], isOpened: false };
  }
  const problems = damages(db);
  // What is in a broken file says nothing about what was in it.
  if (problems.length > 0) return { exports: null, problems, isOpened: false };
  const broken = RULES.flatMap((rule) => brokenRule(db, rule));
  const opening = openAll(db, findKeys);
  return { exports: countExports(db), ...opening, problems: [...broken, ...opening.problems] };
}

function damages(db: DatabaseSync): StoreProblem[] {
  const lines = db.prepare(`PRAGMA integrity_check(${DAMAGES_MAX})`).all() as Row[];
  const texts = lines.map((line) => String(line.integrity_check)).filter((text) => text !== 'ok');
  return texts.map(damage);
}

function damage(detail: string): StoreProblem {
  return { rule: 'damaged_file', detail: `The file is damaged: ${detail}` };
}

function countExports(db: DatabaseSync): Record<JobState, number> {
  const counts = Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as Record<JobState, number>;
  for (const row of db.prepare('SELECT state, count(*) AS n FROM jobs GROUP BY state').all() as Row[]) {
    const state = JOB_STATES[Number(row.state)];
    if (state !== undefined) counts[state] = Number(row.n);
  }
  return counts;
}

function sizes(db: DatabaseSync): { bytes: number; bytesUsed: number } {
  const { bytes, used } = db
    .prepare(`
      SELECT page_size * page_count AS bytes, page_size * (page_count - freelist_count) AS used
      FROM pragma_page_size, pragma_page_count, pragma_freelist_count`)
    .get() as Row;
  return { bytes: Number(bytes), bytesUsed: Number(used) };
}

// -- our own rules ------------------------------------------------------------------------------------------------------

interface Rule {
  readonly rule: string;
  /** What breaks it, in the plural. */
  readonly breach: string;
  /** The rows that break it; `id` is an export's. */
  readonly rows: string;
}

const FINAL = JOB_STATES.filter(isFinal)
  .map((state) => STATE[state])
  .join(', ');

const IS_FREE = `wrapped = zeroblob(${WRAPPED_KEY_BYTES})`;

const RULES: readonly Rule[] = [
  {
    rule: 'unknown_state',
    breach: 'exports in a state that this release does not know',
    rows: `SELECT id FROM jobs WHERE state NOT IN (${JOB_STATES.map((state) => STATE[state]).join(', ')})`,
  },
  {
    rule: 'missing_payload',
    breach: 'exports that have not ended and have no payload, so they cannot be sent',
    rows: `SELECT id FROM jobs WHERE finished_at IS NULL AND seq NOT IN (SELECT job FROM payloads)`,
  },
  {
    rule: 'wrong_payload',
    breach: 'payloads of another length than was accepted',
    // Those from before schema version 3 have no key, and stand there as they were.
    rows: `
      SELECT id FROM jobs JOIN payloads p ON p.job = seq
      WHERE length(p.data) <> data_bytes + iif(payload_key IS NULL, 0, ${PAYLOAD_SEAL_BYTES})`,
  },
  {
    rule: 'left_payload',
    breach: 'exports that have ended, and of whose payload and key one is still there',
    rows: `
      SELECT id FROM jobs
      WHERE finished_at IS NOT NULL AND (payload_key IS NULL) <> (seq NOT IN (SELECT job FROM payloads))`,
  },
  {
    rule: 'missing_payload_key',
    breach: 'payloads whose key is not there, so they cannot be opened',
    rows: `
      SELECT id FROM jobs WHERE payload_key IS NOT NULL AND payload_key NOT IN (
        SELECT slot FROM payload_keys WHERE length(wrapped) = ${WRAPPED_KEY_BYTES} AND NOT ${IS_FREE})`,
  },
  {
    rule: 'shared_payload_key',
    breach: 'keys that several payloads have',
    rows: `
      SELECT min(id) AS id FROM jobs WHERE payload_key IS NOT NULL
      GROUP BY payload_key HAVING count(*) > 1`,
  },
  {
    rule: 'stray_payload_key',
    breach: 'keys of no payload',
    rows: `
      SELECT NULL AS id FROM payload_keys WHERE NOT ${IS_FREE}
        AND slot NOT IN (SELECT payload_key FROM jobs WHERE payload_key IS NOT NULL)`,
  },
  {
    rule: 'stray_payload',
    breach: 'payloads of no export',
    rows: 'SELECT NULL AS id FROM payloads WHERE job NOT IN (SELECT seq FROM jobs)',
  },
  {
    rule: 'wrong_end',
    breach: 'exports whose state and time of ending contradict each other',
    rows: `
      SELECT id FROM jobs WHERE (state IN (${FINAL})) <> (finished_at IS NOT NULL)
        OR (finished_at IS NULL) <> (kept_since IS NULL)`,
  },
  {
    rule: 'missing_result',
    breach: 'exports that have ended without a result',
    rows: `
      SELECT id FROM jobs WHERE finished_at IS NOT NULL AND is_history = 0 AND result_code IS NULL
        AND (result_status IS NULL OR seq NOT IN (SELECT job FROM answers))`,
  },
  {
    rule: 'stray_answer',
    breach: 'answers of no export',
    rows: 'SELECT NULL AS id FROM answers WHERE job NOT IN (SELECT seq FROM jobs)',
  },
  {
    rule: 'wrong_lease',
    breach: 'exports that are being sent under no lease, or are not and have one',
    rows: `
      SELECT id FROM jobs WHERE (state = ${STATE.sending}) <> (lease IS NOT NULL)
        OR (lease IS NULL) <> (lease_expires_at IS NULL)`,
  },
  {
    rule: 'endless_wait',
    breach: 'exports that wait for another attempt, and nothing says until when',
    rows: `SELECT id FROM jobs WHERE state = ${STATE.waiting} AND next_attempt_at IS NULL`,
  },
  {
    rule: 'wrong_attempts',
    breach: 'exports whose attempts on record are not as many as were counted',
    rows: 'SELECT id FROM jobs WHERE attempts <> (SELECT count(*) FROM attempts WHERE job = seq)',
  },
  {
    rule: 'stray_attempt',
    breach: 'attempts of no export',
    rows: 'SELECT NULL AS id FROM attempts WHERE job NOT IN (SELECT seq FROM jobs)',
  },
  {
    rule: 'missing_lane',
    breach: 'exports whose client and destination are not there',
    rows: 'SELECT id FROM jobs WHERE lane NOT IN (SELECT id FROM lanes)',
  },
  {
    rule: 'unused_lane',
    breach: 'clients and destinations that nothing refers to any more',
    rows: `
      SELECT NULL AS id FROM lanes
      WHERE id NOT IN (SELECT lane FROM jobs) AND id NOT IN (SELECT lane FROM idempotency_keys)`,
  },
  {
    rule: 'stray_key',
    breach: 'idempotency keys of no client and destination',
    rows: 'SELECT NULL AS id FROM idempotency_keys WHERE lane NOT IN (SELECT id FROM lanes)',
  },
  {
    rule: 'missing_outcome',
    breach: 'exports whose end is not where the ledger should say it ("ledger verify" tells more)',
    // Those that ended before schema version 5 are in no ledger.
    rows: `
      SELECT id FROM jobs WHERE outcome_entry IS NOT NULL
        AND outcome_entry NOT IN (SELECT entry FROM ledger_entries)`,
  },
];

function brokenRule(db: DatabaseSync, { rule, breach, rows }: Rule): StoreProblem[] {
  const { n, id } = db.prepare(`SELECT count(*) AS n, min(id) AS id FROM (${rows})`).get() as Row;
  return n === 0 ? [] : [problem(rule, breach, Number(n), id as Uint8Array | null)];
}

// -- what is encrypted --------------------------------------------------------------------------------------------------

/** Opens whatever is encrypted, if the keys are there. */
function openAll(db: DatabaseSync, findKeys: FindKeys): Pick<StoreReport, 'problems' | 'isOpened'> {
  const statement = db.prepare('SELECT value FROM secrets WHERE name = ?');
  const secret = (name: string): Uint8Array | null =>
    ((statement.get(name) as Row | undefined)?.value as Uint8Array | undefined) ?? null;
  let keys: StoreKeys | null;
  try {
    keys = findKeys(secret);
  } catch (error) {
    return { problems: [{ rule: 'wrong_key', detail: (error as Error).message }], isOpened: false };
  }
  return { problems: keys === null ? [] : findUnopened(db, new Vault(keys)), isOpened: keys !== null };
}

/** What does not open. Where the file is whole, somebody changed it, or it was written under another key. */
function findUnopened(db: DatabaseSync, vault: Vault): StoreProblem[] {
  const payloads = new Unopened();
  for (const { owner, row } of sealedPayloads(db)) {
    if (openPayload(vault, row, owner.lane) === null) payloads.add(owner.id);
  }
  const texts = new Unopened();
  for (const { what, id, sealed } of sealedTexts(db)) {
    if (!opens(() => vault.openText(what, id, sealed))) texts.add(id);
  }
  return [
    ...payloads.problem('unopened_payload', 'payloads that do not open with the key of the store'),
    ...texts.problem('unopened_answer', 'answers and errors that do not open with the key of the store'),
  ];
}

class Unopened {
  #count = 0;
  #example = '';

  add(id: string): void {
    this.#example ||= id;
    this.#count += 1;
  }

  problem(rule: string, breach: string): StoreProblem[] {
    return this.#count === 0 ? [] : [problem(rule, breach, this.#count, fromUuid(this.#example))];
  }
}

function opens(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch {
    return false;
  }
}

function problem(rule: string, breach: string, count: number, id: Uint8Array | null): StoreProblem {
  const example = id === null ? '' : `, such as ${toUuid(id)}`;
  return { rule, detail: `There are ${breach}: ${count}${example}.` };
}
