import type { Cancel, Clock } from '../export/clock.ts';
import type { KeyRecord, SecretStore } from '../export/job-store.ts';
import type { KeyChange } from '../export/ledger-store.ts';
import type { MasterKey } from './master-key.ts';
import { addKey, decodeRing, dropUnused, encodeRing, holds, mergeKnown, type Ring } from './ring.ts';

export interface RootKeyRingParts {
  readonly secrets: SecretStore;
  readonly masterKey: MasterKey;
  readonly clock: Clock;
  /** Hears when the store could not be written beside a request or an ask; it is tried again. */
  readonly onError: (error: unknown) => void;
}

/** What adding a key made of the ring. */
export interface RingChange {
  /** Keys that are good now. */
  readonly keys: number;
  /** Keys that were good before and are no more. */
  readonly dropped: number;
}

interface Addition {
  readonly key: Uint8Array;
  /** Who asked for it, for the ledger. */
  readonly by: string | null;
  /** The others go. */
  readonly isOnly: boolean;
}

const NAME = 'arbiter root keys';
/** A key's use is written down when the last one that was is older; so it costs a write an hour. */
const RECORD_AFTER_MS = 3_600_000;
/** How often the store is asked what other instances made of the ring, and what could not be written is tried again. */
const UPKEEP_EVERY_MS = 10_000;
/** Another instance changes the ring when it starts or loses the arbiter, not many times in a moment. */
const SAVE_TRIES_MAX = 10;

/**
 * The arbiter's keys that tokens are checked with, kept in the store under the master key, so that tokens in the field
 * outlive restarts of ours and of the arbiter. A key is good once it is in the store: one that a crash could still lose
 * would leave behind tokens that passed once and never again. What is dropped is good no more at once. What other
 * instances of the same store wrote is taken over.
 */
export class RootKeyRing implements AsyncDisposable {
  readonly #parts: RootKeyRingParts;
  /** As it is to be in the store. */
  #ring: Ring = [];
  /** As it is in the store, as far as we know, and sealed as it is there. */
  #storedRing: Ring = [];
  #stored: Uint8Array | null = null;
  /** What is in both. */
  #keys: readonly Uint8Array[] = [];
  #storedAt = 0;
  /** Changes of ours that the store does not have yet. */
  #unsaved: Addition[] = [];
  /** Of each key, the last use that is written or about to be. */
  readonly #recorded = new WeakMap<Uint8Array, number>();
  readonly #usedByUs = new WeakSet<Uint8Array>();
  #hasUses = false;
  #cancelRecording: Cancel = () => {};
  /** One exchange with the store after the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(parts: RootKeyRingParts) {
    this.#parts = parts;
    this.#storedAt = parts.clock.steady();
  }

  /** @throws Error when what is stored cannot be read */
  static async open(parts: RootKeyRingParts): Promise<RootKeyRing> {
    const ring = new RootKeyRing(parts);
    await ring.#load();
    return ring;
  }

  /** Those that are good, newest first. */
  get keys(): readonly Uint8Array[] {
    return this.#keys;
  }

  /** Whether a new key is not in the store yet, and so not good. */
  get hasUnsavedKey(): boolean {
    return this.#keys.length < this.#ring.length;
  }

