import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { WRAPPED_KEY_BYTES } from '../vault/vault.ts';
import { SELECT_JOB, STATE } from './rows.ts';

export type Statements = ReturnType<typeof prepareStatements>;

/** Due jobs of a lane that are looked at to find the oldest: more than this, and the order is by when they were due. */
const DUE_LOOKED_AT_MAX = 1_000;

/** Every statement of the writer, prepared once. */
export function prepareStatements(db: DatabaseSync) {
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  return {
    addLane: prepare('INSERT INTO lanes (client, destination, is_held) VALUES (?, ?, ?)'),
    findLaneId: prepare('SELECT id FROM lanes WHERE client = ? AND destination = ?'),
    findLane: prepare('SELECT client, destination FROM lanes WHERE id = ?'),
    lanesDown: prepare('SELECT id, failures, paused_until FROM lanes WHERE failures > 0'),
    putHealth: prepare('UPDATE lanes SET failures = ?, paused_until = ? WHERE id = ?'),
    returnWithLane: prepare(`
      UPDATE jobs SET next_attempt_at = ?
      WHERE lane = ? AND state = ${STATE.waiting} AND next_attempt_at > ? AND returns_with_lane = 1`),

    insertJob: prepare(`
      INSERT INTO jobs (id, lane, state, data_bytes, attempts_max, accepted_at, expires_at,
        lease, lease_expires_at, claimed_at, key_expires_at, peer, payload_key, payload_digest)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    insertPayload: prepare('INSERT INTO payloads (job, data) VALUES (?, ?)'),
    lastPayloadKey: prepare('SELECT max(slot) AS slot FROM payload_keys'),
    freePayloadKeys: prepare(`
      SELECT slot FROM payload_keys WHERE slot > ? AND slot <= ? AND wrapped = zeroblob(${WRAPPED_KEY_BYTES})`),
    addPayloadKey: prepare('INSERT INTO payload_keys (slot, wrapped) VALUES (?, ?)'),
    putPayloadKey: prepare('UPDATE payload_keys SET wrapped = ? WHERE slot = ?'),
    erasePayloadKey: prepare(
      `UPDATE payload_keys SET wrapped = zeroblob(${WRAPPED_KEY_BYTES}) WHERE slot = ?`,
    ),
    // Without a condition SQLite gives up whole pages, overwritten with zeros.
    clearPayloadKeys: prepare('DELETE FROM payload_keys'),
    clearPayloads: prepare('DELETE FROM payloads'),
    sizeOfPayloads: prepare(`
      SELECT count(*) AS n, sum(length(data)) AS bytes FROM (SELECT data FROM payloads LIMIT ?)`),
    allPayloads: prepare('SELECT job, data FROM payloads ORDER BY job'),
    findKey: prepare(
      `${SELECT_JOB.replace(
        /SELECT(.*)FROM jobs j/s,
        'SELECT k.digest, k.expires_at AS key_expires, $1 FROM idempotency_keys k JOIN jobs j ON j.id = k.job',
      )} WHERE k.lane = ? AND k.key = ?`,
    ),
    putKey: prepare(`
      INSERT INTO idempotency_keys (lane, key, job, digest, expires_at) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET job = excluded.job, digest = excluded.digest, expires_at = excluded.expires_at`),

    // The oldest that is due, whether it was tried before or not.
    due: prepare(`
      SELECT seq FROM (
        SELECT seq FROM (
          SELECT seq FROM jobs WHERE lane = ?1 AND state = ${STATE.waiting} AND next_attempt_at <= ?2
          ORDER BY next_attempt_at LIMIT ${DUE_LOOKED_AT_MAX})
        UNION ALL
        SELECT seq FROM (
          SELECT seq FROM jobs WHERE lane = ?1 AND state = ${STATE.queued} ORDER BY seq LIMIT ?3))
      ORDER BY seq LIMIT ?3`),
    queued: prepare(`SELECT seq FROM jobs WHERE lane = ? AND state = ${STATE.queued} ORDER BY seq LIMIT ?`),
    nextDue: prepare(
      `SELECT min(next_attempt_at) AS at FROM jobs WHERE lane = ? AND state = ${STATE.waiting}`,
    ),
    findClaimable: prepare(`
      SELECT j.*, p.data, k.wrapped FROM jobs j LEFT JOIN payloads p ON p.job = j.seq
        LEFT JOIN payload_keys k ON k.slot = j.payload_key WHERE j.seq = ?`),
    findToRedeliver: prepare(`
      SELECT j.*, l.client, l.destination, p.data, k.wrapped
      FROM jobs j JOIN lanes l ON l.id = j.lane LEFT JOIN payloads p ON p.job = j.seq
        LEFT JOIN payload_keys k ON k.slot = j.payload_key WHERE j.id = ?`),
    markRedelivery: prepare('UPDATE jobs SET redelivery_of = ? WHERE id = ?'),
    findById: prepare('SELECT * FROM jobs WHERE id = ?'),

    saveProgress: prepare(`
      UPDATE jobs SET state = ?, lease = ?, lease_expires_at = ?, claimed_at = ?, attempts = ?, attempts_spent = ?,
        next_attempt_at = ?, returns_with_lane = ?, last_error_code = ?, last_error_detail = ?, finished_at = ?, kept_since = ?,
        result_status = ?, result_code = ?, result_detail = ?, is_cancelled = ?,
        payload_key = ?, outcome_entry = ?
      WHERE seq = ?`),
    addAttempt: prepare(`
      INSERT INTO attempts (job, number, started_at, ended_at, address, tls_fingerprint, bytes, status, error_code,
        error_detail)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    lastAttempt: prepare(`
      SELECT address, tls_fingerprint, error_code FROM attempts WHERE job = ? ORDER BY number DESC LIMIT 1`),
    putAnswer: prepare(`
      INSERT INTO answers (job, body, truncated) VALUES (?, ?, ?)
      ON CONFLICT DO UPDATE SET body = excluded.body, truncated = excluded.truncated`),
    deletePayload: prepare('DELETE FROM payloads WHERE job = ?'),
    kept: prepare(`
      SELECT seq, payload_key, data_bytes FROM jobs
      WHERE kept_since < ? AND finished_at IS NOT NULL AND payload_key IS NOT NULL LIMIT ?`),
    forgetPayloadKey: prepare('UPDATE jobs SET payload_key = NULL WHERE seq = ?'),

    extendLease: prepare(`
      UPDATE jobs SET lease_expires_at = ? WHERE id = ? AND lease = ? AND state = ${STATE.sending}`),
    sending: prepare(`SELECT * FROM jobs WHERE state = ${STATE.sending} AND lease_expires_at <= ? LIMIT ?`),
    tooOld: prepare(`
      SELECT j.* FROM jobs j JOIN lanes l ON l.id = j.lane
      WHERE j.finished_at IS NULL AND j.expires_at <= ?1 AND j.state IN (${STATE.queued}, ${STATE.waiting})
        AND l.is_held = 0 AND l.not_expired_before <= ?1
      ORDER BY j.expires_at LIMIT ?2`),
    nextExpiry: prepare(
      'SELECT min(expires_at) AS at FROM jobs WHERE finished_at IS NULL AND expires_at > ?',
    ),

    deleteKeys: prepare(`
      DELETE FROM idempotency_keys WHERE (lane, key) IN (
        SELECT k.lane, k.key FROM idempotency_keys k LEFT JOIN jobs j ON j.id = k.job
        WHERE k.expires_at <= ? AND (j.finished_at IS NOT NULL OR j.id IS NULL) LIMIT ?)
      RETURNING lane`),
    expired: prepare(`
      SELECT seq FROM jobs
      WHERE kept_since < ? AND finished_at IS NOT NULL AND is_history = 0
        AND (key_expires_at IS NULL OR key_expires_at <= ?) LIMIT ?`),
    makeHistory: prepare('UPDATE jobs SET is_history = 1 WHERE seq = ?'),
    history: prepare(
      'SELECT seq, lane, payload_key, data_bytes FROM jobs WHERE kept_since < ? AND is_history = 1 LIMIT ?',
    ),
    deleteAttempts: prepare('DELETE FROM attempts WHERE job = ?'),
    deleteAnswer: prepare('DELETE FROM answers WHERE job = ?'),
    deleteJob: prepare('DELETE FROM jobs WHERE seq = ?'),
    deleteUnusedLane: prepare(`
      DELETE FROM lanes WHERE id = ?1
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE lane = ?1 AND finished_at IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE lane = ?1)
      RETURNING client, destination`),

    rules: prepare('SELECT * FROM rules ORDER BY created_at, id'),
    addRule: prepare(`
      INSERT INTO rules (id, kind, app, destination, budget_limit, unit, per, note, created_at)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    removeRule: prepare('DELETE FROM rules WHERE id = ?'),
    removeBudgetUse: prepare('DELETE FROM budget_use WHERE rule = ?'),
    findBudgetUse: prepare('SELECT used FROM budget_use WHERE rule = ? AND window_start = ?'),
    addBudgetUse: prepare(`
      INSERT INTO budget_use (rule, window_start, used, used_at) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET used = used + excluded.used, used_at = excluded.used_at`),
    deleteBudgetUse: prepare('DELETE FROM budget_use WHERE used_at < ?'),
    lanes: prepare('SELECT id, client, destination, is_held FROM lanes'),
    lanesReleased: prepare('SELECT id, not_expired_before FROM lanes WHERE not_expired_before > 0'),
    holdLane: prepare('UPDATE lanes SET is_held = 1 WHERE id = ?'),
    releaseLane: prepare('UPDATE lanes SET is_held = 0, not_expired_before = ? WHERE id = ?'),
    stoppable: prepare(`
      SELECT * FROM (SELECT * FROM jobs WHERE lane = ?1 AND state = ${STATE.queued} LIMIT ?2)
      UNION ALL
      SELECT * FROM (SELECT * FROM jobs WHERE lane = ?1 AND state = ${STATE.waiting} LIMIT ?2)
      LIMIT ?2`),

    putSecret: prepare('INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    replaceSecret: prepare('UPDATE secrets SET value = ? WHERE name = ? AND value = ?'),
    findSecret: prepare('SELECT value FROM secrets WHERE name = ?'),
  };
}
