/** Reads from the record what was refused today, and later only what has been added to it. */
import { addRefusals, isBefore, type RefusalSum, type Refusals } from '../model/refusals.ts';
import type { LedgerItem, LedgerLog, Page } from '../wire.ts';

/** Entries that are asked for together: as many as the service gives. */
const ENTRIES_AT_ONCE = 500;
/** Entries of a log that are read at most, from its end on; where more were written, the day is not whole. */
export const ENTRIES_READ_MAX = 2_000;

export interface RefusalSource {
  readonly logs: (signal: AbortSignal) => Promise<readonly LedgerLog[]>;
  readonly entries: (
    log: string,
    from: number,
    limit: number,
    signal: AbortSignal,
  ) => Promise<Page<LedgerItem>>;
}

interface LogRead {
  /** Entries before this one were looked at. */
  readonly end: number;
  readonly sums: readonly RefusalSum[];
  readonly isWhole: boolean;
}

export class RefusalReader {
  readonly #source: RefusalSource;
  #day = 0;
  #logs = new Map<string, LogRead>();

  constructor(source: RefusalSource) {
    this.#source = source;
  }

  /** @param day the first instant of today */
  async read(day: number, signal: AbortSignal): Promise<Refusals> {
    const isNewDay = day !== this.#day;
    const before = isNewDay ? new Map<string, LogRead>() : this.#logs;
    const reads = (await this.#source.logs(signal)).map(async (log) => {
      return [log.origin, await this.#readLog(log, day, before.get(log.origin), signal)] as const;
    });
    // All or nothing: what was added up before a question failed is asked for again, and must not count twice.
    const logs = new Map(await Promise.all(reads));
    signal.throwIfAborted();
    this.#logs = logs;
    this.#day = day;
    const all = [...logs.values()];
    return { day, sums: all.flatMap(({ sums }) => sums), isWhole: all.every(({ isWhole }) => isWhole) };
  }

  forget(): void {
    this.#logs = new Map();
    this.#day = 0;
  }

  /** From the end of the log back to what is known, to yesterday, or as far as is looked. */
  async #readLog(
    { origin, size }: LedgerLog,
    day: number,
    known: LogRead | undefined,
    signal: AbortSignal,
  ): Promise<LogRead> {
    const goal = known?.end ?? 0;
    const last = Math.max(goal, size - ENTRIES_READ_MAX);
    let sums = known?.sums ?? [];
    let first = size;
    let isYesterday = false;
    while (first > last && !isYesterday) {
      const from = Math.max(last, first - ENTRIES_AT_ONCE);
      const { items } = await this.#source.entries(origin, from, first - from, signal);
      sums = addRefusals(sums, items, day);
      isYesterday = isBefore(items[0], day);
      first = from;
    }
    const isWhole = (known?.isWhole ?? true) && (isYesterday || first <= goal);
    return { end: Math.max(size, goal), sums, isWhole };
  }
}
