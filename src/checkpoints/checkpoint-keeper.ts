import type { Cancel, Clock } from '../export/clock.ts';
import { ExportError } from '../export/errors.ts';
import type { LedgerLog, LedgerPlace, LedgerStore } from '../export/ledger-store.ts';
import { CheckpointSigner, readUnverifiedCheckpoint } from '../ledger/checkpoint.ts';
import { noteSigner } from '../ledger/note-key.ts';
import { printReceipt } from '../ledger/receipt.ts';
import { findStart } from './continuation.ts';
import { objectionTo } from './kept-head.ts';
import { Mirror } from './mirror.ts';
import type { CheckpointPlace } from './places.ts';

export interface CheckpointKeeperParts {
  readonly store: LedgerStore;
  readonly clock: Clock;
  /** The file beside the store: nothing is shown that is not in it. */
  readonly headFile: CheckpointPlace;
  /** Where each checkpoint goes too. */
  readonly mirrors: readonly CheckpointPlace[];
  /** Whose log it is, among those that share the store. */
  readonly instance: string;
  /** Of the key that signs. */
  readonly seed: Uint8Array;
  readonly newOrigin: () => string;
  readonly version: string;
  readonly observer: CheckpointObserver;
}

/** Hears what an operator should know. */
export interface CheckpointObserver {
  /** A log began. */
  began(log: { readonly origin: string; readonly reason: string; readonly previous: string | null }): void;
  /** A checkpoint could not be put there; it is tried again. */
  notKept(where: string, error: unknown): void;
  /** A place holds nothing, although heads were signed before: it is new, or not where it should be. */
  empty(where: string): void;
  /** What a place holds contradicts the log: no more of it is signed until a start has looked at it. */
  halted(where: string, error: Error): void;
}

/** Signed at most so often, unless somebody asks. */
const SIGN_EVERY_MS = 1_000;
/** How soon to try again when the file could not be written, or the store was away. */
const RETRY_MS = 5_000;
/** How often one stays in the store for good. */
const KEEP_EVERY_MS = 24 * 3_600_000;

interface Shown {
  readonly note: string;
  readonly size: number;
}

/**
 * Signs the heads of the log that this process writes. A log must never sign two heads that contradict each other, so: a
 * head is durable before it is signed, the signature is outside the store before anybody sees it, and the start asks what
 * was signed before (docs/ledger.md).
 */
export class CheckpointKeeper implements AsyncDisposable {
  readonly #parts: CheckpointKeeperParts;
  readonly #signer: CheckpointSigner;
  readonly #mirrors: readonly Mirror[];
  readonly #stopListening: () => void;
  #shown: Shown | null;
  /** What the store has yet to be told. */
  #untold: Shown | null = null;
  #signedAt = Number.NEGATIVE_INFINITY;
  #keptAt: number;
  /** Since when none could be signed and put into the file, in steady time. */
  #behindSince: number | null = null;
  #cancelTimer: Cancel | null = null;
  /** One after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #next: Promise<Shown> | null = null;
  #isStopped = false;
  /**
   * Why no more is signed. To go on with a new log takes what only a start does, before anything can be recorded; to sign
   * no more is safe at once.
   */
  #halted: Error | null = null;

