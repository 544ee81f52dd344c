-- A store of schema version 1, as commit 11347d0 and those before it made them: the tables, and exports in every state.
-- Frozen: upgrades are tested with it. Its master key is the 32 characters 0123456789abcdef0123456789abcdef.
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1684174949;

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

INSERT INTO lanes (id, client, destination) VALUES (1, 'app', 'https://one.example/in'), (2, '', 'https://two.example/in');

-- 1 delivered, 2 undeliverable, 3 was being sent, 4 waits for another attempt, 5 and 6 are queued.
INSERT INTO jobs (seq, id, lane, state, data_bytes, attempts_max, attempts, attempts_spent, accepted_at, expires_at,
  lease, lease_expires_at, claimed_at, next_attempt_at, last_error_code, last_error_detail, finished_at,
  result_status, result_code, result_detail, key_expires_at) VALUES
  (1, x'019a0000000070008000000000000001', 1, 3, 11, 9, 1, 1, 1764000000000, 4102444800000, NULL, NULL, 1764000000001, NULL, NULL, NULL, 1764000000002, 201, NULL, NULL, NULL),
  (2, x'019a0000000070008000000000000002', 1, 4, 11, 1, 1, 1, 1764000000000, 4102444800000, NULL, NULL, 1764000000001, NULL, NULL, NULL, 1764000000002, NULL, 'timeout', 'No complete answer within 30 s.', NULL),
  (3, x'019a0000000070008000000000000003', 1, 1, 12, 9, 0, 0, 1764000000000, 4102444800000, 77, 4102444800000, 1764000000001, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, x'019a0000000070008000000000000004', 2, 2, 12, 9, 1, 1, 1764000000000, 4102444800000, NULL, NULL, 1764000000001, 1764000000005, 'connection_failed', 'No connection: connection refused by 192.0.2.7:443.', NULL, NULL, 'connection_failed', 'No connection: connection refused by 192.0.2.7:443.', NULL),
  (5, x'019a0000000070008000000000000005', 1, 0, 14, 9, 0, 0, 1764000000000, 4102444800000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 4102444800000),
  (6, x'019a0000000070008000000000000006', 2, 0, 40000, 9, 0, 0, 1764000000000, 4102444800000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO payloads (job, data) VALUES
  (3, CAST('"the third!"' AS BLOB)), (4, CAST('"the fourth"' AS BLOB)), (5, CAST('"queued, five"' AS BLOB)),
  (6, CAST('"' || replace(hex(zeroblob(19999)), '0', 's') || '"' AS BLOB));
INSERT INTO answers (job, body, truncated) VALUES (1, 'thanks for the first', 0);
INSERT INTO attempts (job, number, started_at, ended_at, address, status, error_code, error_detail) VALUES
  (1, 1, 1764000000001, 1764000000002, '192.0.2.7', 201, NULL, NULL),
  (2, 1, 1764000000001, 1764000000002, '192.0.2.7', NULL, 'timeout', 'No complete answer within 30 s.'),
  (4, 1, 1764000000001, 1764000000002, NULL, NULL, 'connection_failed', 'No connection: connection refused by 192.0.2.7:443.');
INSERT INTO idempotency_keys (lane, key, job, digest, expires_at) VALUES
  (1, 'the-key-of-five', x'019a0000000070008000000000000005', x'e0f95ad1c09435006c263a1de13f3e405dbdfbb818485381bdc2e9dafd419598', 4102444800000);
INSERT INTO secrets (name, value) VALUES
  ('key check', x'0191185c419d0ae07c03ea90fe88a009af4281a9e4950c601e5f516eedf3747cff4a8179ed9fa078b437479b92'),
  ('macaroon root key', x'0183013d91a13d9ed6c06a60bc40eeb6d7fdc6f1d8a56516a55f7e4d1836839aa06b73de1d2f9ed839d17df703f5be9c12433cdfe79843b6');

PRAGMA user_version = 1;
