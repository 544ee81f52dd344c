import { type Lane, laneKey } from '../../export/job.ts';
import type { LaneBacklog } from '../../export/job-store.ts';
import { healthAfter, type LaneHealth, type LaneReport, WELL } from '../../export/lane-health.ts';
import type { LaneRules } from '../../export/rules.ts';
import { LaneCounts } from './lane-counts.ts';
import type { Row } from './rows.ts';
import { RuleBook } from './rule-book.ts';
import type { Statements } from './statements.ts';

/** How many lanes' numbers are remembered; when there are more, all are forgotten and looked up again. */
const LANE_IDS_MAX = 100_000;

/**
 * What the writer knows of lanes: their numbers, how many unfinished jobs they have, and which destinations are down.
 * All of it is in the store too, or follows from it, and is forgotten or taken back with a transaction that fails.
 */
export class Lanes {
  readonly counts = new LaneCounts();
  readonly rules: RuleBook;
  readonly #sql: Statements;
  readonly #ids = new Map<string, number>();
  /** The reverse. */
  readonly #lanes = new Map<number, Lane>();
  /** Lanes whose destination is down; the others are well. */
  readonly #down = new Map<number, LaneHealth>();
  /** Lanes that were held once, and before when nothing of them expires, in steady time. */
  readonly #released = new Map<number, number>();

  constructor(sql: Statements) {
    this.#sql = sql;
    this.rules = new RuleBook(sql);
    this.#load();
  }

  commit(): void {
    this.counts.commit();
  }

  rollback(): void {
    this.counts.rollback();
    // Lanes made by the transaction are gone with it, and so is what it learned of destinations.
    this.#ids.clear();
    this.#lanes.clear();
    this.reload();
  }

  /** Reads again which destinations are down. */
  reload(): void {
    this.#down.clear();
    this.#released.clear();
    this.#load();
    this.rules.reload();
  }

  /** How many have a destination that is down. */
  get downCount(): number {
    return this.#down.size;
  }

  /** The lane's number; null for one that has no jobs. */
  findId(lane: Lane): number | null {
    const key = laneKey(lane);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const row = this.#sql.findLaneId.get(lane.client, lane.destination) as Row | undefined;
    return row === undefined ? null : this.#remember(key, Number(row.id));
  }

  /** The lane's number; a new one for a lane that has no jobs yet. */
  id(lane: Lane): number {
    const known = this.findId(lane);
    if (known !== null) return known;
    const isHeld = this.rules.of(-1, () => lane).hold !== null;
    const { lastInsertRowid } = this.#sql.addLane.run(lane.client, lane.destination, isHeld ? 1 : 0);
    return this.#remember(laneKey(lane), Number(lastInsertRowid));
  }

  /**
   * Deletes the lane if nothing refers to it any more. How its destination did is forgotten with it: nothing was sent
   * there for as long as results are kept.
   */
  deleteIfUnused(id: number): void {
    if (this.counts.pending(id) > 0) return;
    const row = this.#sql.deleteUnusedLane.get(id) as Row | undefined;
    if (row === undefined) return;
    this.#lanes.delete(id);
    this.#ids.delete(laneKey({ client: String(row.client), destination: String(row.destination) }));
    this.#down.delete(id);
    this.#released.delete(id);
    this.rules.forget(id);
  }

  find(id: number): Lane {
    const known = this.#lanes.get(id);
    if (known !== undefined) return known;
    const row = this.#sql.findLane.get(id) as Row;
    const lane = { client: String(row.client), destination: String(row.destination) };
    if (this.#lanes.size >= LANE_IDS_MAX) this.#lanes.clear();
    this.#lanes.set(id, lane);
    return lane;
  }

  rulesOf(id: number): LaneRules {
    return this.rules.of(id, () => this.find(id));
  }

  /** Whether the owner lets nothing of the lane leave. */
  isStopped(id: number): boolean {
    const { block, hold } = this.rulesOf(id);
    return block !== null || hold !== null;
  }

  /** When the first of a lane may expire, in steady time: what was held ages from its release. */
  notExpiredBefore(id: number): number {
    return this.#released.get(id) ?? 0;
  }

  release(id: number, notExpiredBefore: number): void {
    this.#sql.releaseLane.run(notExpiredBefore, id);
    this.#released.set(id, notExpiredBefore);
  }

  health(id: number): LaneHealth {
    return this.#down.get(id) ?? WELL;
  }

  /**
   * Takes in what an attempt says of the destination. When it is well again, what waited for that is due at once, all of
   * it at the same time, so that the order of acceptance decides.
   */
  report(id: number, report: LaneReport, now: number): void {
    const before = this.health(id);
    const after = healthAfter(before, report);
    if (after.failures === before.failures) return;
    this.#sql.putHealth.run(after.failures, after.pausedUntil, id);
    if (after.failures > 0) {
      this.#down.set(id, after);
      return;
    }
    this.#down.delete(id);
    if (this.counts.of(id).waiting > 0) this.#sql.returnWithLane.run(now, id, now);
  }

  /** How many jobs may be claimed now, of `count` that are asked for. */
  claimable(id: number, count: number, now: number): number {
    if (count === 0 || this.isStopped(id)) return 0;
    const { failures, pausedUntil } = this.health(id);
    if (failures === 0) return count;
    const isAsking = this.counts.of(id).sending > 0;
    return pausedUntil > now || isAsking ? 0 : Math.min(count, 1);
  }

  backlog(id: number, lane: Lane, now: number): LaneBacklog {
    if (this.isStopped(id)) return { lane, hasDue: false, nextDueAt: null, isPaused: true };
    const { queued, waiting, sending } = this.counts.of(id);
    const { failures, pausedUntil } = this.health(id);
    // While one export asks a destination that was down, its outcome decides how the lane goes on.
    const isAsking = failures > 0 && sending > 0;
    const isPaused = isAsking || (failures > 0 && pausedUntil > now);
    if ((queued === 0 && waiting === 0) || isAsking)
      return { lane, hasDue: false, nextDueAt: null, isPaused };
    const readyAt = queued > 0 ? now : Number((this.#sql.nextDue.get(id) as Row).at);
    const dueAt = Math.max(readyAt, pausedUntil);
    const hasDue = dueAt <= now;
    return { lane, hasDue, nextDueAt: hasDue ? null : dueAt, isPaused };
  }

  #remember(key: string, id: number): number {
    if (this.#ids.size >= LANE_IDS_MAX) this.#ids.clear();
    this.#ids.set(key, id);
    return id;
  }

  #load(): void {
    for (const row of this.#sql.lanesReleased.all() as Row[])
      this.#released.set(Number(row.id), Number(row.not_expired_before));
    for (const row of this.#sql.lanesDown.all() as Row[]) {
      this.#down.set(Number(row.id), {
        failures: Number(row.failures),
        pausedUntil: Number(row.paused_until),
      });
    }
  }
}
