import { statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DiskReserve } from './disk-reserve.ts';
import { LOG_BYTES } from './schema.ts';

const MIB = 1_024 ** 2;

/** Kept for settling: new jobs are refused when less than this is left, below the ceiling and on the disk. */
export const RESERVE_BYTES = 16 * MIB;

/** How large a store may be. */
export interface StoreLimits {
  /** Ceiling of the database file, the reserve included. */
  readonly bytesMax: number;
  /** Whether a reserve is held on the disk too, and new jobs are refused while there is none. */
  readonly reservesDisk: boolean;
}

export const NO_STORE_LIMITS: StoreLimits = { bytesMax: Number.POSITIVE_INFINITY, reservesDisk: false };

/** On a small disk the reserve is at most this part of it. */
const DISK_SHARE_MAX = 1 / 8;
/** Of the disk's room that new jobs leave alone, for the pages that the log takes beyond them. */
const DISK_MARGIN_BYTES = 2 * MIB;
/** What a row, its index entries and a begun page take, at most, beside the payload. */
const JOB_BYTES = 2_048;
/** What the ledger keeps of an export: three entries of 440 bytes as a rule, with the texts, and what is stored above them. */
const LEDGER_BYTES = 1_536;
/** How many pages a database file may have at most, says SQLite. */
const PAGES_MAX = 4_294_967_294;

interface Room {
  /** Below the ceiling. */
  readonly file: number;
  /** On the disk. */
  readonly disk: number;
  /** By how much the file will grow when the log's content moves into it; negative while it has free pages. */
  readonly growth: number;
}

const NO_ROOM: Room = { file: 0, disk: 0, growth: 0 };

/**
 * How much room a store has for new jobs. Everything else, settling above all, may use what new jobs leave alone: the
 * reserve below the ceiling, and the reserve on the disk once that is full.
 *
 * Used pages count, not the file's size: pages that a deletion freed are used again.
 */
export class Space {
  readonly #path: string;
  readonly #limits: StoreLimits;
  readonly #isUnlimited: boolean;
  readonly #reserve: DiskReserve | null;
  readonly #pageBytes: number;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;
  /** What the present batch has left; null before it has asked. */
  #room: Room | null = null;

  constructor(db: DatabaseSync, path: string, limits: StoreLimits) {
    this.#isUnlimited = limits.bytesMax === Number.POSITIVE_INFINITY && !limits.reservesDisk;
    this.#path = path;
    this.#limits = limits;
    this.#reserve = limits.reservesDisk ? diskReserveOf(path) : null;
    this.#pageBytes = Number(db.prepare('PRAGMA page_size').get()?.page_size);
    this.#pages = db.prepare('PRAGMA page_count');
    this.#freePages = db.prepare('PRAGMA freelist_count');
    const pagesMax = Math.min(Math.floor(limits.bytesMax / this.#pageBytes), PAGES_MAX);
    // The hard limit. It does not cut a store that is larger already.
    db.exec(`PRAGMA max_page_count = ${pagesMax}`);
    this.#holdReserve();
  }

  /** Room is measured when the batch asks for it first. One that `acceptsNew` jobs not at all finds none. */
  beginBatch(acceptsNew: boolean): void {
    this.#room = acceptsNew ? null : NO_ROOM;
  }

  /** Takes room for new jobs with payloads of `dataBytes` in all; false when there is too little, and none is taken. */
  take(jobs: number, dataBytes: number): boolean {
    if (this.#isUnlimited && this.#room !== NO_ROOM) return true;
    this.#room ??= this.#measure();
    // A payload may leave most of its last page empty.
    const bytes =
      dataBytes +
      jobs * (JOB_BYTES + LEDGER_BYTES) +
      (dataBytes > this.#pageBytes / 4 ? jobs * this.#pageBytes : 0);
    const { file, disk, growth } = this.#room;
    const left = { file: file - bytes, disk: disk - bytes, growth: growth + bytes };
    if (left.file < 0 || left.disk - Math.max(left.growth, 0) < 0) return false;
    this.#room = left;
    return true;
  }

  /** To be asked when a write found no room: the log has taken what there was then. */
  get isDiskFull(): boolean {
    return freeBytes(this.#path) < DISK_MARGIN_BYTES;
  }

  /** The disk is full: from now on new jobs are refused, and everything else has the reserve's room. */
  giveUpReserve(): void {
    this.#reserve?.giveUp();
  }

  /**
   * After the store was closed: its log is gone, and the room that it left is kept for the next process to start in.
   */
  close(): void {
    this.#reserve?.hold();
  }

  #measure(): Room {
    const pages = Number(this.#pages.get()?.page_count);
    const freePages = Number(this.#freePages.get()?.freelist_count);
    const usedBytes = (pages - freePages) * this.#pageBytes;
    // A log that cannot be emptied, because somebody reads for long, takes room as well.
    const logBytes = Math.max(sizeOf(`${this.#path}-wal`) - LOG_BYTES, 0);
    const file = this.#limits.bytesMax - RESERVE_BYTES - usedBytes - logBytes;
    if (this.#reserve === null) return { file, disk: Number.POSITIVE_INFINITY, growth: 0 };
    const growth = (pages - freePages) * this.#pageBytes - sizeOf(this.#path);
    if (!this.#holdReserve(Math.max(growth, 0))) return NO_ROOM;
    return { file, disk: freeBytes(this.#path) - DISK_MARGIN_BYTES, growth };
  }

  /** Makes the reserve again when that leaves room for new jobs: more than a little, lest it comes and goes. */
  #holdReserve(growth = 0): boolean {
    const reserve = this.#reserve;
    if (reserve === null || reserve.isHeld) return true;
    return freeBytes(this.#path) - growth >= reserve.bytes + 2 * DISK_MARGIN_BYTES && reserve.hold();
  }
}

/** The reserve on the disk of the store at `path`, to be given up before there is a {@link Space}. */
export function diskReserveOf(path: string): DiskReserve {
  const { blocks, bsize } = statfsSync(dirname(path));
  return new DiskReserve(path, Math.min(RESERVE_BYTES, Math.floor(blocks * bsize * DISK_SHARE_MAX)));
}

/** Of the disk on which a file is, for those who are not root. */
export function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