  /** This key has just verified a token. Costs nothing: it is written down later, and seldom. */
  used(key: Uint8Array): void {
    const entry = this.#ring.find((candidate) => candidate.key === key);
    if (entry === undefined) return;
    const now = this.#parts.clock.steady();
    entry.usedAt = now;
    // The first use since our start is written at once: uses that a kill forgets would make a key in use look unused.
    const isKnown = this.#usedByUs.has(key);
    this.#usedByUs.add(key);
    if (isKnown && now - (this.#recorded.get(key) ?? 0) < RECORD_AFTER_MS) return;
    this.#recorded.set(key, now);
    this.#hasUses = true;
    this.#cancelRecording();
    this.#cancelRecording = this.#parts.clock.schedule(0, () => void this.#trySync());
  }

  /**
   * Takes a key in as the newest, which is good once this resolves.
   *
   * @param isOnly ends all others, and every token signed with them, at once
   * @param by the identifier of the owner's token; null when nobody asked, or it named nobody
   * @throws ExportError when it could not be written; that is tried again by {@link upkeep}
   */
  async add(
    key: Uint8Array,
    { isOnly = false, by = null }: { isOnly?: boolean; by?: string | null } = {},
  ): Promise<RingChange> {
    const before = this.#keys;
    const addition = { key, isOnly, by };
    this.#unsaved.push(addition);
    this.#set(this.#apply(this.#ring, addition));
    await this.#sync();
    return {
      keys: this.#keys.length,
      dropped: before.filter((old) => !this.#keys.includes(old)).length,
    };
  }

  /** A small step, for a chore. Resolves to when the next is due, in milliseconds. */
  async upkeep(): Promise<number> {
    await this.#sync();
    return UPKEEP_EVERY_MS;
  }

  /** Writes down what was used meanwhile. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelRecording();
    this.#hasUses ||= this.#ring.length > 0;
    await this.#trySync();
  }

  async #trySync(): Promise<void> {
    try {
      await this.#sync();
    } catch (error) {
      this.#parts.onError(error);
    }
  }

  #sync(): Promise<void> {
    const turn = this.#turn.then(() => this.#exchange());
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Takes over what the store has, and writes what it has not. */
  async #exchange(): Promise<void> {
    for (let tries = 0; tries < SAVE_TRIES_MAX; tries += 1) {
      await this.#load();
      this.#set(dropUnused(this.#ring, this.#parts.clock.steady()));
      if (!this.#hasNews()) return;
      if (await this.#save()) return;
    }
    throw new Error('Other instances changed the root keys in the store again and again.');
  }

  async #load(): Promise<void> {
    const { secrets, masterKey, clock } = this.#parts;
    const stored = await secrets.get(NAME);
    if (isSameOrBothNull(stored, this.#stored)) return;
    const now = clock.steady();
    const ring = stored === null ? [] : decodeRing(masterKey.open(NAME, stored), now);
    this.#stored = stored;
    this.#storedRing = ring;
    this.#storedAt = now;
    const merged = mergeKnown(ring, this.#ring);
    for (const [index, { key }] of merged.entries()) this.#recorded.set(key, ring[index]?.usedAt ?? 0);
    this.#set(this.#unsaved.reduce((added, each) => this.#apply(added, each), merged));
  }

  /** Ages grow by being written down, so a quiet ring is written once in a while too. */
  #hasNews(): boolean {
    const isOld = this.#parts.clock.steady() - this.#storedAt >= RECORD_AFTER_MS;
    const hasChanged = this.#unsaved.length > 0 || this.#countRetired() > 0;
    return hasChanged || this.#hasUses || (isOld && this.#ring.length > 0);
  }

  /** @returns false when the store has something else by now */
  async #save(): Promise<boolean> {
    const { secrets, masterKey, clock } = this.#parts;
    const now = clock.steady();
    const ring = this.#ring;
    const sealed = masterKey.seal(NAME, encodeRing(ring, now));
    const count = this.#unsaved.length;
    const hadUses = this.#hasUses;
    this.#hasUses = false;
    for (const { key, usedAt } of ring) this.#recorded.set(key, usedAt);
    let isSaved = false;
    try {
      isSaved = await secrets.replace(NAME, this.#stored, sealed, this.#record());
    } finally {
      if (!isSaved) this.#hasUses ||= hadUses;
    }
    if (!isSaved) return false;
    this.#stored = sealed;
    this.#storedRing = ring;
    this.#storedAt = now;
    this.#unsaved = this.#unsaved.slice(count);
    this.#set(this.#ring);
    return true;
  }

  /** What the ledger is to say of the changes that are written now. */
  #record(): KeyRecord {
    const changes = this.#unsaved.flatMap(({ isOnly, by }): KeyChange[] => {
      const fetched = { purpose: 'root', change: 'fetched', publicKey: null, by } as const;
      return isOnly ? [{ ...fetched, change: 'dropped' }, fetched] : [fetched];
    });
    const gone: KeyChange = { purpose: 'root', change: 'retired', publicKey: null, by: null };
    return { changes: [...changes, ...Array(this.#countRetired()).fill(gone)], now: this.#parts.clock.now() };
  }

  /** Keys that leave with what is written now: since nothing used them, or newer ones took their places. */
  #countRetired(): number {
    const dropping = this.#unsaved.findLastIndex(({ isOnly }) => isOnly);
    const before = dropping < 0 ? this.#storedRing : [];
    const known = [...before, ...this.#unsaved.slice(Math.max(dropping, 0))];
    return known.filter(({ key }) => !holds(this.#ring, key)).length;
  }

  #apply(ring: Ring, { key, isOnly }: Addition): Ring {
    return addKey(isOnly ? [] : ring, key, this.#parts.clock.steady());
  }

  #set(ring: Ring): void {
    this.#ring = ring;
    this.#keys = ring.map(({ key }) => key).filter((key) => holds(this.#storedRing, key));
  }
}

/** The ring in the store, read beside a running service; newest first, empty when there is none. */
export async function readStoredRing(
  secrets: Pick<SecretStore, 'get'>,
  openMasterKey: () => MasterKey | Promise<MasterKey>,
): Promise<readonly Uint8Array[]> {
  const stored = await secrets.get(NAME);
  return stored === null
    ? []
    : decodeRing((await openMasterKey()).open(NAME, stored), 0).map(({ key }) => key);
}

function isSameOrBothNull(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0;
}
