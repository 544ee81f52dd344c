import type { WireState } from '../../../client/wire.ts';
import { hasEnded } from '../../export/export-service.ts';
import type { ExportJob } from '../../export/job.ts';
import { isLaterState, news, wireState } from '../wire-answer.ts';

export interface PushesParts {
  /** Calls back whenever the export may have changed, until the returned function is called. */
  readonly watch: (id: string, wake: () => void) => () => void;
  /** The export as it is now. Rejects when the client may not see it any more. */
  readonly read: (id: string) => Promise<ExportJob>;
  /** Whether the client has read what it was sent. */
  readonly mayTell: () => boolean;
  readonly tell: (job: ExportJob) => void;
  /** Instead of what cannot be read; the export is watched no longer. */
  readonly tellFailure: (error: unknown, id: string) => void;
}

interface Watched {
  told: WireState;
  readonly seat: Disposable;
  readonly unwatch: () => void;
}

/**
 * Tells one client how its exports go on. What is kept of a change is only that there was one: what there is to tell is
 * read when the client takes it, so a client that is slow to read costs no memory, and misses nothing.
 */
export class Pushes implements Disposable {
  readonly #parts: PushesParts;
  readonly #watched = new Map<string, Watched>();
  readonly #changed = new Set<string>();
  #isTelling = false;

  constructor(parts: PushesParts) {
    this.#parts = parts;
  }

  /** Takes over an export of which the client has just been told, and the seat to watch it from. */
  add(job: ExportJob, seat: Disposable): void {
    const told = wireState(job);
    const known = this.#watched.get(job.id);
    if (known !== undefined) {
      seat[Symbol.dispose]();
      if (isLaterState(told, known.told)) known.told = told;
      return;
    }
    const unwatch = this.#parts.watch(job.id, () => this.#noteChange(job.id));
    this.#watched.set(job.id, { told, seat, unwatch });
    // It may have changed between the answer and the watch.
    this.#noteChange(job.id);
  }

  /** Goes on telling; for when the client has read. */
  resume(): void {
    if (!this.#isTelling) void this.#tellChanges();
  }

  /** Watches nothing any more. */
  [Symbol.dispose](): void {
    for (const id of [...this.#watched.keys()]) this.#forget(id);
  }

  #noteChange(id: string): void {
    this.#changed.add(id);
    this.resume();
  }

  async #tellChanges(): Promise<void> {
    this.#isTelling = true;
    for (const id of this.#changed) {
      if (!this.#parts.mayTell()) break;
      this.#changed.delete(id);
      await this.#tellNews(id);
    }
    this.#isTelling = false;
  }

  async #tellNews(id: string): Promise<void> {
    try {
      const job = await this.#parts.read(id);
      const watched = this.#watched.get(id);
      if (watched === undefined) return;
      for (const each of news(job, watched.told)) {
        this.#parts.tell(each);
        watched.told = wireState(each);
      }
      if (hasEnded(job)) this.#forget(id);
    } catch (error) {
      if (!this.#watched.has(id)) return;
      this.#forget(id);
      this.#parts.tellFailure(error, id);
    }
  }

  #forget(id: string): void {
    const watched = this.#watched.get(id);
    this.#watched.delete(id);
    this.#changed.delete(id);
    watched?.unwatch();
    watched?.seat[Symbol.dispose]();
  }
}
