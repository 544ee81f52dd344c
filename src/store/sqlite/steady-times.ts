import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { LongestWaits, Now } from '../../export/job-store.ts';
import { type Row, STATE } from './rows.ts';

/** How far the wall clock is set before that is worth a note. */
const SET_MS_MIN = 1_000;
/** How often both clocks are noted though neither was set. */
const NOTE_INTERVAL_MS = 3_600_000;
/** Times that are wrong by less stay as they are, so that an ordinary start rewrites nothing. */
const MOVED_MS_MIN = 60_000;
/** A service that seems to have been away for longer has a clock that was wrong, for all that anybody can tell. */
export const AWAY_MS_MAX = 7 * 86_400_000;

/** Every steady time of the store. Leases need none: those of a dead process are taken back at once. */
const MOVE = `
  UPDATE jobs SET expires_at = expires_at + ?1, next_attempt_at = next_attempt_at + ?1,
    key_expires_at = key_expires_at + ?1, kept_since = kept_since + ?1;
  UPDATE lanes SET paused_until = paused_until + ?1 WHERE failures > 0;
  UPDATE lanes SET not_expired_before = not_expired_before + ?1 WHERE not_expired_before > 0;
  UPDATE budget_use SET used_at = used_at + ?1;
  UPDATE idempotency_keys SET expires_at = expires_at + ?1`;

/** What cannot be later than a time from now on. A key's job goes first: it is found by the key. */
const CLAMPS: readonly { readonly to: keyof LongestWaits | 'now'; readonly sql: string }[] = [
  {
    to: 'retryMs',
    sql: `UPDATE jobs SET next_attempt_at = ?1 WHERE state = ${STATE.waiting} AND next_attempt_at > ?1`,
  },
  { to: 'retryMs', sql: 'UPDATE lanes SET paused_until = ?1 WHERE failures > 0 AND paused_until > ?1' },
  { to: 'ageMs', sql: 'UPDATE jobs SET expires_at = ?1 WHERE finished_at IS NULL AND expires_at > ?1' },
  { to: 'ageMs', sql: 'UPDATE lanes SET not_expired_before = ?1 WHERE not_expired_before > ?1' },
  {
    to: 'keyMs',
    sql: `UPDATE jobs SET key_expires_at = ?1
      WHERE key_expires_at > ?1 AND id IN (SELECT job FROM idempotency_keys WHERE expires_at > ?1)`,
  },
  { to: 'keyMs', sql: 'UPDATE idempotency_keys SET expires_at = ?1 WHERE expires_at > ?1' },
  {
    to: 'now',
    sql: `UPDATE jobs SET kept_since = ?1
      WHERE finished_at IS NOT NULL AND is_history = 0 AND kept_since > ?1`,
  },
  { to: 'now', sql: 'UPDATE jobs SET kept_since = ?1 WHERE is_history = 1 AND kept_since > ?1' },
  { to: 'now', sql: 'UPDATE budget_use SET used_at = ?1 WHERE used_at > ?1' },
];

/**
 * Takes the steady times of a store from one process to the next.
 *
 * Steady time is a process's own: the wall clock at its start, and the time that really passed since. The next process
 * begins from the wall clock as it is then, and that may have been set meanwhile. So both clocks are noted, and at a
 * start every time is moved by what separates the two counts. docs/state-machine.md ("Clocks") tells what that means.
 */
export class SteadyTimes {
  readonly #db: DatabaseSync;
  readonly #seen: StatementSync;
  readonly #note: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#seen = db.prepare('SELECT wall, steady, moved_ms FROM clock');
    this.#note = db.prepare(`
      INSERT INTO clock (only, wall, steady, moved_ms) VALUES (1, ?, ?, ?)
      ON CONFLICT DO UPDATE SET wall = excluded.wall, steady = excluded.steady, moved_ms = excluded.moved_ms`);
  }

  /** To be called every now and then, so that the next process finds how far the clock was set in the life of this one. */
  note(now: Now): void {
    const seen = this.#find();
    const setMs = seen === null ? 0 : now.wall - now.steady - (seen.wall - seen.steady);
    const isOld = seen === null || now.steady - seen.steady >= NOTE_INTERVAL_MS;
    if (isOld || Math.abs(setMs) >= SET_MS_MIN) this.#note.run(now.wall, now.steady, seen?.movedMs ?? 0);
  }

  /**
   * For the start of a process, whose steady time begins with its wall clock.
   *
   * @returns what times have been moved by at all starts together: what is kept elsewhere, as the steady time less this,
   *   need not be
   */
  recover(now: Now, longest: LongestWaits): number {
    const seen = this.#find();
    const ms = seen === null ? 0 : now.steady - seen.steady - awayMs(seen.wall, now.wall);
    if (seen === null) this.#spareOverdue(now.steady, longest.ageMs);
    else this.#move(ms);
    const movedMs = (seen?.movedMs ?? 0) + ms;
    for (const { to, sql } of CLAMPS)
      this.#db.prepare(sql).run(to === 'now' ? now.steady : now.steady + longest[to]);
    this.#note.run(now.wall, now.steady, movedMs);
    return movedMs;
  }

  #find(): (Now & { readonly movedMs: number }) | null {
    const row = this.#seen.get() as Row | undefined;
    if (row === undefined) return null;
    return { wall: Number(row.wall), steady: Number(row.steady), movedMs: Number(row.moved_ms) };
  }

  #move(ms: number): void {
    if (Math.abs(ms) < MOVED_MS_MIN) return;
    for (const sql of MOVE.split(';')) this.#db.prepare(sql).run(ms);
  }

  /** A store from before version 4 does not tell about its clock. What is overdue for that long is so by a wrong one. */
  #spareOverdue(now: number, ageMs: number): void {
    this.#db
      .prepare('UPDATE jobs SET expires_at = ? WHERE finished_at IS NULL AND expires_at < ?')
      .run(now + ageMs, now - AWAY_MS_MAX);
  }
}

/** How long the service was away, by the wall clock; 0 when that cannot be. */
function awayMs(left: number, came: number): number {
  const ms = came - left;
  return ms >= 0 && ms <= AWAY_MS_MAX ? ms : 0;
}
