import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../export/clock.ts';
import type { JobStore } from '../export/job-store.ts';
import type { MasterKey } from './master-key.ts';

export interface OwnerSessionsParts {
  readonly store: Pick<JobStore, 'secrets' | 'storeTime'>;
  readonly masterKey: MasterKey;
  readonly clock: Clock;
}

/** How long a link is good (interface, section 1). */
export const LINK_MS = 10 * 60_000;
/** How long a session is: as long as an owner's token. */
export const SESSION_MS = 12 * 3_600_000;
/** Links that are remembered, used ones too; one more, and the oldest is forgotten. */
export const LINKS_MAX = 64;
/** Sessions at a time; one more, and the oldest ends. */
export const SESSIONS_MAX = 64;
/** How long it is still known that a link was used or ran out, so that its holder can be told. */
const LINK_REMEMBERED_MS = 24 * 3_600_000;

const NAME = 'owner sessions';
const FORM = 1;
/** Nobody guesses 256 bits, and whoever reads the store finds only what they were hashed to. */
const SECRET_BYTES = 32;
/** People sign in: two at the same moment are rare, ten are not the world's doing. */
const WRITE_TRIES_MAX = 10;

/** A code or a session's secret, and until when it is good. */
export interface Granted {
  readonly secret: string;
  /** Wall clock. */
  readonly expiresAt: number;
}

/** What became of a code. `unknown`: there was no such link, or it is forgotten. */
export type Redemption =
  | ({ readonly kind: 'opened' } & Granted)
  | { readonly kind: 'used' | 'expired' | 'unknown' };

interface Entry {
  readonly hash: string;
  /** As the store counts time. */
  readonly expiresAt: number;
}

interface Link extends Entry {
  readonly isUsed: boolean;
}

interface Book {
  readonly form: number;
  /** The oldest first, as sessions are. */
  readonly links: readonly Link[];
  readonly sessions: readonly Entry[];
}

const EMPTY: Book = { form: FORM, links: [], sessions: [] };

/**
 * The owner's one-time links, and the sessions of the owner's page that they open. Kept in the store under the master key,
 * so that a restart signs nobody out, no code is good twice, and every instance of a store knows them all.
 *
 * Every method rejects with an `ExportError` when the store cannot be read or written.
 */
export class OwnerSessions {
  readonly #parts: OwnerSessionsParts;

  constructor(parts: OwnerSessionsParts) {
    this.#parts = parts;
  }

  /** Makes a code that opens one session, within {@link LINK_MS}. */
  async createLink(): Promise<Granted> {
    const { secret, expiresAt, entry } = this.#grant(LINK_MS);
    await this.#change((book) => ({
      book: { ...book, links: [...book.links, { ...entry, isUsed: false }].slice(-LINKS_MAX) },
      result: undefined,
    }));
    return { secret, expiresAt };
  }

  /** Opens a session with a code. Of two that come with the same one at the same moment one succeeds. */
  redeem(code: string): Promise<Redemption> {
    const session = this.#grant(SESSION_MS);
    const { secret, expiresAt, entry } = session;
    const hash = hashOf(code);
    return this.#change<Redemption>((book) => {
      const link = book.links.find((each) => each.hash === hash);
      if (link === undefined) return { book, result: { kind: 'unknown' } };
      if (link.isUsed) return { book, result: { kind: 'used' } };
      if (link.expiresAt <= this.#now) return { book, result: { kind: 'expired' } };
      const links = book.links.map((each) => (each === link ? { ...link, isUsed: true } : each));
      const sessions = [...book.sessions, entry].slice(-SESSIONS_MAX);
      return { book: { ...book, links, sessions }, result: { kind: 'opened', secret, expiresAt } };
    });
  }

  /** Whether a session's secret is good now. */
  async isOpen(secret: string): Promise<boolean> {
    const { sessions } = this.#read(await this.#parts.store.secrets.get(NAME));
    const hash = hashOf(secret);
    return sessions.some((session) => session.hash === hash && this.#now < session.expiresAt);
  }

  /** Ends a session; harmless when it has ended. */
  async end(secret: string): Promise<void> {
    const hash = hashOf(secret);
    await this.#change((book) => {
      const sessions = book.sessions.filter((session) => session.hash !== hash);
      // Anybody may send a secret, and one that opens nothing must not make us write.
      const hasEnded = sessions.length < book.sessions.length;
      return { book: hasEnded ? { ...book, sessions } : book, result: undefined };
    });
  }

  get #now(): number {
    const { store, clock } = this.#parts;
    return store.storeTime(clock.steady());
  }

  #grant(lifeMs: number): Granted & { readonly entry: Entry } {
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const expiresAt = this.#parts.clock.now() + lifeMs;
    return { secret, expiresAt, entry: { hash: hashOf(secret), expiresAt: this.#now + lifeMs } };
  }

  /** Reads, changes and writes; again when another instance wrote meanwhile. */
  async #change<T>(change: (book: Book) => { readonly book: Book; readonly result: T }): Promise<T> {
    const { masterKey, store } = this.#parts;
    const { secrets } = store;
    for (let tries = 0; tries < WRITE_TRIES_MAX; tries += 1) {
      const stored = await secrets.get(NAME);
      const before = this.#read(stored);
      const { book, result } = change(before);
      if (book === before) return result;
      const sealed = masterKey.seal(NAME, Buffer.from(JSON.stringify(this.#withoutOld(book))));
      if (await secrets.replace(NAME, stored, sealed)) return result;
    }
    throw new Error("Other instances changed the owner's sessions in the store again and again.");
  }

  #withoutOld({ form, links, sessions }: Book): Book {
    const now = this.#now;
    return {
      form,
      links: links.filter(({ expiresAt }) => now < expiresAt + LINK_REMEMBERED_MS),
      sessions: sessions.filter(({ expiresAt }) => now < expiresAt),
    };
  }

  #read(stored: Uint8Array | null): Book {
    if (stored === null) return EMPTY;
    const book = JSON.parse(Buffer.from(this.#parts.masterKey.open(NAME, stored)).toString()) as Book;
    if (book.form !== FORM) throw new Error("The owner's sessions in the store are of an unknown form.");
    return book;
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