  private constructor(parts: CheckpointKeeperParts, signer: CheckpointSigner, shown: Shown | null) {
    this.#parts = parts;
    this.#signer = signer;
    this.#shown = shown;
    this.#keptAt = parts.clock.steady();
    const { store, instance, clock, observer } = parts;
    this.#mirrors = parts.mirrors.map((place) => {
      return new Mirror({
        place,
        clock,
        objectionTo: (there) => objectionTo(there, store, instance),
        onError: observer.notKept,
        onContradiction: (where, error) => this.#halt(where, error),
      });
    });
    this.#stopListening = parts.store.onAppended(() => this.#schedule(SIGN_EVERY_MS));
  }

  /**
   * Begins to record, in the store's newest log or in a new one, and signs its head.
   *
   * @throws Error when the store contradicts what was signed before, saying what to look at
   */
  static async open(parts: CheckpointKeeperParts): Promise<CheckpointKeeper> {
    const { store, instance, seed, version, clock, observer } = parts;
    const { origin, newLog, last, empty } = await findStart(parts);
    for (const where of empty) observer.empty(where);
    const known = last === null ? null : readUnverifiedCheckpoint(last);
    const signer = new CheckpointSigner(noteSigner(origin, seed), known);
    await store.begin({ instance, newLog, version, now: clock.now() });
    if (newLog !== null)
      observer.began({ origin, reason: newLog.reason, previous: newLog.previous?.origin ?? null });
    const shown = last === null || known === null ? null : { note: last, size: known.size };
    const keeper = new CheckpointKeeper(parts, signer, shown);
    await keeper.#trySign();
    return keeper;
  }

  /** The log that is written to. */
  get origin(): string {
    return this.#signer.origin;
  }

  /** For how long the newest checkpoint has not been kept, in milliseconds: in the file, and in the place that is worst off. */
  get behindMs(): { readonly beside: number; readonly elsewhere: number } {
    const beside = this.#behindSince === null ? 0 : this.#parts.clock.steady() - this.#behindSince;
    return { beside, elsewhere: Math.max(0, ...this.#mirrors.map(({ behindMs }) => behindMs)) };
  }

  logs(): Promise<readonly LedgerLog[]> {
    return this.#parts.store.logs();
  }

  entries(origin: string, from: number, limit: number): ReturnType<LedgerStore['entries']> {
    return this.#parts.store.entries(origin, from, limit);
  }

  /**
   * The newest checkpoint of a log: of the one that is written to, it covers what is durable now.
   *
   * @throws ExportError when there is none
   */
  async checkpoint(origin: string): Promise<string> {
    if (origin === this.origin) return (await this.#newest()).note;
    const log = (await this.logs()).find((each) => each.origin === origin);
    if (log?.checkpoint) return log.checkpoint;
    throw new ExportError('not_found', 'No checkpoint of this log is known.');
  }

  /**
   * The receipt of how an export ended: a C2SP tlog-proof file with the entry in it.
   *
   * @throws ExportError `unknown_export`, `not_found` when there is none, saying why
   */
  async receipt(exportId: string): Promise<string> {
    const { store } = this.#parts;
    const place = await store.outcome(exportId);
    if (place === null) throw noReceipt('It has not ended, or ended before this box kept a ledger.');
    const checkpoint = await this.#covering(place);
    if (checkpoint === null) throw noReceipt('No signed checkpoint covers its end.');
    const { text, index, proof } = await store.proof(place, checkpoint.size);
    if (text === null) throw noReceipt('Its time is over (--keep-ledger).');
    return printReceipt({ entry: text, index, proof, checkpoint: checkpoint.note });
  }

  /** Signs what is new, tells the store, and waits a moment for those that keep it elsewhere. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopped) return;
    this.#stopListening();
    this.#cancelTimer?.();
    try {
      await this.#parts.store.recordRefusals(this.#parts.clock.now(), true);
      if (this.#halted === null) {
        await this.#sign();
        await this.#tell(true);
      }
    } catch (error) {
      this.#parts.observer.notKept(this.#parts.headFile.where, error);
    }
    this.#isStopped = true;
    await Promise.all(this.#mirrors.map((mirror) => mirror[Symbol.asyncDispose]()));
  }

  async #covering({ origin, index }: LedgerPlace): Promise<Shown | null> {
    if (origin === this.origin) {
      const isCovered = this.#halted === null && this.#shown !== null && this.#shown.size > index;
      const shown = isCovered && this.#shown !== null ? this.#shown : await this.#newest();
      return shown.size > index ? shown : null;
    }
    const note = (await this.logs()).find((log) => log.origin === origin)?.checkpoint ?? null;
    const size = note === null ? 0 : readUnverifiedCheckpoint(note).size;
    return note !== null && size > index ? { note, size } : null;
  }

  #halt(where: string, error: Error): void {
    this.#halted ??= error;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#parts.observer.halted(where, error);
  }

  /** When nothing can be put into the file, nothing newer is shown than what is in it. */
  async #newest(): Promise<Shown> {
    if (this.#halted !== null)
      throw new ExportError(
        'store_unavailable',
        'A head that was kept elsewhere contradicts this log: nothing of it is signed or shown until the service was started ' +
          'anew. The log of the service says which.',
        { retryAfterSeconds: RETRY_MS / 1_000, cause: this.#halted },
      );
    try {
      return await this.#sign();
    } catch (cause) {
      this.#parts.observer.notKept(this.#parts.headFile.where, cause);
      if (this.#shown !== null) return this.#shown;
      throw new ExportError('store_unavailable', 'No checkpoint can be signed now. Try again in a moment.', {
        retryAfterSeconds: RETRY_MS / 1_000,
        cause,
      });
    }
  }

  #schedule(delayMs: number): void {
    if (this.#cancelTimer !== null || this.#isStopped || this.#halted !== null) return;
    const { clock } = this.#parts;
    const dueAt = Math.max(this.#signedAt + delayMs, clock.steady());
    this.#cancelTimer = clock.schedule(dueAt - clock.steady(), () => {
      this.#cancelTimer = null;
      void this.#trySign();
    });
  }

  async #trySign(): Promise<void> {
    try {
      await this.#sign();
    } catch (error) {
      this.#parts.observer.notKept(this.#parts.headFile.where, error);
      this.#signedAt = this.#parts.clock.steady();
      this.#schedule(RETRY_MS);
    }
  }

  /** Signs what is durable from now on. Who asks while another is signed waits for the next; all who do share it. */
  #sign(): Promise<Shown> {
    this.#next ??= this.#turn.then(() => {
      this.#next = null;
      return this.#signOnce();
    });
    const mine = this.#next;
    this.#turn = mine.then(
      () => {
        this.#behindSince = null;
      },
      () => {
        this.#behindSince ??= this.#parts.clock.steady();
      },
    );
    return mine;
  }

  async #signOnce(): Promise<Shown> {
    if (this.#halted !== null) throw this.#halted;
    const { clock, headFile } = this.#parts;
    const isKept = clock.steady() - this.#keptAt >= KEEP_EVERY_MS;
    const head = await this.#tell(isKept);
    this.#signedAt = clock.steady();
    if (this.#shown?.size === head.size) return this.#shown;
    const note = this.#signer.sign(head);
    await headFile.write(note);
    const shown = { note, size: head.size };
    this.#shown = shown;
    this.#untold = shown;
    for (const mirror of this.#mirrors) mirror.offer(note);
    return shown;
  }

  /** @returns the head that is durable */
  async #tell(isKept: boolean): ReturnType<LedgerStore['head']> {
    const untold = this.#untold;
    const head = await this.#parts.store.head(untold === null ? null : { ...untold, isKept });
    if (this.#untold === untold) this.#untold = null;
    if (isKept) this.#keptAt = this.#parts.clock.steady();
    return head;
  }
}

function noReceipt(why: string): ExportError {
  return new ExportError('not_found', `There is no receipt for this export. ${why}`);
}
