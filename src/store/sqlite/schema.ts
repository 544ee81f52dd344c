import type { DatabaseSync } from 'node:sqlite';

/**
 * Every change of the schema, in order; append only. Entry n brings a store from version n to n + 1, and SQLite's
 * `user_version` says how many have been applied.
 *
 * Times are milliseconds since 1970: of the wall clock where people see them (`accepted_at`, `claimed_at`,
 * `finished_at`, attempts), steady ones where something waits for them or is kept until them. A new one of these goes
 * into `steady-times.ts` too. States are numbered by `JOB_STATES`.
 */
export const MIGRATIONS: readonly string[] = [
  `
  -- What is sent one after the other: the exports of one client to one destination.
  CREATE TABLE lanes (
    id INTEGER PRIMARY KEY,
    client TEXT NOT NULL,
    destination TEXT NOT NULL,
    -- How its destination does: see export/lane-health.ts.
    failures INTEGER NOT NULL DEFAULT 0,
    paused_until INTEGER NOT NULL DEFAULT 0,
    UNIQUE (client, destination)
  ) STRICT;
  CREATE INDEX lanes_down ON lanes (id) WHERE failures > 0;

  -- seq is the order of acceptance.
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    -- A row of lanes. Not declared as a reference: the check at the deletion of a lane would read every job.
    lane INTEGER NOT NULL,
    state INTEGER NOT NULL,
    data_bytes INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_spent INTEGER NOT NULL DEFAULT 0,
    accepted_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    lease INTEGER,
    lease_expires_at INTEGER,
    claimed_at INTEGER,
    next_attempt_at INTEGER,
    returns_with_lane INTEGER NOT NULL DEFAULT 0,
    last_error_code TEXT,
    last_error_detail TEXT,
    finished_at INTEGER,
    result_status INTEGER,
    result_code TEXT,
    result_detail TEXT,
    key_expires_at INTEGER
  ) STRICT;
  CREATE INDEX jobs_queued ON jobs (lane, seq) WHERE state = 0;
  CREATE INDEX jobs_sending ON jobs (seq) WHERE state = 1;
  CREATE INDEX jobs_waiting ON jobs (lane, next_attempt_at) WHERE state = 2;
  CREATE INDEX jobs_unfinished ON jobs (expires_at) WHERE finished_at IS NULL;
  CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
  -- Tells when the last one of a lane is deleted, and the lane with it.
  CREATE INDEX jobs_finished_of_lane ON jobs (lane) WHERE finished_at IS NOT NULL;

  -- Apart from the job, and deleted with its end: nulling a column would leave the row at its full size.
  CREATE TABLE payloads (
    job INTEGER PRIMARY KEY,
    data BLOB NOT NULL
  ) STRICT;

  CREATE TABLE answers (
    job INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    truncated INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE attempts (
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    address TEXT,
    status INTEGER,
    error_code TEXT,
    error_detail TEXT,
    PRIMARY KEY (job, number)
  ) STRICT, WITHOUT ROWID;

  -- job is the id, not the seq: SQLite may give a deleted job's seq to another one.
  CREATE TABLE idempotency_keys (
    lane INTEGER NOT NULL,
    key TEXT NOT NULL,
    job BLOB NOT NULL,
    digest BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (lane, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

  -- Encrypted by the service under its master key.
  CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- What the owner decided: see export/rules.ts.
  CREATE TABLE rules (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('block', 'hold', 'budget')),
    app TEXT,
    destination TEXT,
    budget_limit INTEGER,
    unit TEXT CHECK (unit IN ('bytes', 'exports')),
    per TEXT CHECK (per IN ('hour', 'day')),
    note TEXT,
    created_at INTEGER NOT NULL,
    CHECK ((kind = 'budget') = (budget_limit IS NOT NULL AND unit IS NOT NULL AND per IS NOT NULL))
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE budget_use (
    rule TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (rule, window_start)
  ) STRICT, WITHOUT ROWID;

  ALTER TABLE jobs ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE jobs ADD COLUMN peer TEXT;
  ALTER TABLE jobs ADD COLUMN redelivery_of BLOB;
  -- Its result is deleted: apps know it no more, its owner does.
  ALTER TABLE jobs ADD COLUMN is_history INTEGER NOT NULL DEFAULT 0;
  DROP INDEX jobs_finished;
  CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL AND is_history = 0;
  CREATE INDEX jobs_history ON jobs (finished_at) WHERE is_history = 1;
  -- Of a lane that is held nothing expires; after that, nothing before this time.
  ALTER TABLE lanes ADD COLUMN is_held INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE lanes ADD COLUMN not_expired_before INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX lanes_released ON lanes (id) WHERE not_expired_before > 0;
  `,
  `
  -- Each payload has a key of its own, wrapped under the master key: see key-slots.ts. All zeros: free.
  CREATE TABLE payload_keys (
    slot INTEGER PRIMARY KEY,
    wrapped BLOB NOT NULL
  ) STRICT;

  -- The slot of the payload's key. Null: there is no payload any more, or one from before version 3, which is not encrypted.
  ALTER TABLE jobs ADD COLUMN payload_key INTEGER;
  -- Payloads that stay after the end.
  CREATE INDEX jobs_with_payload ON jobs (finished_at) WHERE finished_at IS NOT NULL AND payload_key IS NOT NULL;

  -- Bodies are sealed: bytes. Text is empty, or from before version 3. So are details of errors: see sealed-text.ts.
  CREATE TABLE sealed_answers (
    job INTEGER PRIMARY KEY,
    body ANY NOT NULL,
    truncated INTEGER NOT NULL
  ) STRICT;
  INSERT INTO sealed_answers SELECT job, body, truncated FROM answers;
  DROP TABLE answers;
  ALTER TABLE sealed_answers RENAME TO answers;
  `,
  `
  -- When it ended, in steady time: how long it is kept counts from then. Before version 4 only the wall clock's was known.
  ALTER TABLE jobs ADD COLUMN kept_since INTEGER;
  UPDATE jobs SET kept_since = finished_at WHERE finished_at IS NOT NULL;
  DROP INDEX jobs_finished;
  CREATE INDEX jobs_finished ON jobs (kept_since) WHERE finished_at IS NOT NULL AND is_history = 0;
  DROP INDEX jobs_history;
  CREATE INDEX jobs_history ON jobs (kept_since) WHERE is_history = 1;
  DROP INDEX jobs_with_payload;
  CREATE INDEX jobs_with_payload ON jobs (kept_since) WHERE finished_at IS NOT NULL AND payload_key IS NOT NULL;

  -- Both clocks at one moment of the process that used the store last: see steady-times.ts.
  CREATE TABLE clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    wall INTEGER NOT NULL,
    steady INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- The record of what left: see docs/ledger.md. Every log of this store; the newest is written to.
  CREATE TABLE ledger_logs (
    id INTEGER PRIMARY KEY,
    instance TEXT NOT NULL,
    origin TEXT NOT NULL UNIQUE,
    verifier_key TEXT NOT NULL,
    -- The last signed note that is on the disk outside the store.
    checkpoint TEXT,
    -- The texts of entries before this one are erased, but for the first.
    erased INTEGER NOT NULL DEFAULT 1
  ) STRICT;

  CREATE TABLE ledger_entries (
    -- The log's id * 2^40 + the entry's place in it: always appended at the end of the table.
    entry INTEGER PRIMARY KEY,
    -- Null once it is erased.
    text TEXT,
    leaf_hash BLOB NOT NULL
  ) STRICT;

  -- The hashes of complete subtrees of 16, 256, 4,096 ... entries: a row for 15 entries.
  CREATE TABLE ledger_nodes (
    log INTEGER NOT NULL,
    level INTEGER NOT NULL,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (log, level, place)
  ) STRICT, WITHOUT ROWID;

  -- A signed note now and then, so that a rewritten entry can be narrowed down.
  CREATE TABLE ledger_checkpoints (
    log INTEGER NOT NULL,
    size INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (log, size)
  ) STRICT, WITHOUT ROWID;

  -- Events of changes that were made while no service ran: the next start records them.
  CREATE TABLE ledger_pending (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL
  ) STRICT;

  -- Keyed, 32 bytes. Null: from before version 5, as outcome_entry then is for what had ended.
  ALTER TABLE jobs ADD COLUMN payload_digest BLOB;
  -- Where its end is recorded: a row of ledger_entries.
  ALTER TABLE jobs ADD COLUMN outcome_entry INTEGER;
  ALTER TABLE attempts ADD COLUMN tls_fingerprint TEXT;
  -- How many payload bytes may have left; null when nobody knows.
  ALTER TABLE attempts ADD COLUMN bytes INTEGER;
  `,
  `
  -- What was accepted on a day, without reading all other days. It grows at its end only.
  CREATE INDEX jobs_accepted ON jobs (accepted_at);
  `,
  `
  -- What steady times have been moved by over all starts, so that a time less this is of one count: see steady-times.ts.
  ALTER TABLE clock ADD COLUMN moved_ms INTEGER NOT NULL DEFAULT 0;

  -- When something was taken of it last, in steady time. Before version 8 only the window's was known, by the wall clock.
  ALTER TABLE budget_use ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;
  UPDATE budget_use SET used_at = window_start;

  -- The newest first of what has not ended, however much that is; of a lane that waits for retries too.
  CREATE INDEX jobs_untried ON jobs (seq) WHERE state = 0 AND attempts = 0;
  CREATE INDEX jobs_tried ON jobs (seq) WHERE state = 0 AND attempts > 0;
  CREATE INDEX jobs_waiting_newest ON jobs (seq) WHERE state = 2;
  CREATE INDEX jobs_waiting_of_lane ON jobs (lane, seq) WHERE state = 2;
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Stores up to this version did not overwrite what they deleted: it lies about in their file. */
const CARELESS_VERSION = 2;

/** Marks a file as ours ("dbxe"), so that another program's database is never taken for a store. */
export const APPLICATION_ID = 0x64627865;

/** Pages of the write-ahead log that are moved into the file, by the commit that reaches this number. */
const LOG_PAGES = 1_000;
const PAGE_BYTES = 16_384;
const READERS_WAIT_MS = 1_000;

/** How large the write-ahead log is, as a rule. It grows beyond that for a large batch, and is cut to this afterwards. */
export const LOG_BYTES = LOG_PAGES * PAGE_BYTES;

/**
 * Makes a connection the store's writer, and brings the store to this version's schema in one transaction.
 *
 * @returns the version that the store had; 0 for a new one
 * @throws Error when the file belongs to another program or to a newer version of this service; it is left as it was
 */
export function openForWriting(db: DatabaseSync): number {
  const version = identify(db);
  configure(db);
  // Before the version changes, so that a start that is cut off does it again.
  if (version > 0 && version <= CARELESS_VERSION) db.exec('VACUUM');
  if (version < SCHEMA_VERSION) migrate(db, version);
  touchTables(db);
  return version;
}

/**
 * Reads a row of each table, so that gross damage shows before anything is sent. The whole file is for `store check`: a
 * million exports take SQLite's quickest check 0.6 s from memory, and many times that from a slow disk, while nobody is
 * served.
 */
function touchTables(db: DatabaseSync): void {
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  for (const { name } of tables) db.prepare(`SELECT 1 FROM "${name}" NOT INDEXED LIMIT 1`).get();
}

/**
 * The store's schema version; 0 for an empty file.
 *
 * @throws Error when the file belongs to another program or to a newer version of this service
 */
export function identify(db: DatabaseSync): number {
  const version = pragma(db, 'user_version');
  const applicationId = pragma(db, 'application_id');
  if (applicationId !== APPLICATION_ID && (applicationId !== 0 || version !== 0 || hasTables(db))) {
    throw new Error('The file is a database, but not one of the export service. Nothing was changed.');
  }
  if (version > SCHEMA_VERSION) {
    throw new Error(
      `The store has schema version ${version}; this release knows versions up to ${SCHEMA_VERSION}. ` +
        'Use the release that wrote it, or a newer one. Nothing was changed.',
    );
  }
  return version;
}

/**
 * Sets up a connection that writes. 16 KiB pages: measured 1.3 times as fast as 4 KiB. `synchronous = FULL` flushes the
 * write-ahead log at every commit; `fullfsync` makes that reach the platter on macOS too. `secure_delete` overwrites with
 * zeros what is deleted. Only emptying the log ever waits for anybody (`busy_timeout`): for a reader to end.
 */
function configure(db: DatabaseSync): void {
  waitForReaders(db);
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
  requireLog(db);
  db.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA secure_delete = ON;
    PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = ${LOG_PAGES};
    PRAGMA journal_size_limit = ${LOG_BYTES};
  `);
}

/** How long emptying the log waits for readers to end. */
export function waitForReaders(db: DatabaseSync, ms = READERS_WAIT_MS): void {
  db.exec(`PRAGMA busy_timeout = ${ms}`);
}

/**
 * SQLite says which mode it is in, and stays in another one without an error where it cannot have the wanted one: on a
 * file system without shared memory, as over a network. Reading beside the writer would then wait, and fail.
 */
function requireLog(db: DatabaseSync): void {
  const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode;
  // A database in memory, as some tests have one, is nobody else's and needs no log.
  if (mode === 'wal' || mode === 'memory') return;
  throw new Error(
    `The file system of the store allows no write-ahead log (SQLite stays in mode "${mode}"). ` +
      'Put the store on a local disk.',
  );
}

function migrate(db: DatabaseSync, version: number): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    for (const migration of MIGRATIONS.slice(version)) db.exec(migration);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`);
    db.exec('COMMIT');
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}

function pragma(db: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(db.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function hasTables(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
}
